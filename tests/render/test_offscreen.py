"""Drawing into a picture."""

from __future__ import annotations

from typing import Any

import pytest
from OpenGL import GL

from studio.errors import StudioError
from studio.render.offscreen import Offscreen


def test_reads_back_with_the_top_row_first(gl: Any) -> None:
    target = Offscreen((5, 3))
    target.bind()
    GL.glClearColor(1.0, 0.0, 0.0, 1.0)
    GL.glClear(GL.GL_COLOR_BUFFER_BIT)
    GL.glEnable(GL.GL_SCISSOR_TEST)
    GL.glScissor(0, 2, 1, 1)
    GL.glClearColor(0.0, 0.0, 1.0, 1.0)
    GL.glClear(GL.GL_COLOR_BUFFER_BIT)
    GL.glDisable(GL.GL_SCISSOR_TEST)
    pixels = target.read()
    target.close()
    assert pixels.shape == (3, 5, 3)
    assert pixels[0, 0].tolist() == [0, 0, 255]
    assert (pixels.reshape(-1, 3)[1:] == (255, 0, 0)).all()
    assert GL.glGetIntegerv(GL.GL_FRAMEBUFFER_BINDING) == 0


def test_a_size_that_no_driver_has_is_an_error_that_says_so(gl: Any) -> None:
    with pytest.raises((StudioError, GL.GLError)):
        Offscreen((1 << 20, 1 << 20))
