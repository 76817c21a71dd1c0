"""The context that GL tests draw in."""

from __future__ import annotations

from typing import Any

import glfw
import numpy as np
import pytest
from OpenGL import GL, error


def test_it_is_a_33_core_context_that_draws(gl: Any) -> None:
    assert (GL.glGetIntegerv(GL.GL_MAJOR_VERSION), GL.glGetIntegerv(GL.GL_MINOR_VERSION)) >= (3, 3)
    assert GL.glGetIntegerv(GL.GL_CONTEXT_PROFILE_MASK) & GL.GL_CONTEXT_CORE_PROFILE_BIT
    assert glfw.get_framebuffer_size(gl) == (1280, 800)
    GL.glClearColor(1.0, 0.5, 0.0, 1.0)
    GL.glClear(GL.GL_COLOR_BUFFER_BIT)
    pixels = np.frombuffer(GL.glReadPixels(1279, 799, 1, 1, GL.GL_RGB, GL.GL_UNSIGNED_BYTE), np.uint8)
    assert pixels.tolist() in ([255, 127, 0], [255, 128, 0])


def test_gl_errors_raise(gl: Any) -> None:
    with pytest.raises(error.GLError):
        GL.glEnable(0xFFFF)
