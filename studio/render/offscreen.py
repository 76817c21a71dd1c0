"""Drawing where nobody looks: for pictures in files and for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.render.gl import GL, pointer


class Offscreen:
    """A framebuffer of RGBA8 pixels. Needs a current context; owns its GL objects."""

    def __init__(self, size: tuple[int, int]) -> None:
        """`size` is (width, height) in pixels. Raises StudioError where the driver has no room for it."""
        self.size = size
        self._pixels: int = GL.glGenRenderbuffers(1)
        self._framebuffer: int = GL.glGenFramebuffers(1)
        GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, self._pixels)
        GL.glRenderbufferStorage(GL.GL_RENDERBUFFER, GL.GL_RGBA8, *size)
        self.bind()
        GL.glFramebufferRenderbuffer(GL.GL_FRAMEBUFFER, GL.GL_COLOR_ATTACHMENT0, GL.GL_RENDERBUFFER, self._pixels)
        if GL.glCheckFramebufferStatus(GL.GL_FRAMEBUFFER) != GL.GL_FRAMEBUFFER_COMPLETE:
            self.close()
            raise StudioError(
                f"The graphics driver can't draw a picture of {size[0]} × {size[1]} px. Try a smaller one."
            )

    def bind(self) -> None:
        """Draw here from now on."""
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._framebuffer)

    def read(self) -> NDArray[np.uint8]:
        """What was drawn: (H, W, 3) uint8, top row first. Binds this framebuffer."""
        self.bind()
        width, height = self.size
        pixels = np.empty((height, width, 4), np.uint8)
        GL.glReadPixels(0, 0, width, height, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, pointer(pixels))
        return np.ascontiguousarray(pixels[::-1, :, :3])

    def close(self) -> None:
        """Free it, and go back to the window's own framebuffer."""
        if self._framebuffer:
            GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, 0)
            GL.glDeleteFramebuffers(1, [self._framebuffer])
            GL.glDeleteRenderbuffers(1, [self._pixels])
            self._framebuffer = self._pixels = 0
