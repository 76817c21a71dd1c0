"""TFRecord files against an independent reader and writer, and against damage."""

from __future__ import annotations

import contextlib
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import ResultFileError
from studio.extract.protobuf import decode_example, encode_example
from studio.extract.tfrecord import masked_crc, read_examples, read_records, write_record

example_pb2 = pytest.importorskip("tfrecord.example_pb2", reason="the independent reader (pip install tfrecord)")

FEATURES = {"slide": b"a slide", "image_raw": bytes(range(256)) * 3, "loc_x": 123456, "loc_y": -5, "x_um": 12.25}


def test_the_checksum_is_the_published_one() -> None:
    """CRC-32C of '123456789' is E3069283 (RFC 3720); masked by the published rotation and constant."""
    crc = 0xE3069283
    assert masked_crc(b"123456789") == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def test_google_s_protobuf_reads_what_we_write() -> None:
    message = example_pb2.Example.FromString(encode_example(FEATURES))
    features = message.features.feature
    assert set(features) == set(FEATURES)
    assert features["image_raw"].bytes_list.value[0] == FEATURES["image_raw"]
    assert list(features["loc_x"].int64_list.value) == [123456]
    assert list(features["loc_y"].int64_list.value) == [-5]
    assert list(features["x_um"].float_list.value) == [12.25]


def test_we_read_what_google_s_protobuf_writes() -> None:
    message = example_pb2.Example()
    message.features.feature["many"].int64_list.value.extend([1, -1, 2**63 - 1, -(2**63)])
    message.features.feature["floats"].float_list.value.extend([0.5, -2.0])
    message.features.feature["ä"].bytes_list.value.extend([b"", b"xy"])
    message.features.feature["none"].float_list.SetInParent()
    assert decode_example(message.SerializeToString()) == {
        "many": [1, -1, 2**63 - 1, -(2**63)],
        "floats": [0.5, -2.0],
        "ä": [b"", b"xy"],
        "none": [],
    }


def test_lists_that_are_not_packed_are_read() -> None:
    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    ints = field(3, b"\x08\x05\x08\x07")
    floats = field(2, b"\x0d" + struct.pack("<f", 1.5))
    entries = b"".join(field(1, field(1, name) + field(2, value)) for name, value in ((b"i", ints), (b"f", floats)))
    assert decode_example(field(1, entries)) == {"i": [5, 7], "f": [1.5]}


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(st.binary(max_size=300), st.integers(-(2**63), 2**63 - 1), st.floats(width=32, allow_nan=False)),
        max_size=6,
    )
)
def test_any_example_is_read_back(features: dict[str, bytes | int | float]) -> None:
    assert decode_example(encode_example(features)) == {name: [value] for name, value in features.items()}
    example_pb2.Example.FromString(encode_example(features))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_example_say_so(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode_example(data)


def test_an_independent_reader_reads_our_file(tmp_path: Path) -> None:
    from tfrecord.torch.dataset import TFRecordDataset

    path = tmp_path / "ü.tfrecords"
    with path.open("wb") as file:
        for number in range(5):
            write_record(file, encode_example({**FEATURES, "loc_x": number}))
    described = {"slide": "byte", "image_raw": "byte", "loc_x": "int", "loc_y": "int", "x_um": "float"}
    found = list(TFRecordDataset(str(path), None, described))
    assert [int(record["loc_x"][0]) for record in found] == list(range(5))
    assert bytes(found[3]["slide"]) == b"a slide"
    assert np.asarray(found[3]["image_raw"]).tobytes() == FEATURES["image_raw"]


def test_we_read_an_independent_writer_s_file_checksums_included(tmp_path: Path) -> None:
    from tfrecord.writer import TFRecordWriter

    path = tmp_path / "other.tfrecords"
    writer = TFRecordWriter(str(path))
    for number in range(3):
        writer.write({"cell_id": (number, "int"), "image_raw": (b"xyz", "byte")})
    writer.close()
    assert [record["cell_id"] for record in read_examples(path)] == [[0], [1], [2]]


def test_damage_is_noticed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    for _ in range(2):
        write_record(buffer, encode_example(FEATURES))
    whole = buffer.getvalue()
    path = tmp_path / "damaged.tfrecords"
    assert list(read_records(written(path, b""))) == []
    for at in range(0, len(whole), 37):
        flipped = bytearray(whole)
        flipped[at] ^= 4
        with pytest.raises(ResultFileError, match=r"damaged\.tfrecords, record [01] is damaged"):
            list(read_examples(written(path, bytes(flipped))))
    for length in range(1, len(whole), 41):
        if length != len(whole) // 2:
            with pytest.raises(ResultFileError):
                list(read_examples(written(path, whole[:length])))
    with pytest.raises(ResultFileError, match="can't be read"):
        list(read_records(tmp_path / "none"))


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
