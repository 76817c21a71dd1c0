"""Polygons to pixels: a pixel belongs to a polygon if its middle lies inside (even-odd rule).

Points are x, y in whole 1 / UNIT of a mask pixel, so what is inside doesn't
depend on the window it is asked for in.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

UNIT = 256

MOST_CROSSINGS = 20_000_000
"""Of a polygon's sides with rows of pixels; more is no cell."""


@njit(cache=True, nogil=True)
def fill_polygon(
    labels: NDArray[np.uint32],
    top: int,
    left: int,
    points: NDArray[np.int32],
    starts: NDArray[np.int64],
    label: np.uint32,
) -> None:
    """Give the pixels of a polygon that lie in a window a number, in place.

    Args:
        labels: (h, w) uint32, the window.
        top: its first row in the mask.
        left: its first column.
        points: (P, 2) of all rings, outside and holes; they need not be closed.
        starts: (R + 1,) first point of each ring, counted from the first ring's.
        label: the number.
    """
    low, ends, crossings = _crossings(points, starts, top, top + labels.shape[0])
    for r in range(ends.size - 1):
        row = np.sort(crossings[ends[r] : ends[r + 1]])
        for i in range(0, row.size - 1, 2):
            first = max(left, int(np.ceil(row[i] - 0.5)))
            last = min(left + labels.shape[1], int(np.ceil(row[i + 1] - 0.5)))
            for c in range(first, last):
                labels[low + r - top, c - left] = label


@njit(cache=True, nogil=True)
def count_pixels(points: NDArray[np.int32], starts: NDArray[np.int64], height: int, width: int) -> int:
    """How many pixels of a mask a polygon has; -1 for one with too many crossings to be a cell."""
    _low, ends, crossings = _crossings(points, starts, 0, height)
    if ends.size == 0:
        return -1
    count = 0
    for r in range(ends.size - 1):
        row = np.sort(crossings[ends[r] : ends[r + 1]])
        for i in range(0, row.size - 1, 2):
            first, last = max(0, int(np.ceil(row[i] - 0.5))), min(width, int(np.ceil(row[i + 1] - 0.5)))
            count += max(0, last - first)
    return count


@njit(cache=True, nogil=True)
def _crossings(points, starts, top, bottom):  # type: ignore[no-untyped-def]
    """Where the rings cross the middles of rows top to bottom, by rows.

    Returns the first row that may be crossed, where each row's crossings begin (n + 1,), and their x. Nothing at
    all, not even a beginning, where there are too many.
    """
    low = max(top, _row(points[:, 1].min()))
    high = max(low, min(bottom, _row(points[:, 1].max())))
    begin = np.zeros(high - low + 1, np.int64)
    total = 0
    for k in range(starts.size - 1):
        for n in range(starts[k], starts[k + 1]):
            first, last = _span(points, starts, k, n, low, high)
            total += last - first
            if total > MOST_CROSSINGS:
                return low, np.zeros(0, np.int64), np.zeros(0)
            for r in range(first, last):
                begin[r - low + 1] += 1
    begin = np.cumsum(begin)
    filled = begin.copy()
    crossings = np.empty(total, np.float64)
    for k in range(starts.size - 1):
        for n in range(starts[k], starts[k + 1]):
            first, last = _span(points, starts, k, n, low, high)
            m = n + 1 if n + 1 < starts[k + 1] else starts[k]
            x, y = np.float64(points[n, 0]), np.float64(points[n, 1])
            for r in range(first, last):
                along = ((r + 0.5) * UNIT - y) / (points[m, 1] - y)
                crossings[filled[r - low]] = (x + along * (points[m, 0] - x)) / UNIT
                filled[r - low] += 1
    return low, begin, crossings


@njit(cache=True, nogil=True, inline="always")
def _row(y):  # type: ignore[no-untyped-def]
    """The first row whose middle isn't above y."""
    return int(np.ceil(y / UNIT - 0.5))


@njit(cache=True, nogil=True)
def _span(points, starts, k, n, low, high):  # type: ignore[no-untyped-def]
    """Rows whose middle the side that begins at point n of ring k crosses; half-open, within [low, high)."""
    m = n + 1 if n + 1 < starts[k + 1] else starts[k]
    one, other = points[n, 1], points[m, 1]
    first = max(low, _row(min(one, other)))
    last = min(high, _row(max(one, other)))
    return first, max(first, last)
