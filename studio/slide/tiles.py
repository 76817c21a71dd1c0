"""Where extracted tiles lie: their size, and a grid of them over a slide."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError

MAG_UM = 10.0
"""µm per pixel at 1x, by the field's convention: 40x is 0.25."""


def tile_size(tile_px: int | None, tile_um: float | str | None) -> tuple[int | None, float | None]:
    """Checked size of extracted tiles in pixels and µm; a magnification becomes µm by 10 / magnification.

    Raises UsageError for anything else.

    >>> tile_size(96, "40x"), tile_size(96, 24.5)
    ((96, 24.0), (96, 24.5))
    """
    if tile_px is not None and not (isinstance(tile_px, int) and not isinstance(tile_px, bool) and tile_px > 0):
        raise UsageError(f"tile_px must be a whole number of pixels above 0, not {tile_px!r}.")
    if tile_um is None:
        return tile_px, None
    text = str(tile_um).strip().lower()
    power = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*x", text)
    try:
        value = float(power.group(1)) if power else float(text)
    except ValueError:
        value = 0.0
    if not (0 < value < math.inf):
        raise UsageError(f"tile_um must be a size in µm above 0, or a magnification such as '40x', not {tile_um!r}.")
    if power is None:
        return tile_px, value
    if tile_px is None:
        raise UsageError(f"tile_um={tile_um!r} is a magnification: give tile_px as well.")
    return tile_px, tile_px * MAG_UM / value


@dataclass(frozen=True, slots=True)
class Patch:
    """A square to extract, `px` pixels a side, `scale` slide pixels to a pixel."""

    left: float
    top: float
    scale: float
    px: int

    @classmethod
    def centred(cls, x: float, y: float, side: float, px: int) -> Patch:
        """`side` slide pixels around (x, y), moved by half a pixel at most.

        It begins on a whole slide pixel, so at the slide's own resolution the pixels are the slide's, not resampled.
        """
        return cls(round(x - side / 2), round(y - side / 2), side / px, px)

    @property
    def side(self) -> float:
        """Width and height in slide pixels."""
        return self.scale * self.px

    def within(self, size: tuple[int, int]) -> bool:
        """Whether all of it lies on a slide of (width, height)."""
        ends = (self.left + self.side, self.top + self.side)
        return min(self.left, self.top) >= 0 and all(end <= n + 1e-6 for end, n in zip(ends, size, strict=True))


@dataclass(frozen=True, slots=True)
class GridTile:
    """One place of a grid."""

    col: int
    row: int
    x: float
    """Left edge in slide pixels."""
    y: float
    """Top edge in slide pixels."""
    side: float
    """Width and height in slide pixels."""

    @property
    def centre(self) -> tuple[float, float]:
        """x, y in slide pixels."""
        return self.x + self.side / 2, self.y + self.side / 2


@dataclass(frozen=True, eq=False)
class TileGrid:
    """Tiles over a slide, row by row; some may have been filtered out."""

    side: float
    """Width and height of a tile in slide pixels."""
    step: float
    """Slide pixels from one tile to the next."""
    places: NDArray[np.int64]
    """(N, 2): column and row of each tile."""

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[GridTile]:
        for col, row in self.places.tolist():
            yield GridTile(col, row, col * self.step, row * self.step, self.side)

    @property
    def centres(self) -> NDArray[np.float64]:
        """(N, 2): x, y of each tile's centre in slide pixels."""
        return self.places * self.step + self.side / 2

    def only(self, kept: NDArray[np.bool_]) -> TileGrid:
        """The grid without the tiles where `kept` (N,) is False."""
        return TileGrid(self.side, self.step, self.places[kept])


def make_grid(size: tuple[int, int], side: float, stride: float = 1, *, partial: bool = True) -> TileGrid:
    """Tiles of `side` slide pixels over a slide of (width, height), `stride` of them (a divisor) to a side.

    `partial` keeps the tiles that reach beyond the right and bottom edge;
    without it, up to a tile's width of the slide is left out there.

    >>> grid = make_grid((1000, 500), side=96.0)
    >>> len(grid), list(grid)[1].x, list(grid)[1].centre
    (66, 96.0, (144.0, 48.0))
    """
    if not (math.isfinite(stride) and stride >= 1):
        raise UsageError(f"stride must be 1 (tiles side by side) or more (tiles that overlap), not {stride!r}.")
    step = side / stride
    counts = []
    for length in size:
        whole = math.floor((length - side) / step + 1e-9) + 1
        counts.append(max(1, math.ceil(length / step - 1e-9)) if partial else max(0, whole))
    rows, cols = np.mgrid[: counts[1], : counts[0]]
    return TileGrid(side, step, np.stack([cols.ravel(), rows.ravel()], axis=1).astype(np.int64))
