"""Mouse events over the slide."""

from __future__ import annotations

import pytest

from studio.app.camera import NOTCH, Camera
from studio.app.viewer_input import DOUBLE_CLICK_S, LEFT, MIDDLE, ViewerInput
from studio.document import Document
from studio.gui.events import OUTSIDE, Event, Focus, MouseButton, MouseMove, Wheel

AREA = (280.0, 24.0, 1000.0, 800.0)
RIGHT = 1


class FakeSlide:
    size = (10_000, 4_000)
    bounds = (0.0, 0.0, 10_000.0, 4_000.0)
    mpp = 0.25

    def close(self) -> None: ...


class Hand:
    """A pointer over a document at 1:1."""

    def __init__(self) -> None:
        document = Document()
        document.set_slide(FakeSlide())  # type: ignore[arg-type]
        self.camera = Camera(document)
        self.camera.place((1000, 800), (280, 24), (1280, 824))
        self.camera.fit()
        self.camera.one_to_one()
        self.input = ViewerInput(self.camera)
        self.now_s = 100.0

    def do(self, *events: Event, gui_has_mouse: bool = False) -> bool:
        return self.input.handle(events, AREA, gui_has_mouse=gui_has_mouse, now_s=self.now_s)

    def click(self, button: int = LEFT) -> None:
        self.do(MouseButton(button, True))
        self.do(MouseButton(button, False))


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.mark.parametrize("button", [LEFT, MIDDLE])
def test_drag(hand: Hand, button: int) -> None:
    hand.do(MouseMove(600, 400))
    at = hand.camera.slide_from_window(600, 400)
    hand.do(MouseButton(button, True))
    assert hand.input.dragging
    assert hand.do(MouseMove(640, 380))
    assert hand.camera.slide_from_window(640, 380) == pytest.approx(at)
    hand.do(MouseMove(10, 10))  # over a panel: the drag goes on
    assert hand.camera.slide_from_window(10, 10) == pytest.approx(at)
    hand.do(MouseButton(button, False))
    assert not hand.do(MouseMove(700, 700))


def test_a_drag_beyond_the_edge_comes_back_to_the_same_place(hand: Hand) -> None:
    hand.do(MouseMove(600, 400))
    hand.do(MouseButton(LEFT, True))
    before = hand.camera.view.rect_slide
    hand.do(MouseMove(600, 99_000))
    hand.do(MouseMove(600, 400))
    assert hand.camera.view.rect_slide == pytest.approx(before)


def test_the_right_button_drags_nothing(hand: Hand) -> None:
    hand.do(MouseMove(600, 400))
    hand.do(MouseButton(RIGHT, True))
    assert not hand.do(MouseMove(640, 380))


def test_what_the_gui_wants_is_left_to_it(hand: Hand) -> None:
    hand.do(MouseMove(600, 400), gui_has_mouse=True)
    hand.do(MouseButton(LEFT, True), gui_has_mouse=True)
    assert not hand.do(Wheel(0, 1), gui_has_mouse=True)
    assert not hand.do(MouseMove(700, 400))


def test_outside_the_area_nothing_begins(hand: Hand) -> None:
    hand.do(MouseMove(100, 400))
    assert hand.input.pointer is None
    assert not hand.do(Wheel(0, 1))
    hand.do(MouseButton(LEFT, True))
    assert not hand.do(MouseMove(700, 400))


def test_the_wheel_zooms_at_the_pointer_and_sums(hand: Hand) -> None:
    hand.do(MouseMove(500, 300))
    at, scale = hand.camera.slide_from_window(500, 300), hand.camera.view.scale
    assert hand.do(Wheel(0, 1), Wheel(0, 0.5), Wheel(0, 1.5))
    assert hand.camera.view.scale == pytest.approx(scale / NOTCH**3)
    assert hand.camera.slide_from_window(500, 300) == pytest.approx(at)


def test_the_wheel_during_a_drag_keeps_hold_of_the_slide(hand: Hand) -> None:
    hand.do(MouseMove(500, 300), MouseButton(LEFT, True))
    at = hand.camera.slide_from_window(500, 300)
    hand.do(Wheel(0, 2))
    hand.do(MouseMove(550, 350))
    assert hand.camera.slide_from_window(550, 350) == pytest.approx(at)


def test_a_double_click_comes_closer(hand: Hand) -> None:
    hand.do(MouseMove(500, 300))
    at, scale = hand.camera.slide_from_window(500, 300), hand.camera.view.scale
    hand.click()
    assert hand.camera.view.scale == scale
    hand.now_s += DOUBLE_CLICK_S / 2
    hand.click()
    assert hand.camera.view.scale == scale / 2
    assert hand.camera.slide_from_window(500, 300) == pytest.approx(at)
    hand.now_s += DOUBLE_CLICK_S / 2
    hand.click()  # the third click of a row begins anew
    assert hand.camera.view.scale == scale / 2


@pytest.mark.parametrize(("wait_s", "move"), [(2 * DOUBLE_CLICK_S, 0), (0.1, 40)])
def test_two_clicks_far_apart_are_two(hand: Hand, wait_s: float, move: float) -> None:
    hand.do(MouseMove(500, 300))
    hand.click()
    hand.now_s += wait_s
    hand.do(MouseMove(500 + move, 300))
    scale = hand.camera.view.scale
    hand.click()
    assert hand.camera.view.scale == scale


def test_a_drag_ends_when_the_window_loses_the_keyboard(hand: Hand) -> None:
    hand.do(MouseMove(500, 300), MouseButton(LEFT, True))
    hand.do(Focus(False))
    assert not hand.do(MouseMove(550, 350))


def test_the_pointer_is_known_while_it_is_over_the_bare_slide(hand: Hand) -> None:
    hand.do(MouseMove(500, 300))
    assert hand.input.pointer == (500, 300)
    hand.do(gui_has_mouse=True)
    assert hand.input.pointer is None
    hand.do(MouseMove(*OUTSIDE))
    assert hand.input.pointer is None
