"""Draws many tiles with few calls: one instance a tile, one call for each texture."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from studio.document import View
from studio.render.gl import GL, offset, pointer
from studio.render.grid import Grid, Rect, TileKey, texels_of, to_clip
from studio.render.pool import Tile, TilePool

_FLOATS = 12
"""Of an instance: see tile.vert."""


@dataclass(slots=True)
class Quads:
    """Tiles to draw and where. Of two that overlap, the one with the higher `order` is on top."""

    rects: list[Rect] = field(default_factory=list)
    texels: list[Rect] = field(default_factory=list)
    tiles: list[tuple[float, float, float]] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)

    def add(self, key: TileKey, tile: Tile, grid: Grid, rect: Rect, order: int = 0) -> None:
        """Draw the part of a tile that lies in a rectangle of slide pixels within it."""
        width, height = grid.tile_size(key.col, key.row)
        self.rects.append(rect)
        self.texels.append(texels_of(key, grid, rect))
        self.tiles.append((width, height, grid.pixel[0]))
        self.slots.append(tile.slot)
        self.orders.append(order)

    def __len__(self) -> int:
        return len(self.rects)

    def of_order(self, order: int, *, spare: bool = True) -> Quads:
        """Those of one order, with or without the spare tiles."""
        part = Quads()
        shown = (n for n, slot in enumerate(self.slots) if spare or slot != TilePool.SPARE)
        for n in (n for n in shown if self.orders[n] == order):
            part.rects.append(self.rects[n])
            part.texels.append(self.texels[n])
            part.tiles.append(self.tiles[n])
            part.slots.append(self.slots[n])
            part.orders.append(order)
        return part


TURN_PLACE = 3
"""Location of `a_turn` in the vertex shaders."""


def set_turn(view: View) -> None:
    """Turn what is drawn next as the view is turned.

    A vertex attribute without an array is one value for all vertices, of
    whatever program: no variant of a shader needs to be told by itself.
    """
    cos, sin = view.turn
    # Columns of the matrix in clip space, whose y goes up.
    GL.glVertexAttrib4f(TURN_PLACE, cos, -sin, sin, cos)


class QuadBatch:
    """The vertex array that tiles are drawn from. Owns its GL objects."""

    def __init__(self) -> None:
        self._array: int = GL.glGenVertexArrays(1)
        self._buffer: int = GL.glGenBuffers(1)
        GL.glBindVertexArray(self._array)
        for place in range(3):
            GL.glEnableVertexAttribArray(place)
            GL.glVertexAttribDivisor(place, 1)
        GL.glBindVertexArray(0)

    def draw(self, quads: Quads, view: View, pool: TilePool) -> None:
        """Draw with the program in use, its sampler reading unit 0. Binds nothing that outlives the call."""
        if not len(quads):
            return
        rects, texels = np.array(quads.rects, np.float64), np.array(quads.texels, np.float64)
        seen, clip, inside = to_clip(rects, texels, view)
        pages, layers = np.divmod(np.array(quads.slots)[seen], pool.page_tiles)
        order = np.lexsort((pages, np.array(quads.orders)[seen]))
        if not len(order):
            return
        instances = np.empty((len(order), _FLOATS), np.float32)
        instances[:, 0:4] = clip[order]
        instances[:, 4:8] = inside[order]
        instances[:, [8, 9, 11]] = np.array(quads.tiles)[seen][order]
        instances[:, 10] = layers[order]
        instances[:, 11] /= view.scale
        GL.glBindVertexArray(self._array)
        set_turn(view)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._buffer)
        GL.glBufferData(GL.GL_ARRAY_BUFFER, instances.nbytes, pointer(instances), GL.GL_STREAM_DRAW)
        pages = pages[order]
        starts = [0, *(np.flatnonzero(np.diff(pages)) + 1).tolist(), len(pages)]
        GL.glActiveTexture(GL.GL_TEXTURE0)
        for first, last in itertools.pairwise(starts):
            self._point_at(first)
            GL.glBindTexture(GL.GL_TEXTURE_2D_ARRAY, pool.texture(int(pages[first]) * pool.page_tiles))
            GL.glDrawArraysInstanced(GL.GL_TRIANGLE_STRIP, 0, 4, last - first)
        GL.glBindTexture(GL.GL_TEXTURE_2D_ARRAY, 0)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, 0)
        GL.glBindVertexArray(0)

    def close(self) -> None:
        """Free the buffer."""
        if self._array:
            GL.glDeleteVertexArrays(1, [self._array])
            GL.glDeleteBuffers(1, [self._buffer])
            self._array = self._buffer = 0

    @staticmethod
    def _point_at(instance: int) -> None:
        """Make the attributes begin at an instance: GL 3.3 has no base instance."""
        stride = _FLOATS * 4
        for place in range(3):
            start = offset(instance * stride + place * 16)
            GL.glVertexAttribPointer(place, 4, GL.GL_FLOAT, GL.GL_FALSE, stride, start)
