"""Resampling that gives a pixel the same value whatever rectangle it is asked for in.

A triangle filter, its half-width the larger of one source pixel and the step,
so that it averages when it shrinks and interpolates when it enlarges. Each
output pixel's taps and weights follow from its global index alone, in float64;
sums run over the taps in ascending order in float32, without fused or
reordered arithmetic. So any two rectangles agree in every bit where they meet.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Taps = tuple[NDArray[np.int64], NDArray[np.float32]]
"""First tap (n,) and weights (n, taps) of each output pixel along one axis, in source pixels, unclipped."""


def taps(start: int, count: int, step: float, origin: float = 0.0) -> Taps:
    """Taps of output pixels `start` to `start + count`, `step` source pixels apart.

    Output pixel i is centred on source coordinate origin + (i + 0.5) * step,
    where source pixel k covers k to k + 1.
    """
    reach = max(1.0, step)
    centre = origin + (np.arange(start, start + count, dtype=np.float64) + 0.5) * step
    first = np.floor(centre - reach + 0.5).astype(np.int64)
    # The first lies within reach of the centre, the one after these no more.
    number = int(np.floor(2 * reach)) + 1
    place = first[:, None] + np.arange(number, dtype=np.int64)[None, :] + 0.5
    weight = np.maximum(0.0, 1.0 - np.abs(place - centre[:, None]) / reach)
    # Not `sum(axis=1)`: its order of addition may depend on the array's shape.
    total = np.zeros(count, np.float64)
    for k in range(number):
        total += weight[:, k]
    return first, (weight / total[:, None]).astype(np.float32)


def span(axis: Taps, length: int) -> tuple[int, int]:
    """First and one past the last source pixel that the taps touch once clipped to [0, length)."""
    first, weight = axis
    low = min(max(int(first.min()), 0), length - 1)
    high = min(max(int(first.max()) + weight.shape[1], low + 1), length)
    return low, high


def resample(
    source: NDArray[np.uint8], rows: Taps, cols: Taps, origin: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """(rows, columns, 3) from a piece of the source image.

    `source` (h, w, 3) lies at `origin` (row, column) in an image of `size`
    (height, width), beyond whose edges its outermost pixels are repeated; it
    must hold all that the taps touch. Releases the GIL.
    """
    out = np.empty((len(rows[0]), len(cols[0]), 3), np.uint8)
    pixels = np.ascontiguousarray(source)
    _resample(pixels, *rows, *cols, origin[0], origin[1], size[0], size[1], out)
    return out


@numba.njit(nogil=True, cache=True)
def _resample(
    source: Any, row0: Any, row_w: Any, col0: Any, col_w: Any, top: int, left: int, height: int, width: int, out: Any
) -> None:
    n_rows, n_cols = out.shape[0], out.shape[1]
    w3 = source.shape[1] * 3
    flat = source.reshape(source.shape[0], w3)
    line = np.empty(w3, np.float32)
    half = np.float32(0.5)
    at = np.empty(col_w.shape, np.uint32)
    for c in range(n_cols):
        for k in range(col_w.shape[1]):
            at[c, k] = (min(max(col0[c] + k, 0), width - 1) - left) * 3
    for r in range(n_rows):
        # Down first: the inner loop then runs along memory.
        line[:] = np.float32(0.0)
        for k in range(row_w.shape[1]):
            weight = row_w[r, k]
            if weight == 0.0:
                continue
            y = min(max(row0[r] + k, 0), height - 1) - top
            for j in range(w3):
                line[j] += weight * np.float32(flat[y, j])
        for c in range(n_cols):
            red = np.float32(0.0)
            green = np.float32(0.0)
            blue = np.float32(0.0)
            for k in range(col_w.shape[1]):
                # Weights of 0 too: whether one is 0 is harder to foresee than the sum is to make.
                weight, x = col_w[c, k], at[c, k]
                red += weight * line[x]
                green += weight * line[x + np.uint32(1)]
                blue += weight * line[x + np.uint32(2)]
            out[r, c, 0] = np.uint8(min(red + half, np.float32(255.0)))
            out[r, c, 1] = np.uint8(min(green + half, np.float32(255.0)))
            out[r, c, 2] = np.uint8(min(blue + half, np.float32(255.0)))
