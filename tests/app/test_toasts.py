"""Notes in the corner: drawn, wrapped, stacked, dismissed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.app.hud import MARGIN, SCALE_BAR_HEIGHT, SCALE_BAR_MAX

LONG = "The slide can't be opened because of a long reason that has to be told in full. " * 4


def test_the_newest_is_lowest_and_a_click_dismisses(stands: Any) -> None:
    stand = stands()
    for level in ("info", "success", "warning", "error"):
        stand.session.notify(level, f"a {level}")
    stand.p.settle()
    toasts = [c for c in stand.p.gui.controls if c.kind == "toast"]
    assert [c.label for c in sorted(toasts, key=lambda c: -c.rect[1])] == [
        "a error", "a warning", "a success", "a info",
    ]  # fmt: skip
    right, bottom = stand.area[0] + stand.area[2], stand.area[1] + stand.area[3]
    for toast in toasts:
        left, top, width, height = toast.rect
        assert left > right / 2
        assert left + width <= right
        assert top + height <= bottom
    stand.p.click("a warning")
    assert [t.text for t in stand.session.toasts] == ["a info", "a success", "a error"]
    assert stand.p.find("a warning") is None


def test_long_text_wraps(stands: Any) -> None:
    stand = stands()
    stand.session.notify("info", "short")
    stand.session.notify("error", LONG)
    stand.p.settle()
    assert stand.p.control(LONG).rect[3] > 3 * stand.p.control("short").rect[3]
    assert stand.p.control(LONG).rect[2] == stand.p.control("short").rect[2]


def test_those_that_find_no_room_are_left_out(stands: Any) -> None:
    stand = stands(size=(900, 360))
    for number in range(5):
        stand.session.notify("error", f"{number} {LONG}")
    stand.p.settle()
    shown = [c for c in stand.p.gui.controls if c.kind == "toast"]
    assert shown
    assert len(shown) < 5
    assert min(c.rect[1] for c in shown) >= stand.area[1]
    assert shown[0].label.startswith("4 ")


def test_they_leave_the_scale_bar_in_sight(stands: Any, sample_slide: Path) -> None:
    for size in ((1280, 800), (720, 480)):
        stand = stands(size=size)
        stand.open_slide(sample_slide)
        stand.host.open("annotations")
        stand.session.notify("info", "hello")
        stand.p.settle()
        left, top, _, height = stand.p.control("hello").rect
        area_left, area_top, _, area_height = stand.area
        beside = left >= area_left + MARGIN + SCALE_BAR_MAX + 24
        above = top + height <= area_top + area_height - MARGIN - SCALE_BAR_HEIGHT
        assert beside or above


def test_they_take_the_pointer_from_the_slide(stands: Any) -> None:
    from studio.gui.events import MouseMove

    stand = stands()
    stand.session.notify("info", "hello")
    stand.p.settle()
    stand.p.put(MouseMove(*stand.p.control("hello").middle))
    stand.p.settle()
    assert stand.p.gui.wants_mouse
