"""The slide's own pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.document import View
from studio.render.gl import GL
from studio.render.grid import Rect, TileKey, common, level_for, rect_of, tiles_in
from studio.render.loader import Check, Loaded
from studio.render.pool import RGBA8, TilePool
from studio.render.program import ProgramCache
from studio.render.pyramid import SlidePyramid, TileSlide, error_pattern
from studio.render.quads import QuadBatch, Quads
from studio.render.tilelayer import TileLayer
from studio.slide.look import Look

BUDGET_BYTES = 256 << 20
"""Graphics memory for tiles of the slide: a 4K screen at the least favourable zoom takes 160 MiB."""

NEAREST_FROM = 2.0
"""Screen pixels to a slide pixel from which on pixels are shown as squares."""

_DARK = 96
"""A slide whose background is darker than this (of 255) is fluorescence."""

_WHOLE = 1e-6
"""Slide pixels by which a view may be off the grid and be on it."""

_CHEAP = 4
"""Decoded tiles that a cover may take and still come before what is in view."""

_DEAR = 16
"""A tile made from more tiles of the file than this isn't made on the off-chance."""


class SlideLayer(TileLayer):
    """Tiles of the slide. Where one is missing, coarser or finer ones stand in for it."""

    def __init__(self) -> None:
        super().__init__("slide", TilePool(RGBA8, BUDGET_BYTES, _opaque(error_pattern())))
        self._pyramid: SlidePyramid | None = None
        self.overview: NDArray[np.uint8] | None = None
        """RGBA of the whole slide, (h, w, 4), once it was read."""

    @property
    def rect(self) -> Rect | None:
        """What the slide covers, in its own pixels."""
        return self.grids[0].rect if self.grids else None

    def fills(self, view: View) -> bool:
        """Whether its tiles of the level drawn leave nothing of a view bare."""
        whole, seen = self.rect, rect_of(view)
        inside = whole is not None and common(whole, seen) == seen
        return inside and bool(self.visible) and all(key in self.pool for key in self.visible)

    @property
    def cover_is_cheap(self) -> bool:
        """Whether the cover is read so fast that it may come before anything else."""
        return self._pyramid is not None and self._pyramid.cost(self._pyramid.cover) <= _CHEAP

    @property
    def dark(self) -> bool | None:
        """Whether bare glass is black (fluorescence) rather than white; None until something was read."""
        if self.overview is None:
            return None
        return float(np.median(self.overview[..., :3])) < _DARK

    def show_slide(self, slide: TileSlide, stamp: int) -> None:
        """Show another slide."""
        pyramid = self._pyramid = SlidePyramid(slide)
        self.overview = None

        def read(key: TileKey, check: Check) -> NDArray[np.uint8]:
            import cv2

            # RGBA, because graphics drivers take it several times faster than RGB.
            rgb = pyramid.read(key.level, key.col, key.row, check)
            return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA), np.uint8)

        self.show(pyramid.grids, read, stamp)

    def hide(self) -> None:
        """Show no slide."""
        super().hide()
        self._pyramid = self.overview = None

    def take(self, stamp: int, key: TileKey, loaded: Loaded) -> bool:
        """Upload a tile that was read. Whether that changes what is in view."""
        changed = super().take(stamp, key, loaded)
        if stamp == self._stamp and key in self.cover and loaded.value is not None:
            self.overview = loaded.value
            return True
        return changed

    def tiles_for(self, view: View) -> list[TileKey]:
        """Tiles of the level that a view is drawn from, named by levels of the file; none for made levels."""
        assert self._pyramid is not None
        rect = rect_of(view)
        level = level_for(self.grids, view.scale, rect, self.pool.capacity, finer=True)
        real = self._pyramid.real(level)
        if real is None:
            return []
        return [key._replace(level=real) for key in tiles_in(self.kind, self.grids, level, rect)]

    def quads(self) -> Quads:
        """Tiles in view, the finer ones on top."""
        quads = Quads()
        top = len(self.grids)
        holes = [key for key in self.visible if not self._add(quads, key, order=top)]
        added: set[tuple[TileKey, Rect]] = set()
        for hole in holes:
            rect = self.grids[hole.level].tile_rect(hole.col, hole.row)
            for level in range(hole.level + 1, top):
                if self._stand_in(quads, level, rect, added):
                    break
            if hole.level:
                self._stand_in(quads, hole.level - 1, rect, added)
        return quads

    def as_squares(self, view: View) -> bool:
        """Whether pixels are drawn as they are: because they are large, or because each meets one of the screen."""
        if 1 / view.scale >= NEAREST_FROM:
            return True
        # The finest level has pixels of 1; a filter would give the same, at twice the cost on software OpenGL.
        whole = all(abs(side - round(side)) < _WHOLE for side in rect_of(view)[:2])
        return view.scale == 1.0 and self.level == 0 and whole and self.fills(view)

    def draw(self, view: View, look: Look, programs: ProgramCache, batch: QuadBatch, sampler: int) -> None:
        """Draw what is there, its colours as `look` wants them."""
        program = programs.get("tile.vert", "slide.frag", [] if look.neutral else ["LOOK"])
        program.use()
        GL.glUniform1i(program.place("u_tiles"), 0)
        if not look.neutral:
            channels = look.channels
            GL.glUniform3f(program.place("u_low"), *(channel.low for channel in channels))
            GL.glUniform3f(program.place("u_gain"), *(1 / (channel.high - channel.low) for channel in channels))
            GL.glUniform3f(program.place("u_on"), *(float(channel.on) for channel in channels))
            GL.glUniform3f(program.place("u_tone"), look.brightness, look.contrast, 1 / look.gamma)
        GL.glBindSampler(0, sampler)
        batch.draw(self.quads(), view, self.pool)
        GL.glBindSampler(0, 0)

    def _stand_in(self, quads: Quads, level: int, hole: Rect, added: set[tuple[TileKey, Rect]]) -> bool:
        """Fill a hole with what a level has there; whether that filled it."""
        full = True
        for key in tiles_in(self.kind, self.grids, level, hole):
            rect = common(self.grids[level].tile_rect(key.col, key.row), hole)
            if (key, rect) not in added:
                if self._add(quads, key, rect, order=len(self.grids) - 1 - level):
                    added.add((key, rect))
                else:
                    full = False
        return full

    def _level_at(self, scale: float, most: int) -> int:
        return level_for(self.grids, scale, self._rect, most, finer=True)

    def _cover(self) -> list[TileKey]:
        assert self._pyramid is not None
        return [TileKey(self.kind, self._pyramid.cover, 0, 0)]

    def _ahead(self) -> list[TileKey]:
        assert self._pyramid is not None
        keys = super()._ahead()
        # Zooming out and fast panning show the next levels first.
        for level in (self.level + 1, self.level + 2):
            if level < len(self.grids) and self._pyramid.cost(level) <= _DEAR:
                keys += tiles_in(self.kind, self.grids, level, self._rect)
        return keys


def _opaque(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
