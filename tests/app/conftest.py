"""Fixtures of the window's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

# Before anything imports OpenGL.
from tests.glcontext import gl  # noqa: F401

if TYPE_CHECKING:
    from studio.app.window import Window


@pytest.fixture
def stands(gl: Any) -> Iterator[Callable[..., Any]]:  # noqa: F811
    """Makes the window's frame around a session (`Stand`); closes what it made."""
    from tests.app.stand import Stand

    made: list[Stand] = []

    def make(**look: Any) -> Stand:
        made.append(Stand(**look))
        return made[-1]

    yield make
    for stand in made:
        stand.close()


@pytest.fixture
def window(gl: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:  # noqa: F811
    """A window on the null platform, which nobody sees; `gl` skips where there is none."""
    import glfw

    from studio.app.window import Window

    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYOPENGL_PLATFORM", "osmesa")
    window = Window((900, 600), visible=False)
    yield window
    glfw.destroy_window(window._handle)  # GLFW itself belongs to `gl`
