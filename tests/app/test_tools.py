"""Who gets the mouse: tools before the camera, in order, and until the button goes up."""

from __future__ import annotations

from typing import Any

import pytest

from studio.app.camera import Camera
from studio.app.tools import Tools
from studio.app.viewer_input import ViewerInput
from studio.document import Document
from studio.gui.events import KEY_SPACE, Event, Focus, Key, MouseButton, MouseMove, Wheel

AREA = (100.0, 50.0, 800.0, 600.0)


class FakeSlide:
    size = (10_000, 4_000)
    bounds = (0.0, 0.0, 10_000.0, 4_000.0)
    mpp = 0.25

    def close(self) -> None: ...


class Spy:
    """Notes what it is told; takes the kinds of events it is asked to."""

    def __init__(self, name: str, *takes: type) -> None:
        self.name, self.takes = name, takes
        self.seen: list[tuple[Event, Any]] = []

    def on_event(self, event: Event, position_slide: Any) -> bool:
        self.seen.append((event, position_slide))
        return isinstance(event, self.takes)

    def draw(self, painter: Any, to_window: Any) -> None: ...


class Hand:
    def __init__(self) -> None:
        self.document = Document()
        self.document.set_slide(FakeSlide())  # type: ignore[arg-type]
        self.camera = Camera(self.document)
        self.camera.place((800, 600), (100, 50), (900, 650))
        self.camera.fit()
        self.camera.one_to_one()
        self.tools = Tools(self.document)
        self.input = ViewerInput(self.camera, self.tools)

    def do(self, *events: Event, gui_has_mouse: bool = False) -> bool:
        return self.input.handle(events, AREA, gui_has_mouse=gui_has_mouse, now_s=0.0)


@pytest.fixture
def hand() -> Hand:
    return Hand()


def test_without_a_tool_the_slide_moves(hand: Hand) -> None:
    hover = Spy("hover")
    hand.tools.add_passive(hover)
    hand.do(MouseMove(500, 300), MouseButton(0, True))
    assert hand.do(MouseMove(520, 300))
    place = hand.camera.slide_from_window(500, 300)
    assert hover.seen[0] == (MouseMove(500, 300), pytest.approx((place[0] + 20, place[1])))


def test_a_chosen_tool_has_the_drag_even_beyond_the_slide(hand: Hand) -> None:
    pen = Spy("pen", MouseButton, MouseMove)
    hand.tools.add(pen)
    hand.document.tool = "pen"
    hand.do(MouseMove(500, 300), MouseButton(0, True))
    assert hand.tools.has_mouse
    assert not hand.do(MouseMove(10, 10), gui_has_mouse=True)
    assert pen.seen[-1] == (MouseMove(10, 10), hand.camera.slide_from_window(10, 10))
    hand.do(MouseButton(0, False))
    assert not hand.tools.has_mouse
    assert not hand.input.dragging
    assert hand.do(Wheel(0, 1)) is False  # the pointer is outside
    hand.do(MouseMove(500, 300))
    assert hand.do(Wheel(0, 1)), "the wheel, which the pen doesn't want, still zooms"


def test_space_held_moves_the_slide_whatever_tool_is_chosen(hand: Hand) -> None:
    pen = Spy("pen", MouseButton, MouseMove)
    hand.tools.add(pen)
    hand.document.tool = "pen"
    hand.do(MouseMove(500, 300), Key(KEY_SPACE, 0, True), MouseButton(0, True))
    assert hand.do(MouseMove(540, 300))
    hand.do(MouseButton(0, False), Key(KEY_SPACE, 0, False), MouseButton(0, True))
    assert hand.tools.has_mouse


def test_what_one_tool_takes_the_next_learns_only_that_the_pointer_is_gone(hand: Hand) -> None:
    ring, hover = Spy("ring", MouseMove, MouseButton), Spy("hover")
    hand.tools.add_passive(ring)
    hand.tools.add_passive(hover)
    hand.do(MouseMove(500, 300))
    assert hover.seen == [(MouseMove(500, 300), None)]
    hand.do(MouseButton(0, True))
    assert len(hover.seen) == 1
    assert not hand.input.dragging


def test_over_a_panel_nothing_begins(hand: Hand) -> None:
    pen = Spy("pen", MouseButton)
    hand.tools.add_passive(pen)
    hand.do(MouseMove(500, 300), MouseButton(0, True), gui_has_mouse=True)
    assert pen.seen == [(MouseMove(500, 300), None)]


def test_a_window_that_loses_the_keyboard_lets_go(hand: Hand) -> None:
    pen = Spy("pen", MouseButton)
    hand.tools.add_passive(pen)
    hand.do(MouseMove(500, 300), MouseButton(0, True))
    hand.do(Focus(False))
    assert not hand.tools.has_mouse
    assert pen.seen[-1][0] == Focus(False)


def test_another_slide_takes_the_tool_away(hand: Hand) -> None:
    hand.tools.add(Spy("pen", Key))
    hand.document.tool = "pen"
    assert hand.tools.on_event(Key(256, 0, True), None)
    hand.document.set_slide(FakeSlide())  # type: ignore[arg-type]
    assert hand.tools.active is None
    assert not hand.tools.on_event(Key(256, 0, True), None)
