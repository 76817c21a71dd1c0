"""Two segmentations at a time: A beside B at a divider, or what differs between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.agreement import ALONE, CHANGED, EQUAL
from studio.cellseg.source import LabelSource
from studio.document import COMPARE_RGB, Comparison, Document, Overlay, OverlayStyle, View
from studio.render.gl import GL
from studio.render.kinds import KindTexture
from studio.render.labeltiles import CELL_PX
from studio.render.overlaylayer import OverlayLayer, OverlayTiles
from studio.render.points import PointLayer
from studio.render.program import ProgramCache
from studio.render.quads import QuadBatch

Area = tuple[int, int, int, int]
"""Left, bottom, width, height in framebuffer pixels."""

_KINDS_UNIT = 1

_ALPHA = {EQUAL: 0.22, CHANGED: 0.42, ALONE: 0.75}
"""Opacity of a kind's fill. Changed cells are drawn in both their shapes: what only one has is paler."""

_ONLY_THE_MARK = OverlayStyle(mask=False, black_bg=False)


class CellLayers(NamedTuple):
    """All that draws one segmentation."""

    overlay: OverlayLayer
    points: PointLayer


class CompareLayer:
    """Draws A, which it owns, and the differences. Main thread, GL context current."""

    def __init__(self) -> None:
        self.kept = CellLayers(OverlayLayer("kept "), PointLayer())
        self._kinds = (KindTexture(), KindTexture())
        self._seen: tuple[int, LabelSource | None] = (-1, None)

    def follow(self, comparison: Comparison, stamp: int) -> bool:
        """Show what is kept as A now, and what became of its cells. Whether anything of it is new."""
        kept = comparison.kept
        source = kept.source if kept is not None else None
        before, self._seen = self._seen, (comparison.version, source)
        if before[0] == comparison.version:
            return False
        if kept is None:
            self.kept.overlay.hide()
            self.kept.points.hide()
        elif kept.source is not before[1]:
            self.kept.overlay.show(kept.source, stamp, cell_px(kept), same=False)
            self.kept.points.show(kept.source, stamp, same=False)
        for n, texture in enumerate(self._kinds):
            texture.show(comparison.lookups[n] if comparison.lookups is not None else None)
        return True

    def shown(self, comparison: Comparison, cells: CellLayers) -> list[CellLayers]:
        """Those of A and of the `cells` of B that are seen, or will be within a moment."""
        if comparison.view in ("swipe", "blink", "differences") and comparison.kept is not None:
            return [self.kept, cells]
        return [self.kept if comparison.sides[1] == "a" else cells]

    def tiles_of(self, shown: list[CellLayers], document: Document) -> list[OverlayTiles]:
        """The kinds of tiles that are drawn of them."""
        found: list[OverlayTiles] = []
        for cells in shown:
            kept = cells.overlay is self.kept.overlay
            selected = document.comparison.selected_a if kept else document.selected_cell
            if document.comparison.view == "differences" and len(shown) > 1:
                found += [cells.overlay.labels] if cells.overlay.labels.grids else []
            else:
                found += cells.overlay.needed(document.style, selected)
        return found

    def differs(self, comparison: Comparison) -> bool:
        """Whether differences are what is drawn: asked for, and known."""
        return comparison.view == "differences" and self._kinds[0].ready and self._kinds[1].ready

    def parts(self, comparison: Comparison, cells: CellLayers, area: Area) -> Iterator[tuple[Area, CellLayers]]:
        """The parts of an area and what is drawn in each."""
        left, bottom, width, height = area
        sides = {"a": self.kept, "b": cells}
        first, second = comparison.sides
        if first == second:
            yield area, sides[first]
            return
        split = divider_px(comparison, width)
        if first and split > 0:
            yield (left, bottom, split, height), sides[first]
        if second and split < width:
            yield (left + split, bottom, width - split, height), sides[second]

    def draw_differences(
        self, document: Document, cells: CellLayers, programs: ProgramCache, batch: QuadBatch, ratio: float
    ) -> None:
        """Blend both segmentations over what is there, each cell in the colour of what became of it."""
        view, alpha = document.view, document.style.alpha
        GL.glBlendFunc(GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        for side, layers in enumerate((self.kept, cells)):
            self._fill(layers.overlay.labels, side, view, alpha, programs, batch)
        selected = (document.comparison.selected_a, document.selected_cell)
        for layers, cell in zip((self.kept, cells), selected, strict=True):
            if cell:
                layers.overlay.draw(view, _ONLY_THE_MARK, cell, programs, batch, ratio)

    def _fill(
        self, tiles: OverlayTiles, side: int, view: View, alpha: float, programs: ProgramCache, batch: QuadBatch
    ) -> None:
        if not tiles.grids:
            return
        quads = tiles.quads()
        self._kinds[side].bind(_KINDS_UNIT)
        for order, variant in enumerate(([], ["DENSE"])):
            program = programs.get("tile.vert", "compare.frag", variant)
            program.use()
            GL.glUniform1i(program.place("u_labels"), 0)
            GL.glUniform1i(program.place("u_kinds"), _KINDS_UNIT)
            GL.glUniform4fv(program.place("u_colours"), 4, kind_colours(side, alpha))
            batch.draw(quads.of_order(order), view, tiles.pool)
        GL.glActiveTexture(GL.GL_TEXTURE0 + _KINDS_UNIT)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
        GL.glActiveTexture(GL.GL_TEXTURE0)

    def close(self) -> None:
        """Free everything."""
        self.kept.overlay.close()
        self.kept.points.close()
        for texture in self._kinds:
            texture.close()


def kind_colours(side: int, alpha: float) -> NDArray[np.float32]:
    """Premultiplied colours of the four kinds of one side (0: A, 1: B), as GL takes them."""
    table = np.zeros((4, 4), np.float32)
    names = {CHANGED: "changed", ALONE: ("only_a", "only_b")[side]}
    # Equal cells are drawn once.
    if side == 1:
        names[EQUAL] = "equal"
    for kind, name in names.items():
        opacity = _ALPHA[kind] * alpha
        table[kind] = [*(part * opacity for part in COMPARE_RGB[name]), opacity]
    return table


def divider_px(comparison: Comparison, width: int) -> int:
    """Pixels left of the divider in a view of so many."""
    return round(min(1.0, max(0.0, comparison.split)) * width)


def cell_px(overlay: Overlay | None) -> float:
    """Diameter of a cell in mask pixels, as far as an overlay tells."""
    if overlay is None or overlay.params is None or not overlay.source.geometry.mpp:
        return CELL_PX
    return overlay.params.diam_um / overlay.source.geometry.mpp
