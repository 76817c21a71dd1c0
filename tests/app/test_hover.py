"""Hover card, selection by click, legends: in the window's frame, drawn without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from studio.app.hover import RING, HoverTool
from studio.app.legend import legends
from studio.cellseg.cellvalues import laid_out
from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry
from studio.document import FILL_BY_CELL, Document, Overlay
from studio.gui.events import KEY_ESCAPE, Focus, Key, MouseButton, MouseMove
from studio.gui.factcard import fact_card
from studio.gui.painter import Painter
from studio.session import selection as selection_module
from tests.app.stand import Stand

LABELS = np.kron(np.arange(1, 17, dtype=np.uint32).reshape(4, 4), np.ones((50, 50), np.uint32))


@pytest.fixture
def stand(gl: Any, sample_slide: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    monkeypatch.setattr(selection_module, "DWELL_S", 0.0)
    made = Stand()
    made.open_slide(sample_slide)
    flows = np.zeros((200, 200, 3), np.float16)
    source = ArraySource(LABELS, MaskGeometry((200, 200), 2.0, 2.0, mpp=1.0), flows=flows)
    made.session.document.set_overlay(Overlay(source, "preview"))
    yield made
    made.close()


def click(tool: HoverTool, at: tuple[float, float], to: tuple[float, float] | None = None) -> None:
    slide = tool._camera.slide_from_window(*at)
    assert not tool.on_event(MouseMove(*at), slide)
    assert not tool.on_event(MouseButton(0, True, 0), slide)
    tool.on_event(MouseMove(*(to or at)), slide)
    assert not tool.on_event(MouseButton(0, False, 0), slide)


def test_a_click_selects_a_drag_does_not_and_esc_lets_go(stand: Stand) -> None:
    tool = HoverTool(stand.session, stand.camera)
    document, selection = stand.session.document, stand.session.selection
    at = stand.camera.window_from_slide(150.0, 50.0)
    click(tool, at, (at[0] + 30, at[1]))
    stand.p.settle()
    assert document.selected_cell == 0
    click(tool, at)
    stand.wait(lambda: selection.selected is not None)
    assert document.selected_cell == 2
    assert "Cell 2" in stand.chrome._status._cells()[0]
    assert tool.on_event(Key(KEY_ESCAPE, 9, True, 0, False), None)
    assert document.selected_cell == 0
    # The next Esc is somebody else's.
    assert not tool.on_event(Key(KEY_ESCAPE, 9, True, 0, False), None)
    tool.on_event(MouseMove(*at), (150.0, 50.0))
    assert selection.hover_slide == (150.0, 50.0)
    document.tool = "measure"
    tool.on_event(MouseMove(*at), (150.0, 50.0))
    assert selection.hover_slide is None
    click(tool, at)
    stand.p.settle()
    assert document.selected_cell == 0
    # Nor is it a click where the button is let go after the window was left.
    document.tool = ""
    assert not tool.on_event(MouseButton(0, True, 0), (150.0, 50.0))
    tool.on_event(Focus(False), None)
    tool.on_event(MouseButton(0, False, 0), (150.0, 50.0))
    assert selection._click is None
    # What nobody sees nobody clicks.
    document.tool, document.style.alpha = "", 0.0
    click(tool, at)
    stand.p.settle()
    assert document.selected_cell == 0
    assert selection.hover_slide is None


def test_the_pointer_at_rest_shows_a_card_beside_it(stand: Stand) -> None:
    tool = HoverTool(stand.session, stand.camera)
    selection = stand.session.selection
    tool.on_event(MouseMove(10.0, 10.0), (250.0, 50.0))
    stand.wait(lambda: selection.hovered is not None)
    assert selection.hovered is not None
    assert selection.hovered.label == 3
    drawn: list[str] = []

    class Paint:
        """The gui's painter, listened to."""

        def __init__(self, paint: Any) -> None:
            self._paint = paint

        def __getattr__(self, name: str) -> Any:
            return getattr(self._paint, name)

        def text_in(self, rect: Any, text: str, *args: Any, **more: Any) -> None:
            drawn.append(text)
            self._paint.text_in(rect, text, *args, **more)

    before = stand.p.content
    cards: dict[tuple[float, float], Any] = {}

    def draw(gui: Any) -> None:
        before(gui)
        tool.draw(Paint(gui.chrome.under), stand.camera.window_from_slide)
        for at in ((700.0, 400.0), (1279.0, 799.0), (1.0, 1.0)):
            cards[at] = fact_card(gui.chrome.under, at, "Cell 3", [("Area", "1 µm²")], (0, 0, 1280, 800))

    stand.p.content = draw
    stand.p.frame()
    assert drawn[0] == "Cell 3"
    assert "2,500 µm²" in drawn
    for at, (left, top, width, height) in cards.items():
        assert left >= 0
        assert top >= 0
        assert left + width <= 1280
        assert top + height <= 800
        assert not (left <= at[0] <= left + width and top <= at[1] <= top + height)
    tool.on_event(Focus(False), None)
    assert selection.hovered is None


def test_legends_say_what_colours_mean(stand: Stand) -> None:
    document = stand.session.document
    assert legends(document) == []
    document.style.fill = FILL_BY_CELL
    assert legends(document) == []
    document.style.fill = "area_um2"
    assert legends(document) == []
    assert document.overlay is not None
    values = laid_out(document.overlay.source, "area_um2", np.arange(1, 101, dtype=np.uint32), np.arange(100.0))
    document.values = values
    (legend,) = legends(document)
    assert (legend.title, legend.colormap, legend.low, legend.high) == ("Area (µm²)", "Viridis", "≤ 1.98", "≥ 97")
    document.style.value_range = (5.0, 2000.0)
    assert (legends(document)[0].low, legends(document)[0].high) == ("≤ 5", "≥ 2,000")
    document.style.value_range = (100.1, 100.4)
    assert (legends(document)[0].low, legends(document)[0].high) == ("≤ 100.1", "≥ 100.4")
    document.style.cellprob = True
    assert [legend.title for legend in legends(document)] == ["Cell probability"]
    document.style.alpha = 0.0
    assert legends(document) == []
    assert legends(Document()) == []
    document.style.alpha, document.style.cellprob = 1.0, False
    assert len(legends(document)) == 1
    document.style.mask = False
    assert legends(document) == []
    document.style.mask, document.comparison.view = True, "differences"
    assert legends(document) == []
    # A is seen alone, whose cells are plain.
    document.comparison.kept, document.comparison.view = replace(document.overlay), "a"
    assert legends(document) == []
    document.style.cellprob = True
    assert [legend.title for legend in legends(document)] == ["Cell probability"]
    document.style.cellprob = False
    document.comparison.view = "swipe"
    assert len(legends(document)) == 1
    document.comparison.kept, document.comparison.view = None, "b"
    stand.p.frame()


def test_from_far_away_a_ring_of_one_size_is_around_the_selected_cell(stand: Stand) -> None:
    tool = HoverTool(stand.session, stand.camera)
    document = stand.session.document
    document.selected_cell = 6
    stand.wait(lambda: stand.session.selection.selected is not None)
    drawn: list[tuple[tuple[float, float], float]] = []

    class Ink:
        def px(self, length: float) -> float:
            return length

        def circle(self, center: tuple[float, float], radius: float, *_rest: object) -> None:
            drawn.append((center, radius))

    # Cell 6 is in the second row and column of squares of 50 pixels, of two slide pixels each.
    for scale, expected in ((0.5, None), (4.0, (150.0, 150.0)), (32.0, (150.0, 150.0))):
        document.view.scale = scale
        drawn.clear()
        assert tool.ring_slide == (None if expected is None else pytest.approx(expected, abs=1.0))
        tool.draw(cast(Painter, Ink()), stand.camera.window_from_slide)
        if expected is not None:
            at = stand.camera.window_from_slide(*expected)
            assert drawn
            assert all(center == pytest.approx(at, abs=1.0) for center, _ in drawn)
            assert {radius for _, radius in drawn} == {RING}
        else:
            assert not drawn
    document.comparison.view = "bare"
    assert tool.ring_slide is None
    document.comparison.view, document.style.alpha = "b", 0.0
    assert tool.ring_slide is None
