"""Regions drawn and changed, and lines measured, by mouse and keys over a real slide's view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from studio.app.camera import Camera
from studio.app.roi_draw import simplified
from studio.app.roi_edit import away_from
from studio.app.toolbox import build_tools
from studio.app.viewer_input import ViewerInput
from studio.gui.events import KEY_BACKSPACE, KEY_DELETE, KEY_ENTER, KEY_ESCAPE, Key, MouseButton, MouseMove
from studio.session import Session
from studio.settings import Settings
from studio.slide import WSI

AREA = (100.0, 50.0, 800.0, 600.0)
RIGHT = 1


class Hand:
    """A pointer over the sample at 1:1; its points are slide pixels."""

    def __init__(self, sample: Path) -> None:
        self.session = Session(Settings())
        self.document = self.session.document
        self.document.set_slide(WSI(sample))
        self.camera = Camera(self.document)
        self.camera.place((800, 600), (100, 50), (900, 650))
        self.camera.fit()
        self.camera.one_to_one()
        self.camera.center_on(1000, 1000)
        self.tools = build_tools(self.session, self.camera)
        self.input = ViewerInput(self.camera, self.tools)

    def move(self, x: float, y: float) -> None:
        event = MouseMove(*self.camera.window_from_slide(x, y))
        self.input.handle([event], AREA, gui_has_mouse=False, now_s=0)

    def button(self, down: bool, button: int = 0) -> None:
        self.input.handle([MouseButton(button, down)], AREA, gui_has_mouse=False, now_s=0)

    def drag(self, *points: tuple[float, float], button: int = 0) -> None:
        self.move(*points[0])
        self.button(True, button)
        for point in points[1:]:
            self.move(*point)
        self.button(False, button)

    def click(self, x: float, y: float, button: int = 0) -> None:
        self.drag((x, y), button=button)

    def key(self, key: int) -> bool:
        return self.tools.on_event(Key(key, 0, True), self.input.position_slide)

    @property
    def outlines(self) -> list[list[list[float]]]:
        return [roi.outline.round(3).tolist() for roi in self.document.rois]


@pytest.fixture
def hand(sample_slide: Path) -> Iterator[Hand]:
    hand = Hand(sample_slide)
    yield hand
    hand.session.close()


def test_a_rectangle_is_dragged_and_the_slide_moves_again(hand: Hand) -> None:
    hand.document.tool = "rectangle"
    hand.drag((900, 900), (950, 910), (1000, 980))
    assert hand.outlines == [[[900, 900], [1000, 900], [1000, 980], [900, 980]]]
    assert (hand.document.tool, hand.document.selected_roi) == ("", 0)
    before = hand.camera.view.center_x
    hand.drag((1100, 1100), (1150, 1100))
    assert hand.camera.view.center_x == before - 50


def test_a_click_draws_no_rectangle(hand: Hand) -> None:
    hand.document.tool = "rectangle"
    hand.click(900, 900)
    assert hand.document.rois == []
    assert hand.document.tool == "rectangle"


def test_what_is_drawn_ends_at_the_slide(hand: Hand) -> None:
    hand.camera.center_on(0, 0)
    hand.document.tool = "rectangle"
    hand.drag((-50, -60), (100, 80))
    assert hand.outlines == [[[0, 0], [100, 0], [100, 80], [0, 80]]]


@pytest.mark.parametrize("how", ["enter", "double click", "first corner"])
def test_a_polygon_is_clicked(hand: Hand, how: str) -> None:
    hand.document.tool = "polygon"
    corners = [(900.0, 900.0), (1000.0, 900.0), (1000.0, 1000.0)]
    for corner in corners:
        hand.click(*corner)
    hand.click(950, 1050)
    assert hand.key(KEY_BACKSPACE)
    if how == "enter":
        assert hand.key(KEY_ENTER)
    else:
        hand.click(*(corners[-1] if how == "double click" else (903, 903)))
    assert hand.outlines == [[list(corner) for corner in corners]]


def test_escape_drops_the_shape_then_the_tool(hand: Hand) -> None:
    hand.document.tool = "polygon"
    hand.click(900, 900)
    assert hand.key(KEY_ESCAPE)
    assert hand.document.tool == "polygon"
    assert hand.key(KEY_ESCAPE)
    assert hand.document.tool == ""
    assert not hand.key(KEY_ESCAPE)


def test_freehand_follows_the_pointer_with_few_points(hand: Hand) -> None:
    hand.document.tool = "freehand"
    angles = np.linspace(0, 2 * np.pi, 200)
    hand.drag(*[(1000 + 100 * np.cos(a), 1000 + 100 * np.sin(a)) for a in angles])
    (roi,) = hand.document.rois
    assert roi.area == pytest.approx(np.pi * 100**2, rel=0.02)
    assert len(roi.outline) < 60


def test_the_middle_button_moves_the_slide_while_a_tool_is_chosen(hand: Hand) -> None:
    hand.document.tool = "rectangle"
    before = hand.camera.view.center_x
    hand.drag((1000, 1000), (1040, 1000), button=2)
    assert hand.camera.view.center_x == before - 40
    assert hand.document.rois == []


def square(hand: Hand) -> None:
    hand.session.rois.add([(900, 900), (1000, 900), (1000, 1000), (900, 1000)])


def test_points_are_moved_put_in_and_taken_out(hand: Hand) -> None:
    square(hand)
    hand.drag((1001, 1001), (1051, 1061))
    assert hand.outlines[0][2] == [1050, 1060]
    hand.drag((950, 900), (950, 850))
    assert hand.outlines[0][1] == [950, 850]
    assert len(hand.outlines[0]) == 5
    hand.click(950, 850, RIGHT)
    assert hand.outlines == [[[900, 900], [1000, 900], [1050, 1060], [900, 1000]]]
    for _ in range(3):
        hand.session.rois.undo()
    assert hand.outlines == [[[900, 900], [1000, 900], [1000, 1000], [900, 1000]]]


def test_the_outline_selects_and_moves_the_inside_does_not(hand: Hand) -> None:
    square(hand)
    hand.session.rois.select(None)
    hand.click(950, 950)
    assert hand.document.selected_roi is None
    hand.click(930, 902)
    assert hand.document.selected_roi == 0
    assert hand.outlines[0][0] == [900, 900], "a click moves nothing"
    hand.drag((930, 901), (960, 921))
    assert hand.outlines == [[[930, 920], [1030, 920], [1030, 1020], [930, 1020]]]


def test_lines_and_what_is_grabbed_grow_with_the_letters(hand: Hand) -> None:
    square(hand)

    def widths() -> list[float]:
        painter = Mock()
        hand.tools.draw(painter, hand.camera.window_from_slide)
        return [call.args[2] for call in painter.ring.call_args_list]

    hand.drag((1009, 1009), (1020, 1020))
    assert hand.outlines[0][2] == [1000, 1000]
    before = widths()
    hand.camera.unit = 2.0
    assert widths() == [2 * width for width in before]
    hand.drag((1009, 1009), (1020, 1020))
    assert hand.outlines[0][2] == [1011, 1011]


def test_names_lie_over_all_outlines(hand: Hand) -> None:
    corners = np.array([(900.0, 900.0), (1000.0, 900.0), (1000.0, 1000.0), (900.0, 1000.0)])
    hand.session.rois.add(corners, "Below")
    hand.session.rois.add(corners - 20, "Above")
    hand.session.rois.select(None)
    painter = Mock()
    hand.tools.draw(painter, hand.camera.window_from_slide)
    drawn = [call[0] for call in painter.method_calls]
    assert drawn[-2:] == ["tag", "tag"]
    assert "tag" not in drawn[:-2]


def test_delete_and_escape(hand: Hand) -> None:
    square(hand)
    square(hand)
    assert hand.key(KEY_DELETE)
    assert len(hand.document.rois) == 1
    assert not hand.key(KEY_DELETE), "nothing is selected"
    hand.click(930, 900)
    assert hand.key(KEY_ESCAPE)
    assert hand.document.selected_roi is None


def test_lines_are_measured_and_stay_until_escape(hand: Hand) -> None:
    hand.document.tool = "measure"
    hand.drag((900, 900), (930, 940))
    hand.click(1000, 1000)
    hand.move(1003, 1050)
    hand.click(1000, 1100)
    assert hand.document.lines == [(900, 900, 930, 940), (1000, 1000, 1000, 1100)]
    hand.document.tool = ""
    hand.drag((1100, 1100), (1110, 1100))
    assert len(hand.document.lines) == 2
    assert hand.key(KEY_ESCAPE)
    assert hand.document.lines == []
    assert not hand.key(KEY_ESCAPE)


def test_lines_belong_to_their_slide(hand: Hand, sample_slide: Path) -> None:
    hand.document.lines.append((0, 0, 1, 1))
    hand.document.set_slide(WSI(sample_slide))
    assert hand.document.lines == []


def test_simplified_keeps_the_shape() -> None:
    angles = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    circle = np.column_stack((np.cos(angles), np.sin(angles))) * 1000 + 150_000
    kept = simplified(circle, 2.0)
    assert len(kept) < 80
    assert max(away_from(kept, (x, y)) for x, y in circle[::37]) <= 2.1


def test_away_from() -> None:
    ring = np.array([[0, 0], [10, 0], [10, 10], [0, 10.0]])
    assert away_from(ring, (5, 3)) == pytest.approx(3)
    assert away_from(ring, (13, 14)) == pytest.approx(5)
