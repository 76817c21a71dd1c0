"""How the values of many cells are spread, and how densely cells lie in parts of a slide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.searched import Searched
from studio.slide.mask import SlideMask
from studio.slide.roi import ROI, in_any

BINS = 48

Rect = tuple[float, float, float, float]

_ROBUST = (0.5, 99.5)
"""Percentiles between which the steps lie: a few giants would press everything else into one bar."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram and what is usually said of it."""

    counts: tuple[int, ...]
    """How many values lie in each of equal steps; the first and last also have those beyond."""
    low: float
    high: float
    quartiles: tuple[float, float, float]
    mean: float
    values: int
    """How many values there are; those that aren't known are left out."""

    def edges(self) -> list[float]:
        """Where the steps begin, and where the last one ends."""
        return [float(edge) for edge in np.linspace(self.low, self.high, len(self.counts) + 1)]


def distribution(values: NDArray[np.generic], bins: int = BINS) -> Distribution | None:
    """The distribution of finite values; None without any."""
    known = np.asarray(values, np.float64).ravel()
    known = known[np.isfinite(known)]
    if not len(known):
        return None
    low, *quartiles, high = np.percentile(known, (_ROBUST[0], 25, 50, 75, _ROBUST[1])).tolist()
    if high <= low:
        low, high = low - 0.5, low + 0.5
    steps = np.clip((known - low) * (bins / (high - low)), 0, bins - 1).astype(np.int64)
    counts = np.bincount(steps, minlength=bins)
    return Distribution(tuple(counts.tolist()), low, high, tuple(quartiles), float(known.mean()), len(known))


@dataclass(frozen=True, slots=True)
class Density:
    """Cells of a part of a slide."""

    name: str
    cells: int
    area_mm2: float | None
    """None where the pixel size is unknown."""
    rect: Rect
    """x, y, width, height in slide pixels around it."""

    @property
    def per_mm2(self) -> float | None:
        """Cells per mm²; None where the area isn't known, or is nothing."""
        return self.cells / self.area_mm2 if self.area_mm2 else None


def densities(
    places: NDArray[np.float64],
    mpp: float | None,
    rect: Rect,
    tissue: SlideMask | None,
    rois: Sequence[ROI],
    searched: Searched | None = None,
) -> tuple[Density, ...]:
    """Cells and area of everything segmented, of its tissue (where it is known), and of each region.

    Args:
        places: (N, 2) x, y of the cells in slide pixels.
        mpp: µm per slide pixel, or None.
        rect: x, y, width, height in slide pixels of what was segmented.
        tissue: where the slide has tissue.
        rois: regions; what of one lies beyond `rect` counts as its area all the same.
        searched: regions within `rect` that cells were looked for in; None: all of it.
    """

    def area(pixels: float) -> float | None:
        return None if mpp is None else pixels * (mpp / 1000) ** 2

    segmented_px = rect[2] * rect[3] if searched is None else searched.area_px
    found = [Density("Segmented", len(places), area(segmented_px), rect)]
    if tissue is not None:
        inside = int(np.count_nonzero(_on_mask(places, tissue)))
        found.append(Density("Tissue of it", inside, area(_tissue_px(tissue, rect, searched)), rect))
    regions = (Density(roi.name, int(np.count_nonzero(roi.contains(places))), area(roi.area), roi.bbox) for roi in rois)
    return (*found, *regions)


def _tissue_px(tissue: SlideMask, rect: Rect, searched: Searched | None) -> float:
    """Slide pixels with tissue, of what was searched."""
    if searched is None:
        return tissue.part(*rect) * rect[2] * rect[3]
    rows, cols = np.nonzero(tissue.mask)
    centres = (np.stack([cols, rows], axis=1) + 0.5) * tissue.scale
    return float(np.count_nonzero(in_any(searched.rois, centres))) * tissue.scale**2


def _on_mask(places: NDArray[np.float64], mask: SlideMask) -> NDArray[np.bool_]:
    rows, cols = mask.mask.shape
    col, row = np.floor(places / mask.scale).astype(np.int64).T
    inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    found = np.zeros(len(places), np.bool_)
    found[inside] = mask.mask[row[inside], col[inside]]
    return found
