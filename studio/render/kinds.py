"""What became of each cell that was compared, where the shader can look it up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.render.gl import GL, pointer

ROW = 4096
"""Labels to a row of the texture; compare.frag knows it too."""

_MOST_ROWS = 4096
"""Texels tell labels apart by their low 24 bits."""


class KindTexture:
    """A kind, 0 to 3, for each label. Uploaded when it changes, never while drawing. Owns its GL object."""

    def __init__(self) -> None:
        self._texture = 0

    def show(self, kinds: NDArray[np.uint8] | None) -> None:
        """Have the kinds of labels 0, 1, 2, …; None: of none."""
        if kinds is None:
            self.close()
            return
        rows = min(_MOST_ROWS, -(-len(kinds) // ROW))
        table = np.zeros((rows, ROW), np.uint8)
        part = kinds[: rows * ROW]
        table.reshape(-1)[: len(part)] = part
        if not self._texture:
            self._texture = int(GL.glGenTextures(1))
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._texture)
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 4)
        kind = (GL.GL_RED_INTEGER, GL.GL_UNSIGNED_BYTE)
        GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_R8UI, ROW, rows, 0, *kind, pointer(table))
        GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MAX_LEVEL, 0)
        for name in (GL.GL_TEXTURE_MIN_FILTER, GL.GL_TEXTURE_MAG_FILTER):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, name, GL.GL_NEAREST)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)

    @property
    def ready(self) -> bool:
        """Whether there is something to look up."""
        return self._texture != 0

    def bind(self, unit: int) -> None:
        """Bind the texture to a unit; 0 is active afterwards."""
        GL.glActiveTexture(GL.GL_TEXTURE0 + unit)
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._texture)
        GL.glActiveTexture(GL.GL_TEXTURE0)

    def close(self) -> None:
        """Free the texture."""
        if self._texture:
            GL.glDeleteTextures([self._texture])
            self._texture = 0
