"""OpenGL for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.glcontext import gl
from tests.render.pictures import Stage, stage

__all__ = ["gl", "staged"]


@pytest.fixture
def staged(gl: Any) -> Iterator[Stage]:
    """A scene of 320×240 pixels to draw documents in."""
    with stage() as made:
        yield made
