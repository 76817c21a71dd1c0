"""Paths that remember what they depend on, so that with another threshold only those are followed that change.

A path samples the flow, which is 0 where the cell probability isn't above the
threshold. It stays what it is, to the last bit, as long as all foreground that
it sampled stays foreground and all background stays background: for all
thresholds from the highest logit of its background to just below the lowest
of its foreground.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg.blocks import FlowPiece, Paths
from studio.cellseg.dynamics import ESCAPED
from studio.cellseg.lattice import Rect


@dataclass(frozen=True, slots=True)
class KnownPaths:
    """Of each pixel of a rectangle, followed or not, (rows, columns) each: where its path ends, and what holds it."""

    end_y: NDArray[np.int32]
    end_x: NDArray[np.int32]
    above: NDArray[np.float32]
    """Highest logit of the background that the path sampled: valid for thresholds from here …"""
    below: NDArray[np.float32]
    """Lowest logit of the foreground that it sampled: … to below here. None are at first."""

    @classmethod
    def none(cls, shape: tuple[int, int]) -> KnownPaths:
        """Nothing is known yet."""
        return cls(
            np.empty(shape, np.int32),
            np.empty(shape, np.int32),
            np.full(shape, np.inf, np.float32),
            np.full(shape, -np.inf, np.float32),
        )

    def follow(self, piece: FlowPiece, threshold: float, niter: int, bounds: Rect, threads: int) -> Paths:
        """What `blocks.follow_piece` gives for a piece with this threshold; only unknown paths are followed.

        Args:
            piece: always of the same field and the same `niter`. Pixels where no threshold makes foreground have
                a logit of minus infinity.
            threshold: what the piece's foreground lies above.
            niter: Euler steps.
            bounds: all working pixels of the slide.
            threads: how many cores to use.
        """
        rect, limit = piece.rect, np.float32(threshold)

        def stripe(rows: tuple[int, int]) -> None:
            _follow(
                piece.flow, piece.logit, limit, niter, rows[0], rows[1],
                bounds.top - rect.top, bounds.left - rect.left,
                bounds.bottom - 1 - rect.top, bounds.right - 1 - rect.left,
                self.end_y, self.end_x, self.above, self.below,
            )  # fmt: skip

        stripes = list(itertools.pairwise(_cuts(piece.inside, threads)))
        if len(stripes) == 1:
            stripe(stripes[0])
        else:
            with ThreadPoolExecutor(len(stripes), thread_name_prefix="studio-follow") as pool:
                list(pool.map(stripe, stripes))
        start, end_y, end_x = _collect(piece.inside, self.end_y, self.end_x)
        return start, end_y, end_x


def _cuts(inside: NDArray[np.bool_], threads: int) -> list[int]:
    """Rows that cut the foreground into equal parts, the first and the last included."""
    below = np.cumsum(np.count_nonzero(inside, axis=1))
    if threads < 2 or not below[-1]:
        return [0, len(inside)]
    inner = np.searchsorted(below, below[-1] * np.arange(1, threads) / threads).tolist()
    return sorted({0, *inner, len(inside)})


@njit(cache=True, nogil=True, boundscheck=False)
def _follow(  # type: ignore[no-untyped-def]
    flow, logit, threshold, niter, first, stop, low_y, low_x, high_y, high_x, end_y, end_x, above, below
):
    for y in range(first, stop):
        for x in range(flow.shape[1]):
            if logit[y, x] > threshold and not above[y, x] <= threshold < below[y, x]:
                end_y[y, x], end_x[y, x], above[y, x], below[y, x] = _path(
                    flow, logit, threshold, y, x, niter, low_y, low_x, high_y, high_x
                )


@njit(cache=True, nogil=True, inline="always")
def _path(  # type: ignore[no-untyped-def]
    flow, logit, threshold, y, x, niter, low_y, low_x, high_y, high_x
):
    """`dynamics._path`, step by step the same, and the range of thresholds it holds for."""
    height, width = flow.shape[0], flow.shape[1]
    least_y, least_x = np.float32(low_y - y), np.float32(low_x - x)
    most_y, most_x = np.float32(high_y - y), np.float32(high_x - x)
    one = np.float32(1.0)
    dy = dx = np.float32(0.0)
    before_y = before_x = np.float32(np.inf)
    above, below = np.float32(-np.inf), logit[y, x]
    for step in range(niter):
        floor_y, floor_x = np.floor(dy), np.floor(dx)
        y0, x0 = y + int(floor_y), x + int(floor_x)
        y1, x1 = min(y0 + 1, high_y), min(x0 + 1, high_x)
        if y0 < 0 or x0 < 0 or y1 >= height or x1 >= width:
            return ESCAPED, ESCAPED, above, below
        for v, u in ((y0, x0), (y0, x1), (y1, x0), (y1, x1)):
            here = logit[v, u]
            if here > threshold:
                below = min(below, here)
            else:
                above = max(above, here)
        ty, tx = dy - floor_y, dx - floor_x
        a, b = (one - ty) * (one - tx), (one - ty) * tx
        c, d = ty * (one - tx), ty * tx
        step_y = flow[y0, x0, 0] * a + flow[y0, x1, 0] * b + flow[y1, x0, 0] * c + flow[y1, x1, 0] * d
        step_x = flow[y0, x0, 1] * a + flow[y0, x1, 1] * b + flow[y1, x0, 1] * c + flow[y1, x1, 1] * d
        new_y = min(most_y, max(least_y, dy + step_y))
        new_x = min(most_x, max(least_x, dx + step_x))
        if new_y == dy and new_x == dx:
            break
        if new_y == before_y and new_x == before_x:
            if (niter - 1 - step) % 2 == 0:
                dy, dx = new_y, new_x
            break
        before_y, before_x = dy, dx
        dy, dx = new_y, new_x
    end_y, end_x = y + int(np.floor(dy)), x + int(np.floor(dx))
    if end_y < 0 or end_x < 0 or end_y >= height or end_x >= width:
        return ESCAPED, ESCAPED, above, below
    return np.int32(end_y), np.int32(end_x), above, below


@njit(cache=True, nogil=True)
def _collect(inside, end_y, end_x):  # type: ignore[no-untyped-def]
    """The ends of the foreground in raster order."""
    count = 0
    for y in range(inside.shape[0]):
        for x in range(inside.shape[1]):
            count += inside[y, x]
    start = np.empty(count, np.int32)
    rows, cols = np.empty(count, np.int32), np.empty(count, np.int32)
    n = 0
    for y in range(inside.shape[0]):
        for x in range(inside.shape[1]):
            if inside[y, x]:
                start[n] = y * inside.shape[1] + x
                rows[n], cols[n] = end_y[y, x], end_x[y, x]
                n += 1
    return start, rows, cols
