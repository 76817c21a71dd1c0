"""What colour each cell has: lookup textures for values of cells, and the uniforms of label.frag."""

from __future__ import annotations

import numpy as np

from studio.cellseg.cellvalues import ROW, CellValues
from studio.document import FILL_BY_CELL, OverlayStyle
from studio.render.colormaps import colormap
from studio.render.gl import GL, pointer
from studio.render.program import Program

FILL_RGB = (0.0, 1.0, 1.0)
"""Cyan, as users of Cellpose viewers know it."""

MARK_RGB = (1.0, 0.15, 0.75)
"""Of the selected cell: no other layer is magenta."""

MARK_PX = 3.0

NONE_RGB = (0.5, 0.5, 0.5)
"""Of cells without a value."""

UPLOAD_ROWS = 512
"""Of values that go to graphics memory in one frame: two million cells, 8 MiB."""

_VALUES_UNIT, _MAP_UNIT = 1, 2


class ColourMaps:
    """Colour maps as textures of one row, made when first asked for. Owns them."""

    def __init__(self) -> None:
        self._textures: dict[str, int] = {}

    def bind(self, program: Program, name: str) -> None:
        """Give the program in use a map as its `u_map`."""
        GL.glActiveTexture(GL.GL_TEXTURE0 + _MAP_UNIT)
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._texture(name))
        GL.glActiveTexture(GL.GL_TEXTURE0)
        GL.glUniform1i(program.place("u_map"), _MAP_UNIT)

    def close(self) -> None:
        """Free them."""
        if self._textures:
            GL.glDeleteTextures(list(self._textures.values()))
            self._textures.clear()

    def _texture(self, name: str) -> int:
        if name not in self._textures:
            rgba = np.full((1, 256, 4), 255, np.uint8)
            rgba[0, :, :3] = colormap(name)
            self._textures[name] = _new_texture()
            kind = (GL.GL_RGBA, GL.GL_UNSIGNED_BYTE)
            GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGBA8, 256, 1, 0, *kind, pointer(rgba))
        return self._textures[name]


class CellColours:
    """The fill of cells. Values are uploaded once, a part in each frame; nothing of it happens while drawing."""

    def __init__(self) -> None:
        self.maps = ColourMaps()
        self._values: CellValues | None = None
        self._texture = 0
        self._arriving: CellValues | None = None
        self._next_texture = 0
        self._rows_done = 0

    @property
    def arriving(self) -> bool:
        """Whether values wait for their turn to be uploaded."""
        return self._arriving is not None

    @property
    def held_bytes(self) -> int:
        """Graphics memory taken by values."""
        return sum(held.table.nbytes for held in (self._values, self._arriving) if held is not None)

    def show(self, values: CellValues | None) -> None:
        """Colour by other values once they are all there; by none at once."""
        if values is None:
            self._drop_arriving()
            self._drop()
            return
        if values is self._arriving or (values is self._values and self._arriving is None):
            return
        self._drop_arriving()
        self._arriving, self._rows_done = values, 0
        self._next_texture = _new_texture()
        shape = (values.table.shape[1], values.table.shape[0], 0)
        GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_R32F, *shape, GL.GL_RED, GL.GL_FLOAT, None)

    def upload(self) -> bool:
        """Upload some of what arrives. Whether that changes the picture."""
        values = self._arriving
        if values is None:
            return False
        part = values.table[self._rows_done : self._rows_done + UPLOAD_ROWS]
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._next_texture)
        where = (0, self._rows_done, ROW, len(part))
        GL.glTexSubImage2D(GL.GL_TEXTURE_2D, 0, *where, GL.GL_RED, GL.GL_FLOAT, pointer(part))
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
        self._rows_done += len(part)
        if self._rows_done < len(values.table):
            return False
        self._drop()
        self._values, self._texture = values, self._next_texture
        self._arriving, self._next_texture = None, 0
        return True

    def variant(self, style: OverlayStyle) -> list[str]:
        """The `#define`s of label.frag for the fill of a style, as far as its values are there."""
        if style.fill == FILL_BY_CELL:
            return ["BY_CELL"]
        ready = self._values is not None and self._values.column == style.fill
        return ["BY_VALUE"] if ready else []

    def bind(self, program: Program, style: OverlayStyle) -> None:
        """Give label.frag, in use, its colours; `release` after drawing."""
        alpha = style.alpha
        GL.glUniform1i(program.place("u_labels"), 0)
        GL.glUniform1f(program.place("u_alpha"), alpha)
        for name, rgb in (("u_fill", FILL_RGB), ("u_line", style.outline_rgb), ("u_mark", MARK_RGB)):
            GL.glUniform4f(program.place(name), *(part * alpha for part in rgb), alpha)
        if self._values is None or self._values.column != style.fill:
            return
        low, high = style.value_range or (self._values.low, self._values.high)
        GL.glUniform2f(program.place("u_range"), low, 1 / max(high - low, 1e-30))
        GL.glUniform4f(program.place("u_none"), *(part * alpha for part in NONE_RGB), alpha)
        GL.glUniform1i(program.place("u_values"), _VALUES_UNIT)
        GL.glActiveTexture(GL.GL_TEXTURE0 + _VALUES_UNIT)
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._texture)
        GL.glActiveTexture(GL.GL_TEXTURE0)
        self.maps.bind(program, style.colormap)

    @staticmethod
    def release() -> None:
        """Leave no texture bound."""
        for unit in (_VALUES_UNIT, _MAP_UNIT):
            GL.glActiveTexture(GL.GL_TEXTURE0 + unit)
            GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
        GL.glActiveTexture(GL.GL_TEXTURE0)

    def close(self) -> None:
        """Free everything."""
        self._drop_arriving()
        self._drop()
        self.maps.close()

    def _drop(self) -> None:
        if self._texture:
            GL.glDeleteTextures([self._texture])
        self._values, self._texture = None, 0

    def _drop_arriving(self) -> None:
        if self._next_texture:
            GL.glDeleteTextures([self._next_texture])
        self._arriving, self._next_texture = None, 0


def _new_texture() -> int:
    """A bound 2-D texture that is only ever fetched from by place."""
    texture = int(GL.glGenTextures(1))
    GL.glBindTexture(GL.GL_TEXTURE_2D, texture)
    GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 4)
    GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MAX_LEVEL, 0)
    for name in (GL.GL_TEXTURE_MIN_FILTER, GL.GL_TEXTURE_MAG_FILTER):
        GL.glTexParameteri(GL.GL_TEXTURE_2D, name, GL.GL_NEAREST)
    return texture
