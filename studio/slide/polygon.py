"""Points in polygons, compiled."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


def inside(points: NDArray[np.float64], ring: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the points (N, 2) lie in the ring (M, 2) by the even-odd rule. Releases the GIL."""
    found = np.zeros(len(points), np.bool_)
    low, high = ring.min(axis=0), ring.max(axis=0)
    near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    found[near] = _crossings(np.ascontiguousarray(points[near]), np.ascontiguousarray(ring))
    return found


@numba.njit(nogil=True, cache=True)
def _crossings(points: Any, ring: Any) -> Any:
    out = np.zeros(len(points), np.bool_)
    for k in range(len(points)):
        x, y = points[k, 0], points[k, 1]
        odd = False
        x1, y1 = ring[-1, 0], ring[-1, 1]
        for i in range(len(ring)):
            x0, y0 = x1, y1
            x1, y1 = ring[i, 0], ring[i, 1]
            if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
                odd = not odd
        out[k] = odd
    return out
