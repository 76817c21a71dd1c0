"""Array descriptions and chunks: what is written comes back, what lies is refused."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numcodecs import Blosc, zstd

from studio.cellseg.zarr2 import ArrayMeta, FormatError, decode, dump_json, encode, parse_array, parse_json
from tests.cellseg.make_zips import zarray


def test_a_description_comes_back() -> None:
    meta = ArrayMeta((5, 7, 3), (2, 4, 3), np.dtype("<f2"), "zstd", level=1)
    parsed = parse_array(meta.to_json().encode())
    assert (parsed.shape, parsed.chunks, parsed.dtype, parsed.compressor) == ((5, 7, 3), (2, 4, 3), meta.dtype, "zstd")
    assert parsed.grid == (3, 2, 1)
    assert parsed.key((1, 0, 0)) == "1/0/0"


CHUNK = np.arange(12, dtype="<u4").reshape(3, 4)


@pytest.mark.parametrize(
    ("codec", "pack"),
    [
        (None, bytes),
        ({"id": "zstd", "level": 3}, lambda data: zstd.compress(data, 3)),
        ({"id": "blosc"}, lambda data: Blosc("zstd", 3, Blosc.BITSHUFFLE).encode(data)),
        ({"id": "blosc"}, lambda data: Blosc("lz4", 5, Blosc.SHUFFLE).encode(data)),
        ({"id": "zlib"}, zlib.compress),
        ({"id": "gzip"}, gzip.compress),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_every_codec_order_and_endian(codec: Any, pack: Any, order: str, endian: str) -> None:
    data = CHUNK.astype(f"{endian}u4").tobytes(order)  # type: ignore[arg-type]
    meta = parse_array(zarray((30, 40), (3, 4), f"{endian}u4", codec, order=order))
    np.testing.assert_array_equal(decode(meta, pack(data)), CHUNK)
    with pytest.raises(FormatError):
        decode(meta, pack(data + b"more"))
    with pytest.raises(FormatError):
        decode(meta, pack(data)[:-3])
    with pytest.raises(FormatError):
        decode(meta, b"")


def test_sizes_are_believed_only_where_they_fit() -> None:
    """A frame that promises a gigabyte, or nothing, is refused before it is unpacked."""
    meta = ArrayMeta((3, 4), (3, 4), np.dtype("<u4"), "zstd")
    packed = bytearray(encode(meta, CHUNK))
    assert packed[4] & 0x20  # single segment, so the size stands in one byte
    packed[5] += 1
    with pytest.raises(FormatError, match="promises 49"):
        decode(meta, bytes(packed))
    without_size = bytes.fromhex("28b52ffd 00 58") + bytes(10)
    with pytest.raises(FormatError, match="promises None"):
        decode(meta, without_size)
    blosc = ArrayMeta((3, 4), (3, 4), np.dtype("<u4"), "blosc")
    data = bytearray(Blosc().encode(CHUNK))
    struct.pack_into("<L", data, 4, 1 << 30)
    with pytest.raises(FormatError, match="promises 1,073"):
        decode(blosc, bytes(data))
    bomb = ArrayMeta((3, 4), (3, 4), np.dtype("<u4"), "zlib")
    with pytest.raises(FormatError):
        decode(bomb, zlib.compress(bytes(10_000_000)))


@pytest.mark.parametrize(
    "changes",
    [
        {"zarr_format": 3},
        {"shape": [-1, 4]},
        {"shape": [1 << 30, 4]},
        {"shape": [1 << 24, 1 << 24], "chunks": [1, 1]},
        {"shape": [4]},
        {"shape": []},
        {"shape": [True, 4]},
        {"shape": [1.5, 4]},
        {"shape": "30"},
        {"shape": [2] * 9, "chunks": [2] * 9},
        {"chunks": [0, 4]},
        {"chunks": [1 << 20, 1 << 10]},
        {"dtype": "|O"},
        {"dtype": "<U9"},
        {"dtype": "<c16"},
        {"dtype": [["a", "<u4"]]},
        {"dtype": None},
        {"compressor": {"id": "pickle"}},
        {"compressor": {"id": "lzma"}},
        {"compressor": 7},
        {"filters": [{"id": "pickle"}]},
        {"fill_value": 5},
        {"fill_value": "NaN"},
        {"order": "X"},
        {"dimension_separator": ".."},
    ],
)
def test_descriptions_that_no_result_has(changes: dict[str, Any]) -> None:
    values = json.loads(zarray((30, 40), (3, 4))) | changes
    with pytest.raises(FormatError):
        parse_array(json.dumps(values).encode())


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"7", b"{", b'{"a": NaN}', b'{"a": Infinity}', b"\xff", b'{"a":' + b"[" * 100_000]
)
def test_text_that_is_no_json_object(text: bytes) -> None:
    with pytest.raises(FormatError):
        parse_json(text)


def test_json_depends_on_the_values_only() -> None:
    assert dump_json({"b": 1, "a": {"d": 2.5, "c": None}}) == dump_json({"a": {"c": None, "d": 2.5}, "b": 1})
    with pytest.raises(ValueError, match="JSON"):
        dump_json({"a": float("nan")})
