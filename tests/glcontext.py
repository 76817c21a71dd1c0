"""A real OpenGL 3.3 core context without a screen: GLFW's null platform and OSMesa.

Import this module before anything that imports OpenGL: PyOpenGL chooses its
platform once in a process. The conftest.py of a folder with GL tests does so:

    from tests.glcontext import gl  # noqa: F401

and a test that draws takes the fixture `gl`. GL errors raise in tests, because
error checking is on here; the program itself switches it off.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

SIZE = (1280, 800)


def _choose_osmesa() -> str | None:
    """Make PyOpenGL use OSMesa in this process; why not, where that is impossible."""
    before = os.environ.get("PYOPENGL_PLATFORM")
    os.environ["PYOPENGL_PLATFORM"] = "osmesa"
    try:
        from OpenGL import GL, platform  # noqa: F401
    except (ImportError, AttributeError) as error:
        return f"software OpenGL can't be loaded ({error}); on Debian or Ubuntu install libosmesa6"
    finally:
        # Programs that tests start have a screen of their own.
        if before is None:
            del os.environ["PYOPENGL_PLATFORM"]
        else:
            os.environ["PYOPENGL_PLATFORM"] = before
    chosen = type(platform.PLATFORM).__name__
    return None if chosen == "OSMesaPlatform" else f"OpenGL was imported before tests.glcontext and uses {chosen}"


_WHY_NOT = _choose_osmesa()


@contextmanager
def gl_context(size: tuple[int, int] = SIZE) -> Iterator[Any]:
    """A GLFW window of `size` that nobody sees, its context current; skips where there is no OSMesa."""
    if _WHY_NOT is not None:
        pytest.skip(_WHY_NOT)
    import glfw

    glfw.init_hint(glfw.PLATFORM, glfw.PLATFORM_NULL)
    if not glfw.init():
        pytest.skip("GLFW has no null platform here")
    glfw.default_window_hints()
    glfw.window_hint(glfw.CONTEXT_CREATION_API, glfw.OSMESA_CONTEXT_API)
    glfw.window_hint(glfw.CONTEXT_VERSION_MAJOR, 3)
    glfw.window_hint(glfw.CONTEXT_VERSION_MINOR, 3)
    glfw.window_hint(glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE)
    window = glfw.create_window(*size, "test", None, None)
    glfw.default_window_hints()
    assert window, "no OpenGL 3.3 context"
    before = glfw.get_current_context()
    glfw.make_context_current(window)
    try:
        yield window
    finally:
        glfw.make_context_current(before)
        glfw.destroy_window(window)


@pytest.fixture
def gl() -> Iterator[Any]:
    """A context of 1280×800 pixels, current during the test; the value is the GLFW window."""
    with gl_context() as window:
        yield window
