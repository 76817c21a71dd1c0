"""The picture of a document: slide, cells, centroids."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.livesource import LiveSource
from studio.cellseg.source import LabelSource
from studio.document import Document, OverlayStyle, View
from studio.render.compare import CellLayers, CompareLayer, cell_px
from studio.render.gl import GL, pointer
from studio.render.grid import Rect, TileKey
from studio.render.loader import Loaded, Request, TileLoader
from studio.render.overlaylayer import OverlayLayer
from studio.render.points import PointLayer
from studio.render.program import ProgramCache
from studio.render.quads import QuadBatch
from studio.render.slidelayer import SlideLayer
from studio.render.tilelayer import TileLayer

UPLOAD_BYTES = 8 << 20
"""Tiles that go to graphics memory in one frame, at most."""

UPLOAD_S = 0.004
"""Once this much time of a frame went into uploads, the rest waits for the next one."""

OUTSIDE_RGB = (0.157, 0.157, 0.165)
"""Around the slide: dark and neutral, so that it pulls no colour of the slide its way."""

_GLASS_RGB = (0.93, 0.93, 0.93)
"""Under tiles that aren't there yet; black on fluorescence."""


class Scene:
    """Draws a document. Main thread, with its GL context current for every call.

    Once a frame: `update`, then `draw`. Pixels come from two loader threads.
    """

    def __init__(self) -> None:
        self.pixel_ratio = 1.0
        """Framebuffer pixels to a pixel of line width and dot size; the screen's content scale."""
        self.minimap_size: tuple[int, int] = (0, 0)
        """(width, height) of the minimap's texture."""
        self._loader = TileLoader()
        self._programs = ProgramCache()
        self._batch = QuadBatch()
        self._slide = SlideLayer()
        self._overlay = OverlayLayer()
        self._points = PointLayer()
        self._compare = CompareLayer()
        self._linear, self._nearest = _sampler(GL.GL_LINEAR), _sampler(GL.GL_NEAREST)
        self._minimap = 0
        self._stamps = itertools.count(1)
        self._slide_seen: tuple[int, object] = (-1, None)
        self._overlay_seen: tuple[int, LabelSource | None] = (-1, None)
        self._look_seen: tuple[Any, ...] = ()
        self._tiles = (0, 0)
        self._layers: list[TileLayer] = []
        self._dots: list[PointLayer] = []
        self._sharp_drawn = self._ahead_due = False
        self.upload_s = 0.0
        """What uploads took so far."""

    @property
    def busy_s(self) -> float:
        """What the loader's threads together spent reading so far."""
        return self._loader.busy_s

    @property
    def wake(self) -> Callable[[], None]:
        """Called on a loader thread when something finished, so that the frame loop comes to fetch it."""
        return self._loader.wake

    @wake.setter
    def wake(self, wake: Callable[[], None]) -> None:
        self._loader.wake = wake

    @property
    def tiles(self) -> tuple[int, int]:
        """(wanted, ready) in view: tiles of slide and overlay, and centroids as one; (0, 0) without a slide."""
        return self._tiles

    @property
    def covered(self) -> bool:
        """Whether there is something to see everywhere in view, sharp or not."""
        wanted, ready = self._tiles
        return wanted > 0 and (ready == wanted or not self._slide.missing(self._slide.cover))

    @property
    def held_bytes(self) -> int:
        """Graphics memory that tiles, centroids and values take now."""
        kept = self._compare.kept
        tiles = sum(layer.pool.held_bytes for layer in self._all)
        return tiles + self._points.held_bytes + kept.points.held_bytes + self._overlay.colours.held_bytes

    def slide_tiles(self, view: View) -> list[TileKey]:
        """The slide's tiles that a view takes; levels are those of the file where it has as fine a one."""
        return self._slide.tiles_for(view)

    @property
    def settled(self) -> bool:
        """Whether nothing is being read or waits to be, not even ahead of need."""
        return self._loader.idle and not self._arriving and not self._ahead_due

    def update(self, document: Document) -> bool:
        """Follow the document and take in what was read.

        Whether the picture changed, or tiles for the view are still to come.
        """
        new = self.follow(document)
        taken, changed = self._take(UPLOAD_S)
        if taken or self._ahead_due:
            self._plan(document)
        if self._arriving or self._loader.waiting:
            # What this frame had no room for needs another one, even if nothing else happens.
            self.wake()
        wanted, ready = self._tiles
        return new or changed or ready < wanted

    def follow(self, document: Document) -> bool:
        """Have the threads read what a changed document shows; whether it changed. Nothing is taken in."""
        new = self._follow_slide(document)
        new |= self._follow_overlay(document)
        new |= self._compare.follow(document.comparison, next(self._stamps))
        self._overlay.colours.show(document.values)
        look = _look(document, self.pixel_ratio)
        new |= look != self._look_seen
        if new:
            self._look_seen = look
            self._plan(document)
        return new

    def forecast_s(self) -> float:
        """How long it will take until all tiles in view were read."""
        missing: dict[Hashable, int] = {
            (layer.kind, layer.level): len(layer.missing(layer.visible)) for layer in self._layers
        }
        return self._loader.forecast_s(missing)

    def take_in(self, seconds: float) -> None:
        """Take in tiles as they are read, until all in view are there, but no longer than this."""
        until_s = time.monotonic() + seconds
        while self._tiles[1] < self._tiles[0] and (left_s := until_s - time.monotonic()) > 0:
            if not self._arriving and not self._loader.wait(left_s):
                return
            self._take(left_s)
            self._count()

    def draw(self, document: Document, framebuffer: tuple[int, int]) -> None:
        """Draw into `document.view`'s part of the bound framebuffer of (width, height) pixels.

        Leaves blending, scissor, program and textures off; the GL viewport is that part.
        """
        view = document.view
        left, bottom = view.offset[0], framebuffer[1] - view.offset[1] - view.viewport[1]
        GL.glViewport(left, bottom, *view.viewport)
        GL.glEnable(GL.GL_SCISSOR_TEST)
        GL.glDisable(GL.GL_DEPTH_TEST)
        GL.glDisable(GL.GL_CULL_FACE)
        GL.glDisable(GL.GL_BLEND)
        area = (left, bottom, *view.viewport)
        GL.glScissor(*area)
        hidden = not self._slide.grids or self._hides_slide(document)
        if hidden or not self._slide.fills(view):
            self._clear(document, area)
        if not hidden:
            sampler = self._nearest if self._slide.as_squares(view) else self._linear
            self._slide.draw(view, document.look, self._programs, self._batch, sampler)
        if document.slide is not None and (document.overlay is not None or document.comparison.kept is not None):
            GL.glEnable(GL.GL_BLEND)
            self._draw_cells(document, area)
            GL.glDisable(GL.GL_BLEND)
        GL.glDisable(GL.GL_SCISSOR_TEST)
        GL.glUseProgram(0)
        if not self._sharp_drawn and self._tiles[0] == self._tiles[1]:
            # Reading ahead would have taken the cores from this frame.
            self._sharp_drawn = self._ahead_due = True
            self.wake()

    def _hides_slide(self, document: Document) -> bool:
        """Whether nothing of the slide can be seen behind cells."""
        comparison = document.comparison
        if document.slide is None or comparison.view == "bare" or self._compare.differs(comparison):
            return False
        shown = self._compare.shown(comparison, self._cells)
        return all(cells.overlay.hides_slide(document.view, _style(document)) for cells in shown)

    def _draw_cells(self, document: Document, area: tuple[int, int, int, int]) -> None:
        view, style, comparison = document.view, _style(document), document.comparison
        if self._compare.differs(comparison):
            self._compare.draw_differences(document, self._cells, self._programs, self._batch, self.pixel_ratio)
            return
        for part, cells in self._compare.parts(comparison, self._cells, area):
            GL.glScissor(*part)
            selected = document.selected_cell if cells.overlay is self._overlay else comparison.selected_a
            cells.overlay.draw(view, style, selected, self._programs, self._batch, self.pixel_ratio)
            if style.centroid:
                cells.points.draw(view, style.alpha, self._programs, self.pixel_ratio)

    @property
    def _cells(self) -> CellLayers:
        """What draws the cells shown: B of a comparison."""
        return CellLayers(self._overlay, self._points)

    def minimap(self, document: Document) -> int | None:
        """Texture of the whole slide, RGBA8 with its top row first; None until it was read."""
        if self._slide_seen[0] != document.slide_version or self._slide.overview is None:
            return None
        return self._minimap or None

    def close(self) -> None:
        """End the loader's threads and free every GL object."""
        self._loader.close()
        self._programs.close()
        self._batch.close()
        self._slide.close()
        self._overlay.close()
        self._points.close()
        self._compare.close()
        GL.glDeleteSamplers(2, [self._linear, self._nearest])
        self._drop_minimap()
        self._tiles = (0, 0)

    def _follow_slide(self, document: Document) -> bool:
        seen = (document.slide_version, document.slide)
        if seen == self._slide_seen:
            return False
        self._slide_seen, self._overlay_seen = seen, (-1, None)
        self._drop_minimap()
        self._slide.hide()
        if document.slide is not None:
            self._slide.show_slide(document.slide, next(self._stamps))
        return True

    def _follow_overlay(self, document: Document) -> bool:
        source = document.overlay.source if document.overlay is not None else None
        seen = (document.overlay_version, source)
        before, self._overlay_seen = self._overlay_seen, seen
        if seen[0] == before[0] and seen[1] is before[1]:
            return False
        if source is None:
            self._overlay.hide()
            self._points.hide()
        else:
            stamp, grows = next(self._stamps), source is before[1]
            # Blocks of a run stay in sight until their cells in the result that takes over were read.
            same = grows or isinstance(before[1], LiveSource)
            grown = document.grown_since(before[0]) if grows else None
            changed = None if grown is None else [(x, y, x + w, y + h) for x, y, w, h in grown]
            self._overlay.show(source, stamp, cell_px(document.overlay), same=same, changed=changed)
            self._points.show(source, stamp, same=same)
        return True

    def _take(self, seconds: float) -> tuple[bool, bool]:
        """Upload what was read, within a frame's budget. Whether there was anything, and whether it shows."""
        began_s, room = time.perf_counter(), UPLOAD_BYTES
        until = began_s + seconds
        taken = self._points.arriving or self._compare.kept.points.arriving
        changed = self._points.upload() | self._compare.kept.points.upload()
        changed |= self._overlay.colours.upload()
        while room > 0 and time.perf_counter() < until and (loaded := self._loader.take()) is not None:
            taken = True
            changed |= self._apply(loaded)
            room -= loaded.value.nbytes if isinstance(loaded.value, np.ndarray) else 0
        self.upload_s += time.perf_counter() - began_s
        return taken, changed

    @property
    def _arriving(self) -> bool:
        """Whether something is uploaded in parts, of which some are left."""
        points = self._points.arriving or self._compare.kept.points.arriving
        return points or self._overlay.colours.arriving

    def _apply(self, loaded: Loaded) -> bool:
        stamp, name = loaded.key
        if not isinstance(name, TileKey):
            for points in (self._points, self._compare.kept.points):
                points.take(stamp, loaded)
            return self._points.upload() | self._compare.kept.points.upload()
        layer = next(layer for layer in self._all if layer.kind == name.kind)
        changed = layer.take(stamp, name, loaded)
        if layer is self._slide and not self._minimap and self._slide.overview is not None:
            self._make_minimap(self._slide.overview)
        return changed

    @property
    def _all(self) -> tuple[TileLayer, ...]:
        return (self._slide, *self._overlay.layers, *self._compare.kept.overlay.layers)

    def _plan(self, document: Document) -> None:
        """Hand the loader one list: cheap covers, what is in view from its middle out, dear covers, then the rest."""
        view, style = document.view, document.style
        layers: list[TileLayer] = [self._slide] if self._slide.grids else []
        shown = self._compare.shown(document.comparison, self._cells) if layers else []
        layers += self._compare.tiles_of(shown, document)
        dots = [cells.points for cells in shown if cells.points.wanted and style.centroid and style.alpha > 0]
        near: list[tuple[float, Request]] = []
        first, later, ahead = list[Request](), list[Request](), list[Request]()
        for layer in layers:
            layer.look(view)
            for key in layer.missing(layer.visible):
                away = layer.distance(key, (view.center_x, view.center_y))
                near.append((away, layer.request(key, urgent=True)))
            cheap = layer is not self._slide or self._slide.cover_is_cheap
            covers = [layer.request(key, urgent=cheap) for key in layer.missing(layer.cover)]
            (first if cheap else later).extend(covers)
            ahead += [layer.request(key, urgent=False) for key in layer.missing(layer.ahead)]
        near.sort(key=lambda item: item[0])
        points = [request for layer in dots if (request := layer.request()) is not None]
        self._layers, self._dots = layers, dots
        self._count()
        self._sharp_drawn &= self._tiles[0] == self._tiles[1]
        self._ahead_due = False
        if not self._sharp_drawn:
            ahead = []
        self._loader.want([*first, *(request for _, request in near), *points, *later, *ahead])

    def _count(self) -> None:
        wanted = sum(len(layer.visible) for layer in self._layers)
        missing = sum(len(layer.missing(layer.visible)) for layer in self._layers)
        self._tiles = (wanted + len(self._dots), wanted - missing + sum(layer.ready for layer in self._dots))

    def _clear(self, document: Document, area: tuple[int, int, int, int]) -> None:
        """Paint what lies around the slide, and the bare slide; the scissor is at `area`, before and after."""
        GL.glClearColor(*OUTSIDE_RGB, 1.0)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT)
        if self._slide.rect is None or self._slide.dark is None:
            return
        inside = _pixels_of(self._slide.rect, document, area)
        if inside is not None:
            GL.glScissor(*inside)
            bare = np.array((0.0, 0.0, 0.0) if self._slide.dark else _GLASS_RGB)
            GL.glClearColor(*document.look.apply(bare).tolist(), 1.0)
            GL.glClear(GL.GL_COLOR_BUFFER_BIT)
        GL.glScissor(*area)

    def _make_minimap(self, pixels: NDArray[np.uint8]) -> None:
        height, width = pixels.shape[:2]
        self.minimap_size = (width, height)
        self._minimap = GL.glGenTextures(1)
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._minimap)
        kind = (GL.GL_RGBA, GL.GL_UNSIGNED_BYTE)
        GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGBA8, width, height, 0, *kind, pointer(pixels))
        GL.glGenerateMipmap(GL.GL_TEXTURE_2D)
        GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MIN_FILTER, GL.GL_LINEAR_MIPMAP_LINEAR)
        for name in (GL.GL_TEXTURE_WRAP_S, GL.GL_TEXTURE_WRAP_T):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, name, GL.GL_CLAMP_TO_EDGE)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)

    def _drop_minimap(self) -> None:
        if self._minimap:
            GL.glDeleteTextures([self._minimap])
        self._minimap, self.minimap_size = 0, (0, 0)


def _style(document: Document) -> OverlayStyle:
    """How cells are drawn now."""
    growing = document.overlay is not None and document.overlay.growing
    return replace(document.style, black_bg=False) if growing else document.style


def _look(document: Document, ratio: float) -> tuple[Any, ...]:
    """All that the picture depends on besides slide and cells."""
    view, style, comparison = document.view, _style(document), document.comparison
    return (
        *(comparison.view, comparison.split, comparison.blink_a, comparison.selected_a),
        *(view.center_x, view.center_y, view.scale, view.viewport, view.offset, view.rotation, ratio),
        document.look,
        *(*style.layers, style.black_bg, style.alpha, style.fill, style.colormap, style.value_range),
        *(style.outline_px, style.outline_rgb, document.selected_cell, document.values is None),
    )


def _pixels_of(rect: Rect, document: Document, area: tuple[int, int, int, int]) -> tuple[int, int, int, int] | None:
    """GL window rectangle of a slide rectangle, cut to `area`; None where they don't meet."""
    view = document.view
    left, bottom, width, height = area
    corners = [view.viewport_from_slide(rect[n], rect[n + 1]) for n in (0, 2)]
    x0, x1 = sorted(round(min(max(x, 0.0), width)) for x, _ in corners)
    y0, y1 = sorted(round(min(max(height - y, 0.0), height)) for _, y in corners)
    if x1 <= x0 or y1 <= y0:
        return None
    return left + x0, bottom + y0, x1 - x0, y1 - y0


def _sampler(mode: int) -> int:
    sampler = int(GL.glGenSamplers(1))
    for name in (GL.GL_TEXTURE_MIN_FILTER, GL.GL_TEXTURE_MAG_FILTER):
        GL.glSamplerParameteri(sampler, name, mode)
    for name in (GL.GL_TEXTURE_WRAP_S, GL.GL_TEXTURE_WRAP_T):
        GL.glSamplerParameteri(sampler, name, GL.GL_CLAMP_TO_EDGE)
    return sampler
