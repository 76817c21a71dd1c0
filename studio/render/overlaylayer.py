"""Segmented cells over the slide: filled, outlined, or as the flow they were formed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.source import LabelSource
from studio.document import OverlayStyle, View
from studio.render.gl import GL
from studio.render.grid import TILE_PX, Grid, Rect, TileKey, common, tiles_in
from studio.render.labeltiles import (
    dense_level,
    level_count,
    overlay_grids,
    read_dense_tile,
    read_flow_tile,
    read_label_tile,
)
from studio.render.loader import Check
from studio.render.pool import R32UI, RGBA8, Format, Tile, TilePool
from studio.render.program import Program, ProgramCache
from studio.render.quads import QuadBatch, Quads
from studio.render.tilelayer import TileLayer

LABEL_BYTES = 128 << 20
"""Graphics memory for label tiles; a 4K screen takes 50 MiB at most."""

FLOW_BYTES = 96 << 20

FILL_RGB = (0.0, 1.0, 1.0)
"""Cyan, as users of Cellpose viewers know it."""

LINE_RGB = (1.0, 0.9, 0.0)
"""Yellow: stands out from haematoxylin, from cyan and from black."""

LINE_PX = 1.75
"""Width of outlines on a screen of ordinary density."""

ReadTile = Callable[[LabelSource, Grid, int, int, int], "NDArray[Any] | None"]

_NEVER = 1 << 30


class OverlayTiles(TileLayer):
    """Tiles of labels or flow, of a pyramid of exact halves. Each place in view is drawn once: it is blended."""

    finer = False

    def __init__(self, kind: str, form: Format, budget_bytes: int, spare: NDArray[Any], read_tile: ReadTile) -> None:
        super().__init__(kind, TilePool(form, budget_bytes, spare))
        self._read_tile = read_tile
        self._dense_from = _NEVER

    def show_source(
        self,
        source: LabelSource,
        stamp: int,
        *,
        same: bool,
        changed: Sequence[Rect] | None = None,
        dense_from: int = _NEVER,
    ) -> None:
        """Show cells; `same` if they are those shown now, with more or fewer of them, in `changed` or anywhere.

        Levels from `dense_from` on show how much of each pixel is cell.
        """
        grids, read_tile = overlay_grids(source.geometry, level_count(source, dense_from)), self._read_tile

        def read(key: TileKey, check: Check) -> NDArray[Any] | None:
            check()
            reader = read_dense_tile if key.level >= dense_from else read_tile
            return reader(source, grids[key.level], key.level, key.col, key.row)

        same = same and grids == self.grids and dense_from == self._dense_from
        self.show(grids, read, stamp, same=same, changed=changed)
        self._dense_from = dense_from

    def quads(self) -> Quads:
        """Tiles in view, no two of which overlap; no cells where nothing was read yet. Dense ones are of order 1."""
        quads = Quads()
        for key in self.visible:
            if not self._add_tile(quads, key) and not self._from_coarser(quads, key):
                self._from_finer(quads, key)
        return quads

    def _add_tile(self, quads: Quads, key: TileKey, within: Rect | None = None) -> bool:
        return self._add(quads, key, within, order=int(key.level >= self._dense_from))

    def _from_coarser(self, quads: Quads, key: TileKey) -> bool:
        rect = self.grids[key.level].tile_rect(key.col, key.row)
        for up in range(1, len(self.grids) - key.level):
            if self._add_tile(quads, TileKey(key.kind, key.level + up, key.col >> up, key.row >> up), rect):
                return True
        return False

    def _from_finer(self, quads: Quads, key: TileKey) -> None:
        if key.level == 0:
            self._add_spare(quads, key)
            return
        below = self.grids[key.level - 1]
        for row in range(2 * key.row, min(2 * key.row + 2, below.shape[1])):
            for col in range(2 * key.col, min(2 * key.col + 2, below.shape[0])):
                child = TileKey(key.kind, key.level - 1, col, row)
                if not self._add_tile(quads, child):
                    self._add_spare(quads, child)

    def _add_spare(self, quads: Quads, key: TileKey) -> None:
        grid = self.grids[key.level]
        quads.add(key, Tile(TilePool.SPARE, 0), grid, common(grid.tile_rect(key.col, key.row), self.grids[0].rect))

    def _cover(self) -> list[TileKey]:
        # The coarsest level is one tile, but for sources that end their pyramid early.
        single = (level for level, grid in enumerate(self.grids) if grid.shape == (1, 1))
        return tiles_in(self.kind, self.grids, next(single, len(self.grids) - 1), self._rect)


class OverlayLayer:
    """All of an overlay but its centroids. Styles are shader variants: switching uploads nothing."""

    def __init__(self) -> None:
        empty = np.zeros((TILE_PX, TILE_PX), np.uint32)
        still = np.full((TILE_PX, TILE_PX, 4), 128, np.uint8)
        self.labels = OverlayTiles("labels", R32UI, LABEL_BYTES, empty, read_label_tile)
        self.flow = OverlayTiles("flow", RGBA8, FLOW_BYTES, still, read_flow_tile)
        self._has_flows = False

    @property
    def layers(self) -> tuple[OverlayTiles, OverlayTiles]:
        """Both kinds of tiles."""
        return self.labels, self.flow

    def show(
        self, source: LabelSource, stamp: int, cell_px: float, *, same: bool, changed: Sequence[Rect] | None = None
    ) -> None:
        """Show cells, `cell_px` mask pixels across.

        `same` if they are those shown now, with more or fewer of them: in the
        rectangles `changed`, or anywhere (None).
        """
        self._has_flows = source.has_flows
        self.labels.show_source(source, stamp, same=same, changed=changed, dense_from=dense_level(cell_px))
        if self._has_flows:
            self.flow.show_source(source, stamp, same=same, changed=changed)
        else:
            self.flow.hide()

    def hide(self) -> None:
        """Show no cells."""
        self._has_flows = False
        for layer in self.layers:
            layer.hide()

    def needed(self, style: OverlayStyle) -> list[OverlayTiles]:
        """The kinds of tiles that a style draws."""
        gradxy = style.gradxy and self._has_flows
        if not self.labels.grids or style.alpha <= 0 or not (style.mask or style.outline or style.centroid or gradxy):
            return []
        # The fill gives way to gradXY; the black behind centroids is drawn with label tiles.
        labels = style.outline or (not gradxy and (style.mask or style.black_bg))
        return [layer for layer, on in ((self.labels, labels), (self.flow, gradxy)) if on]

    def hides_slide(self, view: View, style: OverlayStyle) -> bool:
        """Whether nothing of the slide can be seen behind."""
        if not (style.black_bg and style.alpha >= 1 and self.needed(style)):
            return False
        x, y, width, height = view.rect_slide
        left, top, right, bottom = self.labels.grids[0].rect
        return left <= x and top <= y and x + width <= right and y + height <= bottom

    def draw(self, view: View, style: OverlayStyle, programs: ProgramCache, batch: QuadBatch, ratio: float) -> None:
        """Blend the cells over what is there. `ratio` is framebuffer pixels to a unit of line width."""
        needed = self.needed(style)
        GL.glBlendFunc(GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        if self.flow in needed:
            program = programs.get("tile.vert", "flow.frag")
            program.use()
            GL.glUniform1i(program.place("u_flow"), 0)
            GL.glUniform1f(program.place("u_alpha"), style.alpha)
            GL.glUniform1f(program.place("u_black"), float(style.black_bg))
            batch.draw(self.flow.quads(), view, self.flow.pool)
        if self.labels in needed:
            under_flow = self.flow in needed
            mask, black = style.mask and not under_flow, style.black_bg and not under_flow
            names = [name for name, on in (("MASK", mask), ("OUTLINE", style.outline)) if on]
            quads = self.labels.quads()
            for order, variant in enumerate((names, ["DENSE", *names])):
                program = programs.get("tile.vert", "label.frag", variant)
                program.use()
                _set_colours(program, style, black=black)
                GL.glUniform1f(program.place("u_width"), LINE_PX * ratio)
                batch.draw(quads.of_order(order), view, self.labels.pool)

    def close(self) -> None:
        """Free all tiles."""
        for layer in self.layers:
            layer.close()


def _set_colours(program: Program, style: OverlayStyle, *, black: bool) -> None:
    alpha = style.alpha
    GL.glUniform1i(program.place("u_labels"), 0)
    GL.glUniform4f(program.place("u_background"), 0.0, 0.0, 0.0, alpha if black else 0.0)
    GL.glUniform4f(program.place("u_fill"), *(part * alpha for part in FILL_RGB), alpha)
    GL.glUniform4f(program.place("u_line"), *(part * alpha for part in LINE_RGB), alpha)
