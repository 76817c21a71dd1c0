"""What is kept of a finished block: its labels at mask resolution, its cells' parts, what the audit needs."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.blocks import BlockCells, FlowPiece
from studio.cellseg.lattice import Rect, WorkGrid
from studio.cellseg.stains import StainSums

_MAGIC = b"studio block 1\n"
_HEAD = struct.Struct("<IIQ")
"""Length of the description, checksum of description and arrays, length of the arrays."""

LOGITS = (-100, 100)
"""Cell probability as flows have it: float16 ends at 65504, and a logit beyond 100 says no more than one of 100."""


class BlockFormatError(ValueError):
    """Bytes that hold no whole block."""


@dataclass(frozen=True, slots=True)
class BlockData:
    """A finished block as the journal keeps it and a preview puts it together."""

    core: Rect
    mask: Rect
    """The mask pixels whose samples lie in the core."""
    labels: NDArray[np.int32]
    """(mask rows, mask columns); 0 or 1 + row in `cells`."""
    cells: NDArray[np.void]
    """Parts of cells in the core, `studio.cellseg.blocks.PART` and sums of stains, sorted by name."""
    flows: NDArray[np.float16] | None
    """(mask rows, mask columns, 3): unit-scale dY, dX and cell probability, 0 outside the foreground."""
    needed: Rect
    trusted: Rect
    reach: NDArray[np.int32]
    halo: int


def keep_block(
    block: BlockCells, piece: FlowPiece, grid: WorkGrid, *, flows: bool, stains: StainSums | None = None
) -> BlockData:
    """Sample a block's labels (and its flows, if wanted) at mask resolution; measure stains in the piece's pixels."""
    core = block.core
    mask = grid.mask_rect(core)
    rows = grid.mask_rows(core.bottom)[mask.top :] - core.top
    cols = grid.mask_cols(core.right)[mask.left :] - core.left
    whole = mask.rows == core.rows and mask.cols == core.cols
    labels = block.labels if whole else np.ascontiguousarray(block.labels[np.ix_(rows, cols)])
    cells = block.cells
    if stains is not None and piece.rgb is not None:
        cells = stains.add_to(cells, block.labels, piece.rgb[core.slices(piece.rect)])
    return BlockData(
        core=core,
        mask=mask,
        labels=labels,
        cells=cells,
        flows=_flows(piece, rows + core.top - piece.rect.top, cols + core.left - piece.rect.left) if flows else None,
        needed=block.needed,
        trusted=block.trusted,
        reach=block.reach,
        halo=block.halo,
    )


def _flows(piece: FlowPiece, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.float16]:
    at, piece = np.ix_(rows, cols), piece.wide or piece
    out = np.zeros((len(rows), len(cols), 3), np.float16)
    out[..., :2] = piece.flow[at]
    out[..., 2] = np.where(piece.inside[at], np.clip(piece.logit[at], *LOGITS), 0)
    return out


def to_bytes(block: BlockData) -> bytes:
    """The block as one checked, compressed piece of bytes; the same block gives the same bytes."""
    from numcodecs import zstd

    arrays = {"labels": block.labels, "cells": block.cells, "reach": block.reach}
    if block.flows is not None:
        arrays["flows"] = block.flows
    packed = {name: zstd.compress(np.ascontiguousarray(array).tobytes(), 1) for name, array in arrays.items()}
    about = {
        "core": block.core.astuple(),
        "mask": block.mask.astuple(),
        "needed": block.needed.astuple(),
        "trusted": block.trusted.astuple(),
        "halo": block.halo,
        "arrays": [
            {"name": name, "dtype": _dtype_text(array), "shape": array.shape, "bytes": len(packed[name])}
            for name, array in arrays.items()
        ],
    }
    text = json.dumps(about).encode()
    content = b"".join(packed.values())
    return _MAGIC + _HEAD.pack(len(text), zlib.crc32(content, zlib.crc32(text)), len(content)) + text + content


def from_bytes(data: bytes, only: tuple[str, ...] | None = None) -> BlockData:
    """The block of `to_bytes`; arrays not named in `only` come back empty. Raises BlockFormatError."""
    from numcodecs import zstd

    try:
        if not data.startswith(_MAGIC):
            raise ValueError("another kind of file")
        length, checksum, size = _HEAD.unpack_from(data, len(_MAGIC))
        start = len(_MAGIC) + _HEAD.size
        body = memoryview(data)[start:]
        if len(body) != length + size or zlib.crc32(body) != checksum:
            raise ValueError("damaged")
        about = json.loads(bytes(body[:length]))
        arrays: dict[str, Any] = {}
        at = length
        for entry in about["arrays"]:
            dtype = _dtype(entry["dtype"])
            shape = tuple(entry["shape"])
            if only is None or entry["name"] in only:
                raw = zstd.decompress(bytes(body[at : at + entry["bytes"]])) if np.prod(shape) else b""
                arrays[entry["name"]] = np.frombuffer(raw, dtype).reshape(shape)
            else:
                arrays[entry["name"]] = np.empty((0,) * len(shape), dtype)
            at += entry["bytes"]
        return BlockData(
            core=Rect(*about["core"]),
            mask=Rect(*about["mask"]),
            labels=arrays["labels"],
            cells=arrays["cells"],
            flows=arrays.get("flows"),
            needed=Rect(*about["needed"]),
            trusted=Rect(*about["trusted"]),
            reach=arrays["reach"],
            halo=int(about["halo"]),
        )
    except (ValueError, LookupError, TypeError, struct.error, RuntimeError) as error:
        raise BlockFormatError(str(error)) from error


def _dtype_text(array: NDArray[Any]) -> Any:
    return array.dtype.descr if array.dtype.names else array.dtype.str


def _dtype(text: Any) -> np.dtype[Any]:
    return np.dtype([tuple(field) for field in text] if isinstance(text, list) else text)
