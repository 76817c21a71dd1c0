"""Where things lie: the working pixels of a slide, and the one lattice of network tiles on them.

Both begin at the slide's (0, 0) whatever part is asked for, so a pixel's
network input, and the order in which overlapping tiles are added up there,
are properties of the slide and not of the request.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.source import MaskGeometry

TILE_OVERLAP = 32
"""Working pixels that neighbouring 256-px network tiles share; 0 leaves 2.4 % of the seam cells different."""
_TAPER_PX, _TAPER_SIGMA_PX = 20, 7.5
"""Cellpose 3.1, `transforms._taper_mask`: how far from a tile's edge it counts half, and how gradually."""
WINDOW_OVERLAP = 64
"""The same where whole windows pass the network (`tile` off)."""


@dataclass(frozen=True, slots=True)
class Rect:
    """A half-open rectangle of pixels: rows `top <= r < bottom`, columns `left <= c < right`."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def rows(self) -> int:
        """Height."""
        return self.bottom - self.top

    @property
    def cols(self) -> int:
        """Width."""
        return self.right - self.left

    @property
    def empty(self) -> bool:
        """Whether there is no pixel in it."""
        return self.bottom <= self.top or self.right <= self.left

    def grown(self, margin_px: int) -> Rect:
        """The rectangle with a margin on all sides."""
        return Rect(self.top - margin_px, self.left - margin_px, self.bottom + margin_px, self.right + margin_px)

    def clipped(self, other: Rect) -> Rect:
        """What both have in common; may be empty."""
        return Rect(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )

    def union(self, other: Rect) -> Rect:
        """The smallest rectangle around both."""
        return Rect(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def overlaps(self, other: Rect) -> bool:
        """Whether there is a pixel in both."""
        return not self.clipped(other).empty

    def slices(self, origin: Rect) -> tuple[slice, slice]:
        """Indices of this rectangle in an array that begins at `origin`'s corner."""
        return (
            slice(self.top - origin.top, self.bottom - origin.top),
            slice(self.left - origin.left, self.right - origin.left),
        )

    def astuple(self) -> tuple[int, int, int, int]:
        """(top, left, bottom, right)."""
        return self.top, self.left, self.bottom, self.right


@dataclass(frozen=True, slots=True)
class WorkGrid:
    """The working pixels of a slide, and the mask pixels (`downscale` times coarser) on them."""

    size_slide: tuple[int, int]
    """(width, height) of the slide in level-0 pixels."""
    scale: float
    """Slide pixels per working pixel."""
    mpp_slide: float
    downscale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) in working pixels."""
        width, height = self.size_slide
        return max(1, round(height / self.scale)), max(1, round(width / self.scale))

    @property
    def bounds(self) -> Rect:
        """All working pixels."""
        return Rect(0, 0, *self.shape)

    @property
    def mpp(self) -> float:
        """Micrometres per working pixel."""
        return self.scale * self.mpp_slide

    def rect_from_slide(self, rect_slide: tuple[float, float, float, float]) -> Rect:
        """The working pixels that a slide rectangle (x, y, width, height) touches, inside the slide."""
        x, y, width, height = rect_slide
        touched = Rect(
            math.floor(y / self.scale),
            math.floor(x / self.scale),
            math.ceil((y + height) / self.scale),
            math.ceil((x + width) / self.scale),
        )
        return touched.clipped(self.bounds)

    def work_from_slide(self, x: float, y: float) -> tuple[int, int]:
        """The working pixel (row, column) at a point of the slide."""
        return math.floor(y / self.scale), math.floor(x / self.scale)

    def mask_rect(self, work: Rect) -> Rect:
        """The mask pixels whose sample lies in a rectangle of working pixels."""
        if self.downscale == 1:
            return work.clipped(self.bounds)
        rows, cols = self.mask_rows(), self.mask_cols()
        return Rect(
            int(np.searchsorted(rows, work.top)),
            int(np.searchsorted(cols, work.left)),
            int(np.searchsorted(rows, work.bottom)),
            int(np.searchsorted(cols, work.right)),
        )

    def mask_rows(self, limit: int | None = None) -> NDArray[np.int64]:
        """The working row that each mask row shows (nearest), up to working row `limit`."""
        return self._samples(self.shape[0], limit)

    def mask_cols(self, limit: int | None = None) -> NDArray[np.int64]:
        """The working column that each mask column shows (nearest), up to working column `limit`."""
        return self._samples(self.shape[1], limit)

    def _samples(self, count: int, limit: int | None) -> NDArray[np.int64]:
        if self.downscale == 1:
            return np.arange(count if limit is None else min(count, limit))
        steps = max(1, round(count / self.downscale))
        samples: NDArray[np.int64] = np.floor((np.arange(steps) + 0.5) * self.downscale).astype(np.int64)
        np.minimum(samples, count - 1, out=samples)
        return samples if limit is None else samples[samples < limit]

    def geometry(self, mask: Rect) -> MaskGeometry:
        """Where a rectangle of mask pixels lies on the slide."""
        step = self.scale * self.downscale
        return MaskGeometry(
            shape=(mask.rows, mask.cols),
            scale_x=step,
            scale_y=step,
            offset_x=mask.left * step,
            offset_y=mask.top * step,
            mpp=step * self.mpp_slide,
        )


@dataclass(frozen=True, slots=True)
class TileLattice:
    """Square network tiles on a grid; tile (i, j) covers rows `i * stride - overlap / 2` and on, `tile_px` of them."""

    shape: tuple[int, int]
    """(rows, columns) of the working pixels covered."""
    tile_px: int
    overlap_px: int

    @property
    def stride(self) -> int:
        """Working pixels from one tile to the next."""
        return self.tile_px - self.overlap_px

    @property
    def counts(self) -> tuple[int, int]:
        """How many tiles there are down and across."""
        return -(-self.shape[0] // self.stride), -(-self.shape[1] // self.stride)

    def tile_rect(self, tile: tuple[int, int]) -> Rect:
        """The working pixels of a tile; reaches over the slide's edge on the rim."""
        top = tile[0] * self.stride - self.overlap_px // 2
        left = tile[1] * self.stride - self.overlap_px // 2
        return Rect(top, left, top + self.tile_px, left + self.tile_px)

    def tiles_over(self, rect: Rect) -> Iterator[tuple[int, int]]:
        """Tiles with a say in any pixel of `rect`, in the fixed order in which they are added up."""
        for i in self._span(rect.top, rect.bottom, self.counts[0]):
            for j in self._span(rect.left, rect.right, self.counts[1]):
                yield i, j

    def without_further_tiles(self, inner: Rect, outer: Rect) -> Rect:
        """The part of `outer` on which no tile has a say that has none on `inner`, which lies in it."""
        top, bottom = self._same_tiles(inner.top, inner.bottom, self.counts[0])
        left, right = self._same_tiles(inner.left, inner.right, self.counts[1])
        return outer.clipped(Rect(top, left, bottom, right))

    def _same_tiles(self, first: int, stop: int, count: int) -> tuple[int, int]:
        """How far an interval can be stretched on both sides before it needs further tiles."""
        half, tiles = self.overlap_px // 2, self._span(first, stop, count)
        low = tiles[0] * self.stride + half if tiles[0] > 0 else 0
        # The last tile's successor begins to count `half` before its own stride does.
        high = tiles[-1] * self.stride + self.stride - half
        return min(first, low), max(stop, high if tiles[-1] < count - 1 else count * self.stride)

    def _span(self, first: int, stop: int, count: int) -> range:
        half = self.overlap_px // 2
        low = max(0, (first - half) // self.stride)
        high = min(count - 1, (stop - 1 + half) // self.stride)
        return range(low, high + 1)

    def weights(self, index: int, axis: int) -> NDArray[np.float32]:
        """Weight of each row (axis 0) or column (1) of a tile; neighbours' weights sum to 1 in the overlap."""
        weight = np.ones(self.tile_px, dtype=np.float32)
        if self.overlap_px:
            # Cellpose's taper, brought to a sum of 1 over the two tiles.
            taper = 1 / (1 + np.exp((_TAPER_PX - 0.5 - np.arange(self.overlap_px)) / _TAPER_SIGMA_PX))
            ramp = (taper / (taper + taper[::-1])).astype(np.float32)
            if index > 0:
                weight[: self.overlap_px] = ramp
            if index < self.counts[axis] - 1:
                weight[-self.overlap_px :] = ramp[::-1]
        return weight


def block_grid(region: Rect, block_px: int, corner: tuple[int, int] | None = None) -> list[Rect]:
    """Cores of the blocks that share out `region`, rows first: even parts no larger than `block_px`.

    With `corner` (row, column) the cuts are those of a grid of full blocks through that point instead. The cells
    found don't depend on any of this.
    """
    tops = _cuts(region.top, region.bottom, block_px, None if corner is None else corner[0])
    lefts = _cuts(region.left, region.right, block_px, None if corner is None else corner[1])
    return [
        Rect(top, left, bottom, right)
        for top, bottom in itertools.pairwise(tops)
        for left, right in itertools.pairwise(lefts)
    ]


def _cuts(first: int, stop: int, step: int, corner: int | None) -> list[int]:
    if corner is None:
        parts = -(-(stop - first) // step)
        return [first + (stop - first) * n // parts for n in range(parts + 1)]
    inner = range(first - (first - corner) % step + step, stop, step)
    return [first, *inner, stop]
