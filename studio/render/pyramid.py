"""A slide as levels that halve down to one tile, whatever levels its file has.

Files leave gaps of 4 or 16 between levels, and some have one level only.
Where one is missing, a tile is the mean of the four beneath it: made on a
loader thread, so a view never needs more than a few dozen tiles, and nothing
is drawn smaller than half size, where it would flicker.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio.core.lru import ByteLRU
from studio.errors import SlideError
from studio.render.grid import TILE_PX, Grid
from studio.render.loader import Check

log = logging.getLogger(__name__)

MADE_BYTES = 64 << 20
"""Tiles of made levels that are kept in RAM; those of real levels are in the slide's own cache."""

_SMALLEST_PX = 256
"""The pyramid ends with the first level whose longer side isn't above this."""

_GAP = 1.5
"""A level is made where it is at least this much finer than the file's next one."""

Pixels = NDArray[np.uint8]


class TileSlide(Protocol):
    """What of a `WSI` is needed here."""

    @property
    def level_sizes(self) -> tuple[tuple[int, int], ...]:
        """(width, height) of each level of the file."""

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        """Slide pixels to one pixel of each."""

    @property
    def closed(self) -> bool:
        """Whether reads raise from now on."""

    def view_tile(self, level: int, col: int, row: int) -> Pixels:
        """RGB of a tile; SlideError where it can't be decoded."""


@dataclass(frozen=True, slots=True)
class _Level:
    grid: Grid
    real: int | None
    """The file's level, or None for a made one."""
    cost: int
    """Tiles of the file that have to be decoded for one tile of this level."""


class SlidePyramid:
    """Tiles of any level as RGB. `read` is for loader threads; the rest is constant."""

    def __init__(self, slide: TileSlide) -> None:
        self._slide = slide
        self._levels = _levels(slide.level_sizes, slide.level_downsamples)
        self._made: ByteLRU[tuple[int, int, int], Pixels] = ByteLRU(MADE_BYTES, lambda tile: tile.nbytes)
        self.grids: tuple[Grid, ...] = tuple(level.grid for level in self._levels)
        """Levels, finest first."""
        self.cover = next(n for n, grid in enumerate(self.grids) if grid.shape == (1, 1))
        """The finest level that is a single tile: it shows the whole slide at once."""

    def real(self, level: int) -> int | None:
        """The file's level that a level is, or None for a made one."""
        return self._levels[level].real

    def cost(self, level: int) -> int:
        """How many tiles of the file one tile of a level is made from."""
        return self._levels[level].cost

    def read(self, level: int, col: int, row: int, check: Check) -> Pixels:
        """RGB (h, w, 3) of a tile.

        Raises SlideError for a tile of the file that can't be decoded; inside
        a made tile, its part shows the error pattern instead.
        """
        check()
        entry = self._levels[level]
        if entry.real is not None:
            return self._slide.view_tile(entry.real, col, row)
        key = (level, col, row)
        tile = self._made.get(key)
        if tile is None:
            tile = self._make(level, col, row, check)
            self._made.put(key, tile)
        return tile

    def _make(self, level: int, col: int, row: int, check: Check) -> Pixels:
        import cv2

        below = self._levels[level - 1].grid
        width, height = self._levels[level].grid.tile_size(col, row)
        canvas = np.empty((2 * height, 2 * width, 3), np.uint8)
        for y in range(2):
            for x in range(2):
                at = (2 * col + x, 2 * row + y)
                if at[0] < below.shape[0] and at[1] < below.shape[1]:
                    tile = self._read_or_pattern(level - 1, *at, check)
                    top, left = y * TILE_PX, x * TILE_PX
                    canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
        # An odd last row or column is repeated.
        right, bottom = below.size[0] - 2 * col * TILE_PX, below.size[1] - 2 * row * TILE_PX
        canvas[:, right:] = canvas[:, right - 1 : right]
        canvas[bottom:] = canvas[bottom - 1 : bottom]
        return np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    def _read_or_pattern(self, level: int, col: int, row: int, check: Check) -> Pixels:
        try:
            return self.read(level, col, row, check)
        except SlideError:
            if self._slide.closed:
                raise
            width, height = self._levels[level].grid.tile_size(col, row)
            return error_pattern()[:height, :width]


@lru_cache(maxsize=1)
def error_pattern() -> Pixels:
    """RGB of a whole tile that can't be read: slanted stripes that no tissue looks like; read-only."""
    y, x = np.mgrid[:TILE_PX, :TILE_PX]
    stripe = ((x + y) // 32) % 2 == 0
    pixels = np.where(stripe[..., None], (214, 130, 120), (196, 108, 100)).astype(np.uint8)
    pixels.setflags(write=False)
    return pixels


def _levels(sizes: tuple[tuple[int, int], ...], downsamples: tuple[float, ...]) -> list[_Level]:
    """The file's levels with made ones between and after them, down to a small one."""
    real = sorted(range(len(sizes)), key=lambda n: downsamples[n])
    levels: list[_Level] = []
    for place, number in enumerate(real):
        down = downsamples[number]
        levels.append(_Level(Grid(sizes[number], (down, down)), number, 1))
        next_down = downsamples[real[place + 1]] if place + 1 < len(real) else float("inf")
        while max(levels[-1].grid.size) > _SMALLEST_PX and levels[-1].grid.pixel[0] * 2 * _GAP <= next_down:
            levels.append(_halved(levels[-1]))
        if max(levels[-1].grid.size) <= _SMALLEST_PX:
            break
    return levels


def _halved(level: _Level) -> _Level:
    width, height = level.grid.size
    size, down = (-(-width // 2), -(-height // 2)), level.grid.pixel[0] * 2
    cols, rows = level.grid.shape
    return _Level(Grid(size, (down, down)), None, level.cost * min(2, cols) * min(2, rows))
