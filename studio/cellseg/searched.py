"""Which regions of a slide were searched for cells, and how large they are together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio.slide.roi import ROI, in_any

Rect = tuple[float, float, float, float]

SAMPLES = 500
"""So many points across and down tell how much of a region overlaps others."""


@dataclass(frozen=True, eq=False, slots=True)
class Searched:
    """Regions that cells were looked for in; elsewhere there are none because nobody looked."""

    rois: tuple[ROI, ...]
    area_px: float
    """Slide pixels that lie in at least one of them."""

    @classmethod
    def within(cls, rois: Sequence[ROI], rect: Rect) -> Searched:
        """Regions, as far as they lie in a rectangle (x, y, width, height in slide pixels).

        >>> square = ROI("a", np.array([[0, 0], [10, 0], [10, 10], [0, 10.0]]))
        >>> round(Searched.within([square, ROI("b", square.outline + 5)], (0, 0, 12, 100)).area_px)
        145
        """
        return cls(tuple(rois), sum(_new_px(roi, rois[:n], rect) for n, roi in enumerate(rois)))


def _new_px(roi: ROI, others: Sequence[ROI], rect: Rect) -> float:
    """Slide pixels of a region that lie in the rectangle and in none of the others."""
    x, y, width, height = roi.bbox
    left, top, right, bottom = rect[0], rect[1], rect[0] + rect[2], rect[1] + rect[3]
    near = [other for other in others if _meet(other.bbox, roi.bbox)]
    if not near and left <= x and x + width <= right and top <= y and y + height <= bottom:
        return roi.area
    at = (np.arange(SAMPLES) + 0.5) / SAMPLES
    columns, rows = np.meshgrid(x + at * width, y + at * height)
    points = np.stack([columns.ravel(), rows.ravel()], axis=1)
    points = points[roi.contains(points)]
    if not len(points):
        return 0.0
    new = ((points >= (left, top)) & (points <= (right, bottom))).all(axis=1) & ~in_any(near, points)
    return roi.area * float(new.mean())


def _meet(a: Rect, b: Rect) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def rois_of(meta: dict[str, Any]) -> tuple[ROI, ...] | None:
    """The regions that a result's description names; None where the run wasn't restricted to any."""
    shapes = meta.get("rois")
    if shapes is None:
        return None
    # Rings of x, y, the outline first.
    rings = [[np.asarray(ring, np.float64).reshape(-1, 2) for ring in shape] for shape in shapes]
    return tuple(ROI(f"Region {n}", shape[0], tuple(shape[1:])) for n, shape in enumerate(rings, 1))
