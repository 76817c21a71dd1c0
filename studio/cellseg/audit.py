"""The second half of the halo's proof: with every block done, no path that a block couldn't see led to where it looked.

See `studio/cellseg/README.md`, *The certificate*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.blocks import HALO_STEP, LAST_HALO
from studio.cellseg.certificate import REACH_CELL, reach_span
from studio.cellseg.lattice import Rect

_FAR = 2**31


@dataclass(frozen=True, slots=True)
class Claim:
    """What a block relies on: `needed` is right if nobody outside `trusted` ends in it."""

    core: Rect
    needed: Rect
    trusted: Rect
    halo: int


class Audit:
    """Collects the longest excursions of all blocks, then names the blocks whose halo was too small."""

    def __init__(self, shape: tuple[int, int]) -> None:
        """`shape`: rows and columns of the slide's working pixels."""
        self._shape = shape
        self._reach = np.zeros(tuple(-(-side // REACH_CELL) for side in shape), np.int32)
        self._claims: dict[Rect, Claim] = {}

    def add(self, claim: Claim, reach: NDArray[np.int32]) -> None:
        """Take in a finished block; a block done again replaces its claim."""
        rows, cols = self._shape
        seen = claim.trusted
        # There is nothing beyond the slide's edge that a block could have missed.
        seen = Rect(
            seen.top if seen.top > 0 else -_FAR,
            seen.left if seen.left > 0 else -_FAR,
            seen.bottom if seen.bottom < rows else _FAR,
            seen.right if seen.right < cols else _FAR,
        )
        self._claims[claim.core] = Claim(claim.core, claim.needed, seen, claim.halo)
        span = reach_span(claim.core)
        part = self._reach[span.top : span.bottom, span.left : span.right]
        np.maximum(part, reach, out=part)

    def failed(self) -> dict[Rect, int]:
        """Blocks to do again, and the halo that they need; empty when the whole is proven."""
        longest = int(self._reach.max(initial=0))
        wanted = {}
        for claim in self._claims.values():
            short = self._shortfall(claim, longest)
            if short > 0 and claim.halo < LAST_HALO:
                step = -(-max(short, claim.halo // 4) // HALO_STEP) * HALO_STEP
                wanted[claim.core] = min(LAST_HALO, claim.halo + step)
        return wanted

    def unproven(self) -> list[Rect]:
        """Blocks that even the largest halo couldn't prove; none with a network that makes sense."""
        longest = int(self._reach.max(initial=0))
        return [claim.core for claim in self._claims.values() if self._shortfall(claim, longest) > 0]

    def _shortfall(self, claim: Claim, longest: int) -> int:
        """By how many pixels an unseen path may reach into what the block needs; 0 or less: none does."""
        near = claim.needed.grown(longest)
        first_row, first_col = max(0, near.top) // REACH_CELL, max(0, near.left) // REACH_CELL
        part = self._reach[first_row : -(-near.bottom // REACH_CELL), first_col : -(-near.right // REACH_CELL)]
        if not part.any():
            return 0
        tops = (np.arange(part.shape[0]) + first_row) * REACH_CELL
        lefts = (np.arange(part.shape[1]) + first_col) * REACH_CELL
        return int((part - _distance(tops, lefts, claim.needed, claim.trusted) + 1).max())


def _distance(tops: NDArray[np.int64], lefts: NDArray[np.int64], needed: Rect, trusted: Rect) -> NDArray[np.int64]:
    """Chebyshev distance from `needed` to the part of each square outside `trusted`; huge where there is none."""
    down = _gap(tops, tops + REACH_CELL, needed.top, needed.bottom)
    across = _gap(lefts, lefts + REACH_CELL, needed.left, needed.right)
    nearest = np.full((len(tops), len(lefts)), _FAR, np.int64)
    for outside in (
        _gap_where(tops, np.minimum(tops + REACH_CELL, trusted.top), needed.top, needed.bottom),
        _gap_where(np.maximum(tops, trusted.bottom), tops + REACH_CELL, needed.top, needed.bottom),
    ):
        np.minimum(nearest, np.maximum(outside[:, None], across[None, :]), out=nearest)
    for outside in (
        _gap_where(lefts, np.minimum(lefts + REACH_CELL, trusted.left), needed.left, needed.right),
        _gap_where(np.maximum(lefts, trusted.right), lefts + REACH_CELL, needed.left, needed.right),
    ):
        np.minimum(nearest, np.maximum(down[:, None], outside[None, :]), out=nearest)
    return nearest


def _gap(first: NDArray[np.int64], stop: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    """Steps between the half-open intervals [first, stop) and [low, high); 0 where they overlap."""
    return np.maximum(0, np.maximum(low - (stop - 1), first - (high - 1)))


def _gap_where(first: NDArray[np.int64], stop: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    return np.where(stop > first, _gap(first, stop, low, high), _FAR)
