"""The masks as a tiled BigTIFF (OME-TIFF) of 32-bit labels with a pyramid; deflate, which every reader knows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from studio.cellseg.exports import Options
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress

TILE = 512
_LEVEL = 3
"""Of deflate."""

_AHEAD = 8
"""Tiles compressed before they are written."""


def write_tiff(segmentation: Segmentation, out: Path, _options: Options, progress: Progress) -> None:
    """Write the pyramid, coarser levels as SubIFDs."""
    import tifffile

    rows, cols = segmentation.geometry.shape
    levels = segmentation.level_count
    shapes = [(-(-rows // 2**level), -(-cols // 2**level)) for level in range(levels)]
    progress.start(sum(-(-h // TILE) * -(-w // TILE) for h, w in shapes), "Writing TIFF")
    with (
        ThreadPoolExecutor(2, thread_name_prefix="studio-deflate") as pool,
        tifffile.TiffWriter(out, bigtiff=True, ome=True) as writer,
    ):
        for level, shape in enumerate(shapes):
            writer.write(
                _tiles(segmentation, level, shape, pool, progress),
                shape=shape,
                dtype=np.uint32,
                tile=(TILE, TILE),
                compression="zlib",
                photometric="minisblack",
                subifds=levels - 1 if level == 0 else None,
                subfiletype=1 if level else 0,
                **_resolution(segmentation, 2**level),
                **({"metadata": _metadata(segmentation)} if level == 0 else {}),
            )


def _tiles(
    segmentation: Segmentation, level: int, shape: tuple[int, int], pool: ThreadPoolExecutor, progress: Progress
) -> Iterator[bytes]:
    """Compressed tiles of a level in order; those without cells are compressed once."""
    empty = zlib.compress(bytes(TILE * TILE * 4), 9)
    step = 2**level

    def packed(row: int, col: int) -> bytes:
        if not segmentation.occupied(row * step, col * step, TILE * step, TILE * step):
            return empty
        labels = segmentation.read_labels(level, row, col, TILE, TILE)
        return zlib.compress(labels.tobytes(), _LEVEL) if labels.any() else empty

    at = ((row, col) for row in range(0, shape[0], TILE) for col in range(0, shape[1], TILE))
    under_way: list[Future[bytes]] = [pool.submit(packed, *where) for where in islice(at, _AHEAD)]
    while under_way:
        tile = under_way.pop(0).result()
        under_way += [pool.submit(packed, *where) for where in islice(at, 1)]
        progress.advance()
        yield tile


def _metadata(segmentation: Segmentation) -> dict[str, Any]:
    place = segmentation.geometry
    known: dict[str, Any] = {"axes": "YX", "Name": "cells"}
    if place.mpp is not None:
        mpp_y = place.mpp * place.scale_y / place.scale_x
        known |= {"PhysicalSizeX": place.mpp, "PhysicalSizeXUnit": "µm"}
        known |= {"PhysicalSizeY": mpp_y, "PhysicalSizeYUnit": "µm"}
    return known


def _resolution(segmentation: Segmentation, step: int) -> dict[str, Any]:
    """Pixels per centimetre."""
    place = segmentation.geometry
    if place.mpp is None:
        return {}
    mpp_y = place.mpp * place.scale_y / place.scale_x
    return {"resolution": (1e4 / (place.mpp * step), 1e4 / (mpp_y * step)), "resolutionunit": "CENTIMETER"}
