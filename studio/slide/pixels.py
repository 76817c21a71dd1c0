"""A slide's pixels: tiles through a cache, rectangles of a level, any resolution. In pixels only, without µm."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import cell_range, overlap, working_shape
from studio.core.lru import ByteLRU
from studio.errors import SlideError, UsageError
from studio.slide.readers import Reader, open_reader

TILE_PX = 512
"""Side of the grid tiles that every level is read in."""

CACHE_BYTES = 192 << 20
"""Decoded tiles that one slide keeps: 256 full ones."""

_LEVEL_SLACK = 1.001
_STRIP_PX = 12_000_000


class Pixels:
    """An open slide file. Reads are safe from any thread; `close()` never waits for them.

    >>> slide.vendor, slide.level_sizes, slide.level_downsamples, slide.properties["aperio.AppMag"]
    ('aperio', ((2220, 2967),), (1.0,), '20')
    """

    def __init__(self, path: Path, cache_bytes: int = CACHE_BYTES) -> None:
        """Raises SlideError for what is no slide."""
        self.path = path
        self._reader: Reader = open_reader(path)
        self._closed = False
        self._tiles: ByteLRU[tuple[int, int, int, bool], NDArray[np.uint8]] = ByteLRU(
            cache_bytes, lambda tile: tile.nbytes
        )
        self._lock = threading.Lock()
        self._thumbnails: dict[int, NDArray[np.uint8]] = {}
        self._problems: dict[type[SlideError], str] = {}

    def limit_cache(self, budget_bytes: int) -> None:
        """Keep no more decoded tiles than this from now on, for who has to keep a budget; never more than before.

        >>> slide.limit_cache(64 << 20)
        """
        self._tiles.budget_bytes = min(self._tiles.budget_bytes, budget_bytes)

    def drop_cache(self) -> None:
        """Forget the decoded tiles, for who measures what reading costs.

        >>> slide.drop_cache()
        """
        self._tiles.clear()

    @property
    def vendor(self) -> str:
        """The format's name: OpenSlide's vendor, or `png`, `jpeg`, `tiff`."""
        return self._reader.vendor

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in slide pixels."""
        return self._reader.level_sizes[0]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x, y, width, height in slide pixels of what was scanned, where the file says; else of the whole slide.

        >>> slide.bounds
        (0.0, 0.0, 2220.0, 2967.0)
        """
        whole = (0.0, 0.0, float(self.size[0]), float(self.size[1]))
        try:
            x, y, w, h = (float(self.properties[f"openslide.bounds-{name}"]) for name in ("x", "y", "width", "height"))
        except (KeyError, ValueError):
            return whole
        left, top = max(0.0, x), max(0.0, y)
        right, bottom = min(whole[2], x + w), min(whole[3], y + h)
        return (left, top, right - left, bottom - top) if right > left and bottom > top else whole

    @property
    def level_sizes(self) -> tuple[tuple[int, int], ...]:
        """(width, height) of each level, the largest first."""
        return self._reader.level_sizes

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        """Slide pixels to one pixel of each level."""
        return self._reader.level_downsamples

    @property
    def properties(self) -> Mapping[str, str]:
        """All that the file says about itself, under OpenSlide's names."""
        return self._reader.properties

    @property
    def closed(self) -> bool:
        """True after `close()`."""
        return self._closed

    def read_tile(self, level: int, col: int, row: int) -> NDArray[np.uint8]:
        """RGB (h, w, 3) of one grid tile of a level, read-only; smaller than TILE_PX at the right and bottom edge.

        White where the slide holds nothing. Raises SlideError, naming the
        tile, where it can't be decoded, and after `close()`.

        >>> slide.read_tile(0, 0, 0).shape, slide.read_tile(0, 4, 5).shape
        ((512, 512, 3), (407, 172, 3))
        """
        return self._tile(level, col, row, moved=False)

    def view_tile(self, level: int, col: int, row: int) -> NDArray[np.uint8]:
        """As `read_tile`, for the eye: perhaps faster, perhaps moved by a fraction of a pixel.

        >>> slide.view_tile(0, 4, 5).shape
        (407, 172, 3)
        """
        try:
            return self._tile(level, col, row, moved=True)
        except SlideError as error:
            if not self._closed:
                self._problems.setdefault(type(error), str(error))
            raise

    @property
    def problems(self) -> tuple[str, ...]:
        """Why tiles could not be shown: of each kind the first.

        >>> slide.problems
        ()
        """
        return tuple(self._problems.values())

    def _tile(self, level: int, col: int, row: int, *, moved: bool) -> NDArray[np.uint8]:
        self._check_open()
        if not 0 <= level < len(self.level_sizes):
            raise UsageError(f"{self.path.name} has levels 0 to {len(self.level_sizes) - 1}, not {level}.")
        width, height = self.level_sizes[level]
        x, y = col * TILE_PX, row * TILE_PX
        if not (0 <= x < width and 0 <= y < height):
            raise UsageError(f"Level {level} of {self.path.name} has no tile in column {col}, row {row}.")

        def load() -> NDArray[np.uint8]:
            size = (min(TILE_PX, width - x), min(TILE_PX, height - y))
            tile = self._reader.read(level, x, y, *size, moved=moved)
            tile.setflags(write=False)
            return tile

        tile = self._tiles.get_or_load((level, col, row, moved), load)
        self._check_open()
        return tile

    def read_level(self, level: int, x: int, y: int, w: int, h: int) -> NDArray[np.uint8]:
        """RGB (h, w, 3) of a rectangle in pixels of a level, white outside the slide.

        >>> slide.read_level(0, 2200, 0, 40, 10)[0, -1].tolist()
        [255, 255, 255]
        """
        if w < 0 or h < 0:
            raise UsageError(f"A rectangle can't be {w} × {h} pixels.")
        width, height = self.level_sizes[level]
        out = np.empty((h, w, 3), np.uint8)
        if x < 0 or y < 0 or x + w > width or y + h > height:
            out[:] = 255
        for row in cell_range(y, y + h, TILE_PX, height):
            top, bottom = overlap(y, y + h, row * TILE_PX, min((row + 1) * TILE_PX, height))
            for col in cell_range(x, x + w, TILE_PX, width):
                left, right = overlap(x, x + w, col * TILE_PX, min((col + 1) * TILE_PX, width))
                tile = self.read_tile(level, col, row)
                out[top - y : bottom - y, left - x : right - x] = tile[
                    top - row * TILE_PX : bottom - row * TILE_PX, left - col * TILE_PX : right - col * TILE_PX
                ]
        return out

    def level_for(self, scale: float) -> int:
        """The coarsest level that still has the detail of `scale` slide pixels to a pixel.

        >>> slide.level_for(4.0)
        0
        """
        fits = [n for n, down in enumerate(self.level_downsamples) if down <= scale * _LEVEL_SLACK]
        return max(fits, key=lambda n: self.level_downsamples[n], default=0)

    def read_working(self, scale: float, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint8]:
        """RGB (rows, cols, 3) of the lattice with `scale` slide pixels to a pixel, from the slide's top left.

        Pixel (r, c) covers the slide square from (c * scale, r * scale) to
        ((c + 1) * scale, (r + 1) * scale). Antialiased, and the same in every
        bit however the lattice is cut into calls. Beyond the slide its
        outermost pixels are repeated.

        >>> whole = slide.read_working(1.7, 500, 500, 40, 40)
        >>> bool((slide.read_working(1.7, 510, 520, 8, 8) == whole[10:18, 20:28]).all())
        True
        """
        if not scale > 0:
            raise UsageError(f"A lattice can't have {scale} slide pixels to a pixel.")
        return self._resampled(scale, (0.0, 0.0), (row, col), (rows, cols))

    def read_rect(
        self, x: float, y: float, scale: float, rows: int, cols: int, outside: int = 255
    ) -> NDArray[np.uint8]:
        """RGB (rows, cols, 3) from slide pixel (x, y), `scale` slide pixels to a pixel; `outside` beyond the slide.

        >>> slide.read_rect(-8.5, 100, 2.0, 4, 12, outside=0)[0, :5].any(axis=1).tolist()
        [False, False, False, False, True]
        """
        out = self._resampled(scale, (y, x), (0, 0), (rows, cols))
        width, height = self.size
        centre_x, centre_y = x + (np.arange(cols) + 0.5) * scale, y + (np.arange(rows) + 0.5) * scale
        out[:, (centre_x < 0) | (centre_x >= width)] = outside
        out[(centre_y < 0) | (centre_y >= height)] = outside
        return out

    def thumbnail(self, max_px: int = 800) -> NDArray[np.uint8]:
        """RGB of the whole slide, its longer side at most `max_px`.

        >>> slide.thumbnail(200).shape
        (200, 150, 3)
        """
        with self._lock:
            kept = self._thumbnails.get(max_px)
        if kept is None:
            scale = max(1.0, max(self.size) / max_px)
            kept = self.read_working(scale, 0, 0, *working_shape(self.size, scale))
            with self._lock:
                self._thumbnails[max_px] = kept
        return kept.copy()

    def associated_images(self) -> dict[str, NDArray[np.uint8]]:
        """Label, macro and the like by name, RGB; empty where the file has none.

        >>> sorted(slide.associated_images())
        ['label', 'macro', 'thumbnail']
        """
        self._check_open()
        return self._reader.associated_images()

    def close(self) -> None:
        """Let go of the file. Reads under way in other threads raise SlideError, as does any later one.

        >>> slide.close()
        >>> slide.closed
        True
        """
        self._closed = True
        self._reader.close()
        self._tiles.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise SlideError(f"{self.path.name} is closed. Open it again.")

    def _resampled(
        self, scale: float, origin_slide: tuple[float, float], at: tuple[int, int], shape: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """Pixels `at` to `at + shape` of a lattice that begins at `origin_slide`; all pairs are (y, x)."""
        from studio.slide.resample import resample, span, taps

        out = np.empty((*shape, 3), np.uint8)
        if not out.size:
            self._check_open()
            return out
        level = self.level_for(scale)
        down = self.level_downsamples[level]
        width, height = self.level_sizes[level]
        cols = taps(at[1], shape[1], scale / down, origin_slide[1] / down)
        left, right = span(cols, width)
        # Strips bound the memory of a coarse read of a slide without coarse levels.
        strip = max(1, int(_STRIP_PX / (right - left) / max(1.0, scale / down)))
        for first in range(0, shape[0], strip):
            count = min(strip, shape[0] - first)
            rows = taps(at[0] + first, count, scale / down, origin_slide[0] / down)
            top, bottom = span(rows, height)
            source = self.read_level(level, left, top, right - left, bottom - top)
            out[first : first + count] = resample(source, rows, cols, (top, left), (height, width))
        return out
