"""Which tiles a view needs, and where they lie on the screen. Arithmetic only: no GL, no threads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from studio.document import View

TILE_PX = 512
"""Side of a slide's tiles; `studio.slide.pixels.TILE_PX` is the same."""

Rect = tuple[float, float, float, float]
"""Left, top, right, bottom in slide pixels."""

_SLACK = 1.001
"""Rounding of downsamples must not make a level look too coarse for its own scale."""


class TileKey(NamedTuple):
    """Names a tile."""

    kind: str
    """`slide`, `labels` or `flow`."""
    level: int
    col: int
    row: int


@dataclass(frozen=True, slots=True)
class Grid:
    """The tiles of one level, laid on the slide."""

    size: tuple[int, int]
    """(width, height) of the level in its own pixels."""
    pixel: tuple[float, float]
    """Width and height of a level pixel in slide pixels."""
    origin: tuple[float, float] = (0.0, 0.0)
    """Slide pixel at which the level begins."""
    side: int = TILE_PX
    """Of a tile, in level pixels."""

    @property
    def shape(self) -> tuple[int, int]:
        """(columns, rows) of tiles."""
        return -(-self.size[0] // self.side), -(-self.size[1] // self.side)

    @property
    def rect(self) -> Rect:
        """All that the level covers."""
        x, y = self.origin
        return x, y, x + self.size[0] * self.pixel[0], y + self.size[1] * self.pixel[1]

    def tile_size(self, col: int, row: int) -> tuple[int, int]:
        """(width, height) in level pixels of a tile; smaller at the right and bottom edge."""
        return min(self.side, self.size[0] - col * self.side), min(self.side, self.size[1] - row * self.side)

    def tile_rect(self, col: int, row: int) -> Rect:
        """What a tile covers. Neighbours share their edge to the last bit, so no gap can open between them."""
        x, y = self.origin
        right = min((col + 1) * self.side, self.size[0])
        bottom = min((row + 1) * self.side, self.size[1])
        return (
            x + col * self.side * self.pixel[0],
            y + row * self.side * self.pixel[1],
            x + right * self.pixel[0],
            y + bottom * self.pixel[1],
        )

    def span(self, rect: Rect, ring: int = 0) -> tuple[range, range]:
        """Columns and rows of the tiles that a rectangle touches, and `ring` tiles around them."""
        cols, rows = self.shape
        return (
            _span(rect[0] - self.origin[0], rect[2] - self.origin[0], self.side * self.pixel[0], cols, ring),
            _span(rect[1] - self.origin[1], rect[3] - self.origin[1], self.side * self.pixel[1], rows, ring),
        )

    def count(self, rect: Rect) -> int:
        """How many tiles a rectangle touches."""
        cols, rows = self.span(rect)
        return len(cols) * len(rows)


def _span(low: float, high: float, cell: float, count: int, ring: int) -> range:
    first, last = math.floor(low / cell), math.ceil(high / cell)
    if high <= low or last <= 0 or first >= count:
        return range(0)
    return range(max(0, first - ring), min(count, last + ring))


def level_for(
    grids: Sequence[Grid], scale: float, rect: Rect, most: int, *, finer: bool, least_texel: float = 1.0
) -> int:
    """The level to draw at `scale` slide pixels per screen pixel.

    With `finer` the coarsest whose pixels are no larger than the screen's, so
    no detail is lost (pictures); without, the finest whose pixels are at least
    `least_texel` of the screen's, so that samples miss nothing (labels).
    Coarser yet where `rect` would take more than `most` tiles.
    """
    sizes = [math.sqrt(grid.pixel[0] * grid.pixel[1]) for grid in grids]
    if finer:
        level = max((n for n, size in enumerate(sizes) if size <= scale * _SLACK), default=0)
    else:
        level = min((n for n, size in enumerate(sizes) if size * _SLACK >= scale * least_texel), default=len(grids) - 1)
    while level < len(grids) - 1 and grids[level].count(rect) > most:
        level += 1
    return level


def tiles_in(kind: str, grids: Sequence[Grid], level: int, rect: Rect, ring: int = 0) -> list[TileKey]:
    """The tiles of a level that a rectangle touches, with `ring` tiles around them."""
    cols, rows = grids[level].span(rect, ring)
    return [TileKey(kind, level, col, row) for row in rows for col in cols]


def distance(rect: Rect, centre: tuple[float, float]) -> float:
    """Slide pixels from a point to a rectangle's middle."""
    left, top, right, bottom = rect
    return math.hypot((left + right) / 2 - centre[0], (top + bottom) / 2 - centre[1])


def rect_of(view: View) -> Rect:
    """What is in view."""
    x, y, width, height = view.rect_slide
    return x, y, x + width, y + height


def meets(a: Rect, b: Rect) -> bool:
    """Whether two rectangles overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def common(a: Rect, b: Rect) -> Rect:
    """What two rectangles share; empty or inside out where they don't meet."""
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def texels_of(key: TileKey, grid: Grid, rect: Rect) -> Rect:
    """A rectangle of the slide in pixels of a tile."""
    left, top, _, _ = grid.tile_rect(key.col, key.row)
    across, down = grid.pixel
    return (rect[0] - left) / across, (rect[1] - top) / down, (rect[2] - left) / across, (rect[3] - top) / down


def to_clip(
    rects_slide: NDArray[np.float64], texels: NDArray[np.float64], view: View
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Place rectangles of texels in the view, before it is turned.

    Takes (N, 4) left, top, right, bottom in slide pixels and in texels. Returns
    which are in view, and for those clip-space edges and texels, both cut to
    the viewport: so a tile magnified a thousand times stays as exact as any.
    """
    width, height = view.span
    centre = np.array([view.center_x, view.center_y, view.center_x, view.center_y])
    half = np.array([width, height, width, height]) * (view.scale / 2)
    # The centre is taken off in float64; single precision would be wrong by whole pixels on a large slide.
    edges = (rects_slide - centre) / half
    cut = np.clip(edges, -1.0, 1.0)
    seen = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
    edges, cut, texels = edges[seen], cut[seen], texels[seen]
    low, size = edges[:, [0, 1, 0, 1]], np.tile(edges[:, 2:] - edges[:, :2], 2)
    extent = np.tile(texels[:, 2:] - texels[:, :2], 2)
    inside = texels[:, [0, 1, 0, 1]] + (cut - low) / size * extent
    # Exactly the tile's own edge where nothing was cut off.
    inside = np.where(cut == edges, texels, inside)
    cut[:, [1, 3]] *= -1.0
    return seen, cut, inside
