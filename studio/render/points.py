"""Centroids: a green dot for each cell, or from far away how dense they are."""

from __future__ import annotations

import ctypes
import logging
import math

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.source import LabelSource
from studio.document import View
from studio.render.gl import GL, offset, pointer
from studio.render.grid import rect_of
from studio.render.loader import Check, Loaded, Request
from studio.render.pointgrid import PointGrid, sort_points
from studio.render.program import ProgramCache
from studio.render.quads import set_turn

log = logging.getLogger(__name__)

RADIUS_PX = 3.0
"""Of a dot, on a screen of ordinary density."""

RGB = (0.0, 0.9, 0.2)
"""Green."""

UPLOAD_BYTES = 8 << 20
"""Points that go to graphics memory in one frame: a million."""

_SMALLEST_PX = 1.2
_ROOM = 0.3
"""Radius of a dot against the distance to its neighbours; smaller dots than `_SMALLEST_PX` aren't drawn."""

_CROWDED_PX = _SMALLEST_PX / _ROOM
"""Distance between neighbours on the screen below which density is drawn instead."""


class PointLayer:
    """Dots of a source. Main thread. Owns its GL objects."""

    KEY = "centroids"

    def __init__(self) -> None:
        self._stamp = 0
        self._source: LabelSource | None = None
        self._grid: PointGrid | None = None
        self._fresh = False
        self._arriving: tuple[PointGrid | None, int] | None = None
        """Points on their way to graphics memory, and how many are there."""
        self._array: int = GL.glGenVertexArrays(1)
        self._nothing: int = GL.glGenVertexArrays(1)
        self._buffers: list[int] = [int(name) for name in GL.glGenBuffers(2)]
        self._density: int = GL.glGenTextures(1)

    @property
    def wanted(self) -> bool:
        """Whether there are cells whose dots could be drawn."""
        return self._source is not None

    @property
    def ready(self) -> bool:
        """Whether the dots of the newest state can be drawn."""
        return self._fresh

    @property
    def arriving(self) -> bool:
        """Whether points wait for their turn to be uploaded."""
        return self._arriving is not None

    @property
    def held_bytes(self) -> int:
        """Graphics memory taken by positions."""
        return sum(grid.points.nbytes for grid in (self._grid, self._arriving and self._arriving[0]) if grid)

    def show(self, source: LabelSource, stamp: int, *, same: bool) -> None:
        """Show the centroids of cells; `same` if they are those shown now, with more or fewer of them."""
        self._source, self._stamp = source, stamp
        self._fresh, self._arriving = False, None
        if not same:
            self._grid = None

    def hide(self) -> None:
        """Show none."""
        self._source = self._grid = self._arriving = None
        self._fresh = False

    def request(self) -> Request | None:
        """How the loader gets the points, where they aren't there."""
        source = self._source
        if source is None or self._fresh or self._arriving is not None:
            return None

        def load(check: Check) -> PointGrid | None:
            check()
            points = source.centroids(wsi_dim=True)
            check()
            return sort_points(points)

        return Request((self._stamp, self.KEY), load)

    def take(self, stamp: int, loaded: Loaded) -> None:
        """Begin to upload points that were read; `upload` goes on."""
        if stamp == self._stamp and self._source is not None:
            if loaded.error is not None:
                log.warning("Centroids can't be read: %s", loaded.error)
            self._arriving = (loaded.value, 0)
            grid = self._arriving[0]
            if grid is not None:
                GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._buffers[1])
                GL.glBufferData(GL.GL_ARRAY_BUFFER, grid.points.nbytes, None, GL.GL_STATIC_DRAW)
                GL.glBindBuffer(GL.GL_ARRAY_BUFFER, 0)

    def upload(self) -> bool:
        """Upload some of what arrives. Whether that changes the picture."""
        if self._arriving is None:
            return False
        grid, done = self._arriving
        if grid is not None:
            part = grid.points[done : done + UPLOAD_BYTES // 8]
            GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._buffers[1])
            GL.glBufferSubData(GL.GL_ARRAY_BUFFER, done * 8, part.nbytes, pointer(part))
            GL.glBindBuffer(GL.GL_ARRAY_BUFFER, 0)
            done += len(part)
            if done < len(grid.points):
                self._arriving = (grid, done)
                return False
            self._upload_density(grid.density)
        self._arriving, self._grid, self._fresh = None, grid, True
        # The old points were drawn from the other buffer until now.
        self._buffers.reverse()
        return True

    def draw(self, view: View, alpha: float, programs: ProgramCache, ratio: float) -> None:
        """Blend dots, or density, over what is there. `ratio` is framebuffer pixels to a unit of dot size."""
        grid = self._grid
        if grid is None or alpha <= 0:
            return
        GL.glBlendFunc(GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        rect = rect_of(view)
        apart_px = grid.spacing(rect) / view.scale / ratio
        if apart_px < _CROWDED_PX:
            self._draw_density(grid, view, alpha, programs)
            return
        radius = ratio * min(RADIUS_PX, max(_SMALLEST_PX, _ROOM * apart_px))
        margin = (radius + 1) * view.scale
        runs = grid.runs((rect[0] - margin, rect[1] - margin, rect[2] + margin, rect[3] + margin))
        if runs:
            self._draw_dots(grid, runs, view, alpha, radius, programs)

    def close(self) -> None:
        """Free everything."""
        self.hide()
        if self._array:
            GL.glDeleteVertexArrays(2, [self._array, self._nothing])
            GL.glDeleteBuffers(2, self._buffers)
            GL.glDeleteTextures([self._density])
            self._array = self._nothing = self._density = 0

    def _draw_dots(
        self,
        grid: PointGrid,
        runs: list[tuple[int, int]],
        view: View,
        alpha: float,
        radius_px: float,
        programs: ProgramCache,
    ) -> None:
        program = programs.get("dot.vert", "dot.frag")
        program.use()
        # A point is left out where its middle lies outside the viewport; the scissor keeps to the view.
        rim = math.ceil(radius_px + 1)
        left, bottom, *size = (int(value) for value in GL.glGetIntegerv(GL.GL_VIEWPORT))
        GL.glViewport(left - rim, bottom - rim, size[0] + 2 * rim, size[1] + 2 * rim)
        width, height = (length + 2 * rim for length in view.span)
        set_turn(view)
        GL.glUniform2f(program.place("u_centre"), view.center_x - grid.middle[0], view.center_y - grid.middle[1])
        GL.glUniform2f(program.place("u_to_clip"), 2 / (view.scale * width), -2 / (view.scale * height))
        GL.glUniform1f(program.place("u_radius"), radius_px)
        GL.glUniform4f(program.place("u_colour"), *(part * alpha for part in RGB), alpha)
        GL.glEnable(GL.GL_PROGRAM_POINT_SIZE)
        GL.glBindVertexArray(self._array)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._buffers[0])
        GL.glEnableVertexAttribArray(0)
        GL.glVertexAttribPointer(0, 2, GL.GL_FLOAT, GL.GL_FALSE, 8, offset(0))
        firsts = (ctypes.c_int * len(runs))(*(first for first, _ in runs))
        counts = (ctypes.c_int * len(runs))(*(count for _, count in runs))
        GL.glMultiDrawArrays(GL.GL_POINTS, firsts, counts, len(runs))
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, 0)
        GL.glBindVertexArray(0)
        GL.glDisable(GL.GL_PROGRAM_POINT_SIZE)
        GL.glViewport(left, bottom, *size)

    def _draw_density(self, grid: PointGrid, view: View, alpha: float, programs: ProgramCache) -> None:
        program = programs.get("density.vert", "density.frag")
        program.use()
        # Left, top, right, bottom in clip space.
        half = (view.scale * view.span[0] / 2, view.scale * view.span[1] / 2)
        set_turn(view)
        left, right = ((x - view.center_x) / half[0] for x in (grid.rect[0], grid.rect[2]))
        top, bottom = ((view.center_y - y) / half[1] for y in (grid.rect[1], grid.rect[3]))
        GL.glUniform4f(program.place("u_rect"), left, top, right, bottom)
        GL.glUniform1i(program.place("u_density"), 0)
        GL.glUniform1f(program.place("u_busy"), grid.busy)
        GL.glUniform4f(program.place("u_colour"), *(part * alpha for part in RGB), alpha)
        GL.glBindVertexArray(self._nothing)
        GL.glActiveTexture(GL.GL_TEXTURE0)
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._density)
        GL.glDrawArrays(GL.GL_TRIANGLE_STRIP, 0, 4)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
        GL.glBindVertexArray(0)

    def _upload_density(self, density: NDArray[np.float32]) -> None:
        height, width = density.shape
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._density)
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 4)
        GL.glTexImage2D(
            *(GL.GL_TEXTURE_2D, 0, GL.GL_R32F, width, height, 0),
            *(GL.GL_RED, GL.GL_FLOAT, pointer(density)),
        )
        # Means of means: seen from farther away, density stays what it is.
        GL.glGenerateMipmap(GL.GL_TEXTURE_2D)
        GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MIN_FILTER, GL.GL_LINEAR_MIPMAP_LINEAR)
        GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MAG_FILTER, GL.GL_LINEAR)
        for name in (GL.GL_TEXTURE_WRAP_S, GL.GL_TEXTURE_WRAP_T):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, name, GL.GL_CLAMP_TO_EDGE)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
