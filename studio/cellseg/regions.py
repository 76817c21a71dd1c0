"""Points in polygons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.errors import UsageError


def inside_any(points: NDArray[np.float64], polys: Sequence[Any]) -> NDArray[np.bool_]:
    """Which of (N, 2) points x, y lie in at least one polygon.

    Polygons are shapely's (holes are respected, several parts allowed) or (n, 2) arrays of x, y.
    """
    inside = np.zeros(len(points), np.bool_)
    for poly in polys:
        for shell, holes in _parts(poly):
            found = _inside(points, shell)
            for hole in holes:
                found &= ~_inside(points, hole)
            inside |= found
    return inside


def _parts(poly: Any) -> Iterator[tuple[NDArray[np.float64], list[NDArray[np.float64]]]]:
    if hasattr(poly, "geoms"):
        for part in poly.geoms:
            yield from _parts(part)
    elif hasattr(poly, "exterior"):
        yield _ring(poly.exterior.coords), [_ring(hole.coords) for hole in poly.interiors]
    else:
        yield _ring(poly), []


def _ring(coords: Any) -> NDArray[np.float64]:
    ring = np.asarray(coords, np.float64)
    if ring.ndim != 2 or ring.shape[1] < 2 or len(ring) < 3:
        raise UsageError(f"A region is a polygon of at least three points x, y, not an array of shape {ring.shape}.")
    return np.ascontiguousarray(ring[:, :2])


@njit(cache=True, nogil=True)
def _inside(points: NDArray[np.float64], ring: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Even-odd rule, with a box test first."""
    inside = np.zeros(points.shape[0], np.bool_)
    left, right = ring[:, 0].min(), ring[:, 0].max()
    top, bottom = ring[:, 1].min(), ring[:, 1].max()
    for n in range(points.shape[0]):
        x, y = points[n, 0], points[n, 1]
        if not (left <= x <= right and top <= y <= bottom):
            continue
        within = False
        j = ring.shape[0] - 1
        for i in range(ring.shape[0]):
            if (ring[i, 1] > y) != (ring[j, 1] > y):
                along = (y - ring[i, 1]) / (ring[j, 1] - ring[i, 1])
                if x < ring[i, 0] + along * (ring[j, 0] - ring[i, 0]):
                    within = not within
            j = i
        inside[n] = within
    return inside
