"""Points sorted into a coarse grid, so that a view finds its own without looking at all. No GL."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.render.grid import Rect

POINTS_PER_CELL = 64
"""Aimed at: a few cells more than are in view cost less than looking closer."""

_MOST_CELLS = 256
"""Columns and rows, at most."""

_BUSY = 0.98

_DENSITY_PX = 1024
"""Longest side of the map of densities."""


@dataclass(frozen=True, slots=True)
class PointGrid:
    """Points of a slide in the order of grid cells, row by row."""

    points: NDArray[np.float32]
    """(N, 2) x, y in slide pixels from `middle`."""
    middle: tuple[float, float]
    """Slide pixel that float32 positions count from; half as far away, twice as exact."""
    starts: NDArray[np.int64]
    """First point of each cell, (rows * cols + 1)."""
    shape: tuple[int, int]
    """(columns, rows)."""
    side: float
    """Of a cell in slide pixels."""
    rect: Rect
    """All cells together."""
    density: NDArray[np.float32]
    """(h, w) points per slide pixel squared, over `rect`; row 0 is the top."""
    busy: float
    """The density that only a few of the occupied places exceed."""

    def runs(self, rect: Rect) -> list[tuple[int, int]]:
        """(first, count) of stretches of points that hold all in a rectangle of slide pixels, and some around it."""
        cols, rows = self._cells(rect)
        if not len(cols):
            return []
        found: list[tuple[int, int]] = []
        for row in rows:
            first = int(self.starts[row * self.shape[0] + cols[0]])
            last = int(self.starts[row * self.shape[0] + cols[-1] + 1])
            if last == first:
                continue
            if found and sum(found[-1]) == first:
                found[-1] = (found[-1][0], last - found[-1][0])
            else:
                found.append((first, last - first))
        return found

    def spacing(self, rect: Rect) -> float:
        """Slide pixels between neighbours where a typical point of a rectangle is; infinite without points."""
        cols, rows = self._cells(rect)
        if not len(cols) or not len(rows):
            return math.inf
        counts = np.diff(self.starts).reshape(self.shape[1], self.shape[0])
        seen = counts[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].astype(np.float64)
        total = float(seen.sum())
        if total <= 1:
            return math.inf
        # Weighted by the points themselves: empty glass in view makes cells in clusters no sparser.
        return math.sqrt(self.side**2 * total / float((seen**2).sum()))

    def _cells(self, rect: Rect) -> tuple[range, range]:
        x, y = self.rect[:2]
        first = [max(0, math.floor((low - start) / self.side)) for low, start in ((rect[0], x), (rect[1], y))]
        last = [math.ceil((high - start) / self.side) for high, start in ((rect[2], x), (rect[3], y))]
        return range(first[0], min(self.shape[0], last[0])), range(first[1], min(self.shape[1], last[1]))


def sort_points(points_slide: NDArray[np.float64]) -> PointGrid | None:
    """The grid of (N, 2) points x, y; points that are no numbers are left out. None where none is left."""
    points = points_slide[np.isfinite(points_slide).all(axis=1)]
    if not len(points):
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 1.0)
    side = max(math.sqrt(float(extent.prod()) * POINTS_PER_CELL / len(points)), float(extent.max()) / _MOST_CELLS)
    # A little more than the extent, so that the last point lies in a cell too.
    cols, rows = (int(n) for n in np.floor(extent / side * (1 + 1e-9)) + 1)
    cell = ((points - low) / side).astype(np.int64)
    number = cell[:, 1] * cols + cell[:, 0]
    starts = np.zeros(rows * cols + 1, np.int64)
    np.cumsum(np.bincount(number, minlength=rows * cols), out=starts[1:])
    middle = (low + high) / 2
    # Rounded before they are sorted: half as much to move.
    sorted_points = (points - middle).astype(np.float32)[np.argsort(number, kind="stable")]
    rect = (float(low[0]), float(low[1]), float(low[0] + cols * side), float(low[1] + rows * side))
    density = _density(points, rect, len(points))
    return PointGrid(
        sorted_points,
        (float(middle[0]), float(middle[1])),
        starts,
        (cols, rows),
        side,
        rect,
        density,
        float(np.quantile(density[density > 0], _BUSY)),
    )


def _density(points: NDArray[np.float64], rect: Rect, count: int) -> NDArray[np.float32]:
    width, height = rect[2] - rect[0], rect[3] - rect[1]
    # Two points to a bin or so, or the map shows chance rather than tissue.
    side = max(max(width, height) / _DENSITY_PX, math.sqrt(2 * width * height / count))
    shape = (max(1, math.ceil(height / side)), max(1, math.ceil(width / side)))
    col = np.minimum((points[:, 0] - rect[0]) * (shape[1] / width), shape[1] - 1).astype(np.int64)
    row = np.minimum((points[:, 1] - rect[1]) * (shape[0] / height), shape[0] - 1).astype(np.int64)
    counts = np.bincount(row * shape[1] + col, minlength=shape[0] * shape[1]).reshape(shape)
    return (counts / (width / shape[1] * height / shape[0])).astype(np.float32)
