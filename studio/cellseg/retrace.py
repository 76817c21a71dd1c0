"""Paths that remember what they depend on, so that with another threshold only those are followed that change.

A path samples the flow, which is 0 where the cell probability isn't above the
threshold. It stays what it is, to the last bit, as long as all foreground that
it sampled stays foreground and all background stays background: for all
thresholds from the highest logit of its background to just below the lowest
of its foreground. And it stays for all numbers of steps that bring it to rest.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg.blocks import FlowPiece
from studio.cellseg.certificate import Paths
from studio.cellseg.dynamics import path
from studio.cellseg.lattice import Rect

BANDS = 16
"""Bands of rows that are followed one by one, by whoever has time: paths are longer in some than in others."""

MOST_BYTES = 256 << 20
"""Of paths that are remembered; those of a field of 16 Mpx, a tenth of it foreground, for 6 thresholds at least."""

KNOWN = np.dtype(
    [
        *(("end_y", "<i4"), ("end_x", "<i4"), ("above", "<f4"), ("below", "<f4")),
        *(("settled", "<i4"), ("every", "<i4"), ("next", "<i4")),
    ]
)
"""Where a path ends, and what holds it: for thresholds from the highest logit of the background that it sampled to
just below the lowest of its foreground; for every `every`-th number of steps from `settled` on. `next` is another path
of the same pixel, or -1."""


class KnownPaths:
    """The paths of a field's pixels with all thresholds that were asked for so far. One thread at a time.

    Args:
        shape: rows and columns of the field.
        most_bytes: what to remember at most; a band of rows that is full begins anew.
    """

    def __init__(self, shape: tuple[int, int], most_bytes: int = MOST_BYTES) -> None:
        cuts = np.unique(np.linspace(0, shape[0], BANDS + 1).astype(int))
        self._cuts: list[int] = cuts.tolist()
        self._newest = np.full(shape, -1, np.int32)
        """Row in its band's pool of each pixel's newest path; -1: none."""
        self._pools: list[NDArray[np.void]] = [np.empty(0, KNOWN) for _ in self._cuts[1:]]
        self._counts = [0] * len(self._pools)
        self._most = max(1, most_bytes // KNOWN.itemsize // len(self._pools))

    @property
    def count(self) -> int:
        """How many paths are remembered."""
        return sum(self._counts)

    @property
    def full(self) -> bool:
        """Whether some band has no room for more."""
        return max(self._counts) >= self._most

    def follow(self, piece: FlowPiece, threshold: float, niter: int, bounds: Rect, threads: int) -> Paths:
        """What `blocks.follow_piece` gives for a piece with this threshold; only unknown paths are followed.

        Args:
            piece: always of the same field. Pixels where no threshold makes foreground have a logit of minus
                infinity.
            threshold: what the piece's foreground lies above.
            niter: Euler steps.
            bounds: all working pixels of the slide.
            threads: how many cores to use.
        """
        rect, limit = piece.rect, np.float32(threshold)
        ends = np.concatenate([[0], np.cumsum(np.count_nonzero(piece.inside, axis=1))])
        paths = np.empty((3, ends[-1]), np.int32)

        def follow_band(band: int) -> None:
            first, stop = self._cuts[band], self._cuts[band + 1]
            mine = paths[:, ends[first] : ends[stop]]
            self._make_room(band, mine.shape[1])
            self._counts[band] = _follow(
                piece.flow, piece.logit, piece.inside, limit, niter, first, stop,
                bounds.top - rect.top, bounds.left - rect.left,
                bounds.bottom - 1 - rect.top, bounds.right - 1 - rect.left,
                self._newest, self._pools[band], self._counts[band], mine,
            )  # fmt: skip

        side_by_side(follow_band, range(len(self._pools)), threads)
        start, end_y, end_x = paths
        return start, end_y, end_x

    def _make_room(self, band: int, more: int) -> None:
        pool, count = self._pools[band], self._counts[band]
        if count >= self._most:
            self._newest[self._cuts[band] : self._cuts[band + 1]] = -1
            count = self._counts[band] = 0
        room = min(self._most, count + more)
        if room > len(pool):
            grown = np.empty(min(self._most, max(room, len(pool) * 3 // 2)), KNOWN)
            grown[:count] = pool[:count]
            self._pools[band] = grown


def side_by_side(work: Callable[[int], Any], which: range, threads: int) -> None:
    """Do `work` for each of a range, on so many threads."""
    if threads < 2:
        for each in which:
            work(each)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="studio-tune") as pool:
        list(pool.map(work, which))


@njit(cache=True, nogil=True, boundscheck=False)
def _follow(  # type: ignore[no-untyped-def]
    flow, logit, inside, threshold, niter, first, stop, low_y, low_x, high_y, high_x,
    newest, pool, count, paths,
):  # fmt: skip
    n = 0
    for y in range(first, stop):
        for x in range(flow.shape[1]):
            if not inside[y, x]:
                continue
            at = newest[y, x]
            before = -1
            while at >= 0:
                if pool[at].above <= threshold < pool[at].below:
                    more = niter - pool[at].settled
                    if more >= 0 and more % pool[at].every == 0:
                        break
                before, at = at, pool[at].next
            if at >= 0 and before >= 0:
                # The slider most often goes on from here.
                pool[before].next = pool[at].next
                pool[at].next = newest[y, x]
                newest[y, x] = at
            if at >= 0:
                end_y, end_x = pool[at].end_y, pool[at].end_x
            else:
                end_y, end_x, above, below, settled, every = path(
                    flow, logit, threshold, y, x, niter, low_y, low_x, high_y, high_x, True
                )
                if count < pool.size:
                    known = pool[count]
                    known.end_y, known.end_x, known.above, known.below = end_y, end_x, above, below
                    known.settled, known.every, known.next = settled, every, newest[y, x]
                    newest[y, x] = count
                    count += 1
            paths[0, n] = y * flow.shape[1] + x
            paths[1, n] = end_y
            paths[2, n] = end_x
            n += 1
    return count
