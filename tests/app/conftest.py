"""Fixtures of the window's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

# Before anything imports OpenGL.
from tests.glcontext import gl  # noqa: F401


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
