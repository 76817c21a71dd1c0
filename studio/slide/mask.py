"""A coarse yes-or-no picture over a whole slide: tissue, sharp places, what quality control kept."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SlideMask:
    """True where something holds, over the whole slide.

    >>> left, top = np.eye(2, dtype=bool)[:1].repeat(2, 0), np.eye(2, dtype=bool)[:1].repeat(2, 0).T
    >>> both = SlideMask(left, 100.0) & SlideMask(top, 100.0)
    >>> both.share, both.covers(50, 50, 10, 10), both.covers(150, 50, 10, 10)
    (0.25, True, False)
    >>> SlideMask(left, 100.0).part(0, 0, 200, 200)
    0.5
    """

    mask: NDArray[np.bool_]
    """(rows, columns), `scale` slide pixels to a pixel, from the slide's top left."""
    scale: float
    _sums: NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sums = np.zeros((self.mask.shape[0] + 1, self.mask.shape[1] + 1), np.int64)
        sums[1:, 1:] = self.mask.astype(np.int64).cumsum(axis=0).cumsum(axis=1)
        object.__setattr__(self, "_sums", sums)

    @property
    def share(self) -> float:
        """Part of the slide where it holds, 0 to 1."""
        return float(self.mask.mean())

    def covers(self, x: float, y: float, w: float, h: float) -> bool:
        """True if it holds anywhere in the rectangle (slide pixels)."""
        return self._count(x, y, w, h)[0] > 0

    def part(self, x: float, y: float, w: float, h: float) -> float:
        """Part of the rectangle (slide pixels) where it holds, 0 to 1, of what lies on the slide."""
        inside, total = self._count(x, y, w, h)
        return inside / total if total else 0.0

    def __and__(self, other: SlideMask) -> SlideMask:
        """Where both hold, at the finer of the two scales."""
        fine, coarse = sorted((self, other), key=lambda m: m.scale)
        rows, cols = (
            np.minimum(((np.arange(n) + 0.5) * fine.scale / coarse.scale).astype(np.intp), limit - 1)
            for n, limit in zip(fine.mask.shape, coarse.mask.shape, strict=True)
        )
        return SlideMask(fine.mask & coarse.mask[np.ix_(rows, cols)], fine.scale)

    def _count(self, x: float, y: float, w: float, h: float) -> tuple[int, int]:
        rows, cols = self.mask.shape
        # Whole mask pixels, outwards: a sliver in the rectangle counts.
        left, right = (int(np.clip(f(v / self.scale), 0, cols)) for f, v in ((np.floor, x), (np.ceil, x + w)))
        top, bottom = (int(np.clip(f(v / self.scale), 0, rows)) for f, v in ((np.floor, y), (np.ceil, y + h)))
        if right <= left or bottom <= top:
            return 0, 0
        sums = self._sums
        inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        return int(inside), (right - left) * (bottom - top)
