"""Fixtures of the gui's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

# Before anything imports OpenGL.
from tests.glcontext import gl  # noqa: F401

NewPilot = Callable[..., Any]


@pytest.fixture
def pilot(gl: Any) -> Iterator[NewPilot]:  # noqa: F811
    """Makes pilots; closes their guis at the end."""
    from tests.gui.pilot import Pilot

    made: list[Pilot] = []

    def make(content: Callable[[Any], Any], **look: Any) -> Pilot:
        made.append(Pilot(content, **look))
        return made[-1]

    yield make
    for each in made:
        each.gui.close()
