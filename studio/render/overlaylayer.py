"""Segmented cells over the slide: filled, outlined, or as the flow they were formed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.cellvalues import has_probability
from studio.cellseg.source import LabelSource
from studio.document import OverlayStyle, View
from studio.render.cellcolours import MARK_PX, CellColours
from studio.render.colormaps import PROBABILITY_MAP
from studio.render.gl import GL
from studio.render.grid import Grid, Rect, TileKey, common, level_for, tiles_in
from studio.render.labeltiles import (
    ID_BITS,
    TILE_PX,
    dense_level,
    level_count,
    overlay_grids,
    read_dense_flow_tile,
    read_dense_tile,
    read_flow_tile,
    read_label_tile,
)
from studio.render.loader import Check
from studio.render.pool import R32UI, RGBA8, Format, Tile, TilePool
from studio.render.program import ProgramCache
from studio.render.quads import QuadBatch, Quads
from studio.render.tilelayer import TileLayer

LABEL_BYTES = 192 << 20
"""Graphics memory for label tiles; a 4K screen takes 120 MiB at most."""

FLOW_BYTES = 96 << 20

ReadTile = Callable[[LabelSource, Grid, int, int, int], "NDArray[Any] | None"]

_LEAST_TEXEL = 0.6
"""Of a screen pixel. Edges are as exact as the screen then, and lines as wide as asked for: texels know how far the
next border is. Finer ones would take more memory to show the same."""

_COVER_TILES = 2
"""Across and down, of the level that stands in for whatever is missing."""

_NEVER = 1 << 30
_ID_MASK = (1 << ID_BITS) - 1


class OverlayTiles(TileLayer):
    """Tiles of labels or flow, of a pyramid of exact halves. Each place in view is drawn once: it is blended."""

    def __init__(
        self,
        kind: str,
        form: Format,
        budget_bytes: int,
        spare: NDArray[Any],
        read_tile: ReadTile,
        read_dense: ReadTile,
    ) -> None:
        super().__init__(kind, TilePool(form, budget_bytes, spare))
        self._read_tile, self._read_dense = read_tile, read_dense
        self._dense_from = _NEVER

    def show_source(
        self,
        source: LabelSource,
        stamp: int,
        *,
        same: bool,
        dense_from: int,
        changed: Sequence[Rect] | None = None,
    ) -> None:
        """Show cells; `same` if they are those shown now, with more or fewer of them, in `changed` or anywhere.

        Levels from `dense_from` on show means: how much of each pixel is cell.
        """
        grids = overlay_grids(source.geometry, level_count(source, dense_from))
        read_tile, read_dense = self._read_tile, self._read_dense

        def read(key: TileKey, check: Check) -> NDArray[Any] | None:
            check()
            reader = read_dense if key.level >= dense_from else read_tile
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

    def _level_at(self, scale: float, most: int) -> int:
        level = level_for(self.grids, scale, self._rect, most, finer=False, least_texel=_LEAST_TEXEL)
        if level < self._dense_from:
            return level
        # Shares of cell are means: taken from finer texels than the screen's they would only be noisier.
        return max(self._dense_from, level_for(self.grids, scale, self._rect, most, finer=False))

    def _cover(self) -> list[TileKey]:
        # The coarsest level is no larger, but for sources that end their pyramid early.
        small = (level for level, grid in enumerate(self.grids) if max(grid.shape) <= _COVER_TILES)
        return tiles_in(self.kind, self.grids, next(small, len(self.grids) - 1), self._rect)


class OverlayLayer:
    """All of an overlay but its centroids. Styles are shader variants: switching uploads nothing."""

    def __init__(self, name: str = "") -> None:
        """`name` tells its tiles from those of another overlay."""
        empty = np.zeros((TILE_PX, TILE_PX), np.uint32)
        still = np.full((TILE_PX, TILE_PX, 4), 128, np.uint8)
        still[..., 2:] = 0
        self.labels = OverlayTiles(f"{name}labels", R32UI, LABEL_BYTES, empty, read_label_tile, read_dense_tile)
        self.flow = OverlayTiles(f"{name}flow", RGBA8, FLOW_BYTES, still, read_flow_tile, read_dense_flow_tile)
        self.colours = CellColours()
        self._has_flows = self._has_probability = False

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
        self._has_flows, self._has_probability = source.has_flows, has_probability(source)
        dense_from = dense_level(cell_px)
        self.labels.show_source(source, stamp, same=same, changed=changed, dense_from=dense_from)
        if self._has_flows:
            self.flow.show_source(source, stamp, same=same, changed=changed, dense_from=dense_from)
        else:
            self.flow.hide()

    def hide(self) -> None:
        """Show no cells."""
        self._has_flows = self._has_probability = False
        for layer in self.layers:
            layer.hide()

    def needed(self, style: OverlayStyle, selected: int = 0) -> list[OverlayTiles]:
        """The kinds of tiles that a style draws, with a cell marked or none (0)."""
        flow = bool(self._of_network(style))
        anything = style.mask or style.outline or style.centroid or flow or selected
        if not self.labels.grids or style.alpha <= 0 or not anything:
            return []
        # The fill gives way to what the network says; the black behind centroids is drawn with label tiles.
        labels = style.outline or selected or (not flow and (style.mask or style.black_bg))
        return [layer for layer, on in ((self.labels, labels), (self.flow, flow)) if on]

    def _of_network(self, style: OverlayStyle) -> list[str]:
        """Variants of flow.frag that a style asks for and these cells have, the lowest first."""
        wanted = ("PROBABILITY", style.cellprob and self._has_probability), ("FLOW", style.gradxy and self._has_flows)
        return [name for name, on in wanted if on]

    def hides_slide(self, view: View, style: OverlayStyle) -> bool:
        """Whether nothing of the slide can be seen behind."""
        if not (style.black_bg and style.alpha >= 1 and self.needed(style)):
            return False
        x, y, width, height = view.rect_slide
        left, top, right, bottom = self.labels.grids[0].rect
        return left <= x and top <= y and x + width <= right and y + height <= bottom

    def draw(
        self, view: View, style: OverlayStyle, selected: int, programs: ProgramCache, batch: QuadBatch, ratio: float
    ) -> None:
        """Blend the cells over what is there, one of them marked (0: none).

        `ratio` is framebuffer pixels to a unit of line width.
        """
        needed = self.needed(style, selected)
        GL.glBlendFunc(GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        black = style.black_bg
        if self.flow in needed:
            quads = self.flow.quads()
            for variant in self._of_network(style):
                program = programs.get("tile.vert", "flow.frag", [variant])
                program.use()
                GL.glUniform1i(program.place("u_flow"), 0)
                GL.glUniform1f(program.place("u_alpha"), style.alpha)
                GL.glUniform1f(program.place("u_black"), float(black))
                self.colours.maps.bind(program, PROBABILITY_MAP)
                batch.draw(quads, view, self.flow.pool)
                # One black background is enough; the next layer lies on the first.
                black = False
        if self.labels in needed:
            background = style.black_bg and self.flow not in needed and (style.mask or style.outline or style.centroid)
            self._draw_labels(view, style, selected, programs, batch, ratio, black=background)
        self.colours.release()

    def _draw_labels(
        self,
        view: View,
        style: OverlayStyle,
        selected: int,
        programs: ProgramCache,
        batch: QuadBatch,
        ratio: float,
        *,
        black: bool,
    ) -> None:
        mask = style.mask and not self._of_network(style)
        names = [name for name, on in (("MASK", mask), ("OUTLINE", style.outline), ("SELECTED", selected)) if on]
        names += self.colours.variant(style) if mask else []
        quads = self.labels.quads()
        for order, variant in enumerate((names, ["DENSE", *names])):
            program = programs.get("tile.vert", "label.frag", variant)
            program.use()
            self.colours.bind(program, style)
            GL.glUniform4f(program.place("u_background"), 0.0, 0.0, 0.0, style.alpha if black else 0.0)
            GL.glUniform1f(program.place("u_width"), style.outline_px * ratio)
            GL.glUniform1f(program.place("u_mark_width"), max(MARK_PX, style.outline_px + 1) * ratio)
            GL.glUniform1ui(program.place("u_selected"), selected & _ID_MASK)
            # A tile without cells shows the background alone, where there is one.
            batch.draw(quads.of_order(order, spare=black), view, self.labels.pool)

    def close(self) -> None:
        """Free all tiles and colours."""
        for layer in self.layers:
            layer.close()
        self.colours.close()
