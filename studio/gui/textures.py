"""Pictures of panels in graphics memory: uploaded when first drawn, the longest unused dropped."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

KEPT = 12
"""Pictures a window has at most; panels show a few at a time."""


class Textures:
    """Owns the GL textures of arrays. Main thread, GL context current."""

    def __init__(self) -> None:
        self._textures: OrderedDict[int, tuple[NDArray[np.uint8], int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._textures)

    def of(self, rgb: NDArray[np.uint8]) -> int:
        """The texture of an RGB array (h, w, 3), top row first. The array must not change afterwards."""
        key = id(rgb)
        # The array is kept with its texture, so that no other one can get its id.
        if key not in self._textures:
            self._textures[key] = (rgb, _upload(rgb))
            while len(self._textures) > KEPT:
                _, (_, old) = self._textures.popitem(last=False)
                GL.glDeleteTextures([old])
        self._textures.move_to_end(key)
        return self._textures[key][1]

    def close(self) -> None:
        """Free all."""
        for _, texture in self._textures.values():
            GL.glDeleteTextures([texture])
        self._textures.clear()


def _upload(rgb: NDArray[np.uint8]) -> int:
    height, width = rgb.shape[:2]
    rgba = np.ascontiguousarray(np.dstack([rgb, np.full((height, width), 255, np.uint8)]))
    texture = int(GL.glGenTextures(1))
    GL.glBindTexture(GL.GL_TEXTURE_2D, texture)
    GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGBA8, width, height, 0, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, rgba.tobytes())
    GL.glGenerateMipmap(GL.GL_TEXTURE_2D)
    GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MIN_FILTER, GL.GL_LINEAR_MIPMAP_LINEAR)
    for name in (GL.GL_TEXTURE_WRAP_S, GL.GL_TEXTURE_WRAP_T):
        GL.glTexParameteri(GL.GL_TEXTURE_2D, name, GL.GL_CLAMP_TO_EDGE)
    GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
    return texture
