"""Result files as others write them, and as nobody should."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs import Blosc
from numpy.typing import NDArray


def slideflow_entries(
    masks: NDArray[Any],
    *,
    centroids: NDArray[Any] | None = None,
    flows: NDArray[np.uint8] | None = None,
    wsi_dim: tuple[int, int] | None = None,
    wsi_offset: tuple[int, int] | None = None,
    chunk: int = 384,
) -> dict[str, bytes]:
    """Entries of a Slideflow result: Zarr 2, blosc with zstd and bit shuffling, empty chunks left out."""
    entries = {".zgroup": b'{"zarr_format": 2}'}
    arrays: dict[str, Any] = {"masks": masks, "centroids": centroids, "flows": flows}
    arrays |= {"wsi_dim": wsi_dim, "wsi_offset": wsi_offset}
    for name, values in arrays.items():
        if values is not None:
            array = np.asarray(values) if name in ("masks", "flows") else np.asarray(values, "<i8")
            entries |= blosc_array(name, array, chunk)
    return entries


def blosc_array(name: str, array: NDArray[Any], chunk: int = 384) -> dict[str, bytes]:
    chunks = tuple(max(1, min(chunk, side)) for side in array.shape[:2]) + array.shape[2:]
    codec = Blosc(cname="zstd", clevel=3, shuffle=Blosc.BITSHUFFLE)
    entries = {f"{name}/.zarray": zarray(array.shape, chunks, array.dtype.str, codec.get_config())}
    grid = [-(-side // part) for side, part in zip(array.shape, chunks, strict=True)]
    for index in np.ndindex(*grid):
        corner = tuple(i * part for i, part in zip(index, chunks, strict=True))
        part = array[tuple(slice(at, at + side) for at, side in zip(corner, chunks, strict=True))]
        if part.any():
            full = np.zeros(chunks, array.dtype)
            full[tuple(slice(side) for side in part.shape)] = part
            entries[f"{name}/{'.'.join(map(str, index))}"] = codec.encode(full)
    return entries


def zarray(shape: Any, chunks: Any, dtype: Any = "<u4", compressor: Any = None, **other: Any) -> bytes:
    values = {
        "zarr_format": 2,
        "shape": list(shape),
        "chunks": list(chunks),
        "dtype": dtype,
        "compressor": compressor,
        "fill_value": 0,
        "order": "C",
        "filters": None,
    }
    return json.dumps(values | other).encode()


def write_zip(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def read_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def raw_zip(entries: list[tuple[bytes, bytes, dict[str, Any]]]) -> bytes:
    """A zip with every field under control: (name, content, changes), changes being what its headers claim.

    `method`, `crc`, `packed`, `size`, `flags`, `offset`, and `local` (bytes in place of the local header).
    """
    body, directory = b"", b""
    for name, content, changes in entries:
        at = len(body)
        field = {
            "method": 0, "crc": zlib.crc32(content), "packed": len(content), "size": len(content), "flags": 0,
            "offset": at,
        } | changes  # fmt: skip
        sizes = struct.pack("<3L2H", field["crc"], field["packed"], field["size"], len(name), 0)
        local = struct.pack("<4s5H", b"PK\3\4", 20, field["flags"], field["method"], 0, 0x21) + sizes
        body += field.get("local", local + name) + content
        directory += struct.pack("<4s6H", b"PK\1\2", 20, 20, field["flags"], field["method"], 0, 0x21)
        directory += sizes + struct.pack("<3H2L", 0, 0, 0, 0, field["offset"]) + name
    count = len(entries)
    return body + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
