"""A region's masks as the `_seg.npy` file that Cellpose and its GUI open."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.cellseg.measure import distinct, renumber
from studio.cellseg.paint import edges
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.cellseg.exports import Options
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress

MOST_PX = 100_000_000
"""Cellpose loads the whole file, and works on pictures of this size at most in practice."""


def write_npy(segmentation: Segmentation, out: Path, options: Options, progress: Progress) -> None:
    """Write masks (cells that touch the region, numbered anew), outlines, and with a slide the image.

    The file is a pickled dictionary, since that is the format; Studio never reads one.
    """
    window = options.window(segmentation) or (0, 0, *segmentation.geometry.shape)
    if window[2] * window[3] > MOST_PX:
        raise UsageError(
            f"Cellpose can't open {window[3]:,} × {window[2]:,} pixels at once. Export a region of at most "
            f"{math.isqrt(MOST_PX):,} × {math.isqrt(MOST_PX):,} mask pixels (--region X,Y,W,H)."
        )
    progress.start(3, "Writing Cellpose masks")
    row, col, rows, cols = window
    labels = segmentation.read_labels(0, row - 1, col - 1, rows + 2, cols + 2)
    ids = distinct(np.ascontiguousarray(labels[1:-1, 1:-1]))
    labels = renumber(labels, ids, np.arange(1, len(ids) + 1, dtype=np.uint32))
    progress.advance()
    dtype = np.uint16 if len(ids) < 2**16 - 1 else np.uint32
    masks = labels[1:-1, 1:-1].astype(dtype)
    content: dict[str, Any] = {
        "masks": masks,
        "outlines": masks * edges(labels),
        "chan_choose": [0, 0],
        "ismanual": np.zeros(len(ids), np.bool_),
        "filename": f"{segmentation.slide or 'slide'}.png",
        "flows": [],
        "diameter": _diameter_px(segmentation),
    }
    if options.slide is not None:
        content["img"] = _image(segmentation, options, window)
    progress.advance()
    with out.open("wb") as file:
        np.save(file, np.array(content, dtype=object), allow_pickle=True)
    progress.advance()


def _diameter_px(segmentation: Segmentation) -> float:
    """The diameter that was asked for, else the median of what was found, in mask pixels."""
    place, diam_um = segmentation.geometry, segmentation.meta.get("diam_um")
    if place.mpp and isinstance(diam_um, int | float):
        return float(diam_um) / place.mpp
    if not segmentation.cells:
        return 30.0
    table = segmentation.cell_table
    area_px = table["area_um2"] / place.mpp**2 if place.mpp else table["area_px2"]
    return float(2 * np.sqrt(np.median(area_px) / np.pi))


def _image(segmentation: Segmentation, options: Options, window: tuple[int, int, int, int]) -> Any:
    """The slide at the masks' resolution."""
    import cv2

    assert options.slide is not None
    place = segmentation.geometry
    row, col, rows, cols = window
    scale = min(place.scale_x, place.scale_y)
    top, left = (
        round((place.offset_y + row * place.scale_y) / scale),
        round((place.offset_x + col * place.scale_x) / scale),
    )
    high, wide = round(rows * place.scale_y / scale), round(cols * place.scale_x / scale)
    image = options.slide.read_working(scale, top, left, high, wide)
    return image if image.shape[:2] == (rows, cols) else cv2.resize(image, (cols, rows), interpolation=cv2.INTER_AREA)
