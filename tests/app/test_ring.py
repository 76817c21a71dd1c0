"""The ring of the set diameter at the pointer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.app.ring import RingTool
from studio.gui.events import Focus, MouseButton, MouseMove
from studio.session import Session
from studio.settings import Settings
from studio.slide import WSI


class Paper:
    """Takes lines."""

    def __init__(self) -> None:
        self.drawn: list[list[tuple[float, float]]] = []

    def lines(self, points: Any, _color: Any, _thickness: float = 1.0) -> None:
        self.drawn.append(list(points))


@pytest.fixture
def session(sample_slide: Path) -> Iterator[Session]:
    session = Session(Settings())
    session.document.set_slide(WSI(sample_slide))
    yield session
    session.close()


def test_the_ring_has_the_diameter_and_follows_the_pointer(session: Session) -> None:
    tool, slide = RingTool(session), session.document.slide
    assert slide is not None
    assert slide.mpp is not None

    def drawn(zoom: float = 2.0) -> list[list[tuple[float, float]]]:
        paper = Paper()
        tool.draw(paper, lambda x, y: (zoom * x, zoom * y))  # type: ignore[arg-type]
        return paper.drawn

    assert not tool.on_event(MouseMove(5, 5), (300.0, 400.0))
    assert drawn() == [], "the panel isn't open"
    session.diameters.ring.wanted = True
    session.set_params(diam_um=12.0)
    outline = drawn()[-1]
    radius = 2 * 12.0 / slide.mpp / 2
    across, down = zip(*outline, strict=True)
    assert (min(across), max(across)) == pytest.approx((600 - radius, 600 + radius), abs=0.1)
    assert (min(down), max(down)) == pytest.approx((800 - radius, 800 + radius), abs=0.1)
    # Nobody else loses the mouse to it.
    assert not tool.on_event(MouseButton(0, True, 0), (300.0, 400.0))
    assert drawn(zoom=0.01) == [], "too far out to tell anything"
    session.diameters.ring.on = False
    assert drawn() == []
    session.diameters.ring.on = True
    tool.on_event(MouseMove(900, 5), None)
    assert drawn() == [], "the pointer is elsewhere"
    tool.on_event(MouseMove(5, 5), (300.0, 400.0))
    tool.on_event(Focus(False), None)
    assert drawn() == []
