"""The part of Zarr format 2 that results use: array descriptions and chunk codecs, with every size checked.

Written by us: plain zstd. Read as well: blosc (Slideflow), zlib, gzip, none.
A chunk is decompressed only when its own header promises exactly the bytes
that the array's description asks for. No filters, no objects, no pickles.
Specification: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

MAX_SIDE = 1 << 20
"""Largest length of a dimension of a picture; tables may have `MAX_ROWS`."""

MAX_ROWS = 1 << 28
MAX_CHUNKS = 1 << 24
MAX_CHUNK_BYTES = 64 << 20
"""What zarr-python cuts tables into at most."""

_DTYPES = ("b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8")
_ZSTD_MAGIC = 0xFD2FB528
_BLOSC_HEADER = struct.Struct("<4B3L")


class FormatError(ValueError):
    """Something in an array's description or chunk that can't be right; the reader adds the file's name."""


@dataclass(frozen=True, slots=True)
class ArrayMeta:
    """What `.zarray` says."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    compressor: str | None
    """Codec id: zstd, blosc, zlib, gzip, or None."""
    level: int = 3
    fill: float = 0
    separator: str = "/"
    order: str = "C"

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a decoded chunk."""
        return math.prod(self.chunks) * self.dtype.itemsize

    @property
    def bytes(self) -> int:
        """Bytes of the whole array."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def grid(self) -> tuple[int, ...]:
        """Chunks along each dimension."""
        return tuple(-(-length // side) for length, side in zip(self.shape, self.chunks, strict=True))

    def key(self, index: tuple[int, ...]) -> str:
        """Name of a chunk inside the array's folder."""
        return self.separator.join(map(str, index)) or "0"

    def to_json(self) -> str:
        """The text of `.zarray`; zstd or no compressor only."""
        compressor = None if self.compressor is None else {"id": self.compressor, "level": self.level}
        values = {
            "zarr_format": 2,
            "shape": list(self.shape),
            "chunks": list(self.chunks),
            "dtype": self.dtype.str,
            "compressor": compressor,
            "fill_value": int(self.fill) if self.dtype.kind in "iub" else float(self.fill),
            "order": self.order,
            "filters": None,
            "dimension_separator": self.separator,
        }
        return dump_json(values)


def dump_json(values: Any) -> str:
    """JSON that depends on nothing but the values. ValueError for NaN and infinities."""
    return json.dumps(values, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False)


def parse_json(data: bytes) -> dict[str, Any]:
    """An object from JSON text. FormatError for anything else."""
    try:
        values = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"is no JSON ({type(error).__name__})") from error
    if not isinstance(values, dict):
        raise FormatError("is no JSON object")
    return values


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def parse_array(data: bytes) -> ArrayMeta:
    """The description of an array. FormatError when it isn't one that a result may have."""
    values = parse_json(data)
    if values.get("zarr_format") != 2:
        raise FormatError(f"has Zarr format {values.get('zarr_format')!r}, not 2")
    if values.get("filters"):
        raise FormatError("uses filters")
    shape, chunks = _sizes(values.get("shape"), 0), _sizes(values.get("chunks"), 1)
    if len(shape) != len(chunks) or not 1 <= len(shape) <= 3:
        raise FormatError(f"has {len(shape)} dimensions and {len(chunks)} chunk sizes")
    dtype = _dtype(values.get("dtype"))
    compressor = values.get("compressor")
    codec = compressor.get("id") if isinstance(compressor, dict) else compressor
    if codec not in (None, "zstd", "blosc", "zlib", "gzip"):
        raise FormatError(f"is compressed with {codec!r}, which results don't use")
    order, separator = values.get("order", "C"), values.get("dimension_separator", ".")
    if order not in ("C", "F") or separator not in (".", "/"):
        raise FormatError("has an unknown order or separator")
    fill = values.get("fill_value")
    if fill not in (None, 0, "0", False):
        raise FormatError(f"has the fill value {fill!r}; only 0 is used")
    meta = ArrayMeta(shape, chunks, dtype, codec, separator=separator, order=order)
    if math.prod(meta.grid) > MAX_CHUNKS:
        raise FormatError(f"is cut into {math.prod(meta.grid):,} chunks")
    if meta.chunk_bytes > MAX_CHUNK_BYTES:
        raise FormatError(f"has chunks of {meta.chunk_bytes:,} bytes")
    return meta


def _sizes(value: Any, least: int) -> tuple[int, ...]:
    if not isinstance(value, list) or not value:
        raise FormatError("has no shape")
    limit = MAX_ROWS if len(value) == 1 or value[-1] in (2, 4) else MAX_SIDE
    for size in value:
        if isinstance(size, bool) or not isinstance(size, int) or not least <= size <= limit:
            raise FormatError(f"has the size {str(size)[:40]}")
    return tuple(value)


def _dtype(value: Any) -> np.dtype[Any]:
    if not isinstance(value, str) or value[:1] not in "<>|" or value[1:] not in _DTYPES:
        raise FormatError(f"holds {str(value)[:40]}, not plain numbers")
    return np.dtype(value)


def encode(meta: ArrayMeta, chunk: NDArray[Any]) -> bytes:
    """A whole chunk as it is stored."""
    data = np.ascontiguousarray(chunk, meta.dtype)
    if meta.compressor is None:
        return data.tobytes()
    from numcodecs import zstd

    return cast(bytes, zstd.compress(data, meta.level))


def decode(meta: ArrayMeta, data: bytes) -> NDArray[Any]:
    """A chunk's values, (chunks) of `meta.dtype`, read-only. FormatError when it isn't exactly one."""
    expected = meta.chunk_bytes
    try:
        raw = _DECODERS[meta.compressor](data, expected)
    except (RuntimeError, ValueError, zlib.error, struct.error) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"can't be decompressed ({error})") from error
    if len(raw) != expected:
        raise FormatError(f"has {len(raw):,} bytes in place of {expected:,}")
    return np.frombuffer(raw, meta.dtype).reshape(meta.chunks, order=cast(Any, meta.order))


def _plain(data: bytes, _expected: int) -> bytes:
    return data


def _unzstd(data: bytes, expected: int) -> bytes:
    promised = _zstd_content_size(data)
    if promised != expected:
        raise FormatError(f"promises {promised} bytes in place of {expected:,}")
    from numcodecs import zstd

    return cast(bytes, zstd.decompress(data))


def _zstd_content_size(data: bytes) -> int | None:
    """Content size in a frame's header (RFC 8878, 3.1.1.1); None where it isn't given."""
    magic, descriptor = struct.unpack_from("<LB", data)
    if magic != _ZSTD_MAGIC:
        raise FormatError("is no zstd frame")
    single = bool(descriptor & 0x20)
    at = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3]
    kind = descriptor >> 6
    if kind == 0:
        return int(data[at]) if single and at < len(data) else None
    value = struct.unpack_from({1: "<H", 2: "<L", 3: "<Q"}[kind], data, at)[0]
    return int(value) + (256 if kind == 1 else 0)


def _unblosc(data: bytes, expected: int) -> bytes:
    version, _, _, typesize, promised, block, packed = _BLOSC_HEADER.unpack_from(data)
    if promised != expected or packed != len(data):
        raise FormatError(f"promises {promised:,} bytes in place of {expected:,}")
    if version != 2 or typesize == 0 or block > max(expected, 1 << 16):
        raise FormatError("has a blosc header that can't be right")
    from numcodecs import blosc

    return cast(bytes, blosc.decompress(data))


def _unzlib(data: bytes, expected: int) -> bytes:
    # 32 + 15: zlib or gzip, whichever the header says.
    inflater = zlib.decompressobj(47)
    raw = inflater.decompress(data, expected + 1)
    if not inflater.eof:
        raise FormatError("ends too early or holds more than it should")
    return raw


_DECODERS = {None: _plain, "zstd": _unzstd, "blosc": _unblosc, "zlib": _unzlib, "gzip": _unzlib}
