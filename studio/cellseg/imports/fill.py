"""Polygons to pixels: a pixel belongs to a polygon if its middle lies inside (even-odd rule)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

MOST_CROSSINGS = 20_000_000
"""Of a polygon's sides with rows of pixels; more is no cell."""


@njit(cache=True, nogil=True)
def fill_polygon(
    labels: NDArray[np.uint32], points: NDArray[np.float64], starts: NDArray[np.int64], label: np.uint32
) -> int:
    """Give the pixels of a polygon a number, in place.

    Args:
        labels: (H, W) uint32.
        points: (P, 2) x, y in mask pixels (pixel (r, c) spans c to c + 1, r to r + 1); rings need not be closed.
        starts: (R + 1,) first point of each ring: outside and holes.
        label: the number.

    Returns:
        how many pixels it has; -1 for a polygon with too many crossings to be a cell.
    """
    height, width = labels.shape
    low = max(0, int(np.ceil(points[:, 1].min() - 0.5)))
    high = min(height, int(np.ceil(points[:, 1].max() - 0.5)))
    if high <= low:
        return 0
    counts = np.zeros(high - low + 1, np.int64)
    total = 0
    for k in range(starts.size - 1):
        for n in range(starts[k], starts[k + 1]):
            first, last = _span(points, starts, k, n, low, high)
            total += last - first
            if total > MOST_CROSSINGS:
                return -1
            for r in range(first, last):
                counts[r - low + 1] += 1
    at = np.cumsum(counts)
    ends = at.copy()
    crossings = np.empty(total, np.float64)
    for k in range(starts.size - 1):
        for n in range(starts[k], starts[k + 1]):
            first, last = _span(points, starts, k, n, low, high)
            m = n + 1 if n + 1 < starts[k + 1] else starts[k]
            for r in range(first, last):
                along = (r + 0.5 - points[n, 1]) / (points[m, 1] - points[n, 1])
                crossings[ends[r - low]] = points[n, 0] + along * (points[m, 0] - points[n, 0])
                ends[r - low] += 1
    filled = 0
    for r in range(low, high):
        row = np.sort(crossings[at[r - low] : at[r - low + 1]])
        for i in range(0, row.size - 1, 2):
            left = max(0, int(np.ceil(row[i] - 0.5)))
            right = min(width, int(np.ceil(row[i + 1] - 0.5)))
            for c in range(left, right):
                labels[r, c] = label
                filled += 1
    return filled


@njit(cache=True, nogil=True)
def _span(points, starts, k, n, low, high):  # type: ignore[no-untyped-def]
    """Rows whose middle the side that begins at point n of ring k crosses; half-open, within [low, high)."""
    m = n + 1 if n + 1 < starts[k + 1] else starts[k]
    one, other = points[n, 1], points[m, 1]
    first = max(low, int(np.ceil(min(one, other) - 0.5)))
    last = min(high, int(np.ceil(max(one, other) - 0.5)))
    return first, max(first, last)
