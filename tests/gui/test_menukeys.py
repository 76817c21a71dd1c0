"""The menu bar, lists of fields and lists of buttons by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from studio.gui.control import Entry
from studio.gui.events import (
    KEY_DOWN,
    KEY_END,
    KEY_ENTER,
    KEY_ESCAPE,
    KEY_F10,
    KEY_LEFT,
    KEY_LEFT_ALT,
    KEY_RIGHT,
    KEY_SPACE,
    KEY_TAB,
    KEY_UP,
    MOD_ALT,
    Key,
    MouseMove,
)
from studio.gui.gui import Gui

ITEMS = [f"item {n}" for n in range(40)]


class Form:
    """A bar with two menus, one of them with a menu in it; a field and a button with lists."""

    def __init__(self) -> None:
        self.chosen: list[str] = []
        self.choice = 1
        self.saved: list[int] = []

    def __call__(self, gui: Gui) -> None:
        chrome, ui = gui.chrome, gui.ui
        with chrome.menu_bar():
            with chrome.menu("File") as is_open:
                if is_open:
                    self.line(gui, "Dead", enabled=False)
                    self.line(gui, "Open")
                    with chrome.menu("Recent") as inner:
                        if inner:
                            self.line(gui, "a.svs")
                            self.line(gui, "b.svs")
                    self.line(gui, "Quit")
            with chrome.menu("Help") as is_open:
                if is_open:
                    self.line(gui, "About")
                    self.line(gui, "Keys")
        with chrome.window("form", (0, 60, 400, 300)), ui.panel("form"):
            self.choice = ui.combo("Choice", self.choice, ITEMS)
            saved = ui.menu_button("Save", [Entry("Dead", enabled=False), Entry("Table"), Entry("Picture")])
            if saved is not None:
                self.saved.append(saved)

    def line(self, gui: Gui, label: str, *, enabled: bool = True) -> None:
        if gui.chrome.menu_item(label, enabled=enabled):
            self.chosen.append(label)


@pytest.fixture
def form() -> Form:
    return Form()


@pytest.fixture
def p(pilot: Callable[..., Any], form: Form) -> Any:
    return pilot(form)


def press(p: Any, *keys: int, mods: int = 0) -> None:
    for key in keys:
        p.put(Key(key, 0, True, mods), Key(key, 0, False, mods))
        p.settle()


def tap_alt(p: Any) -> None:
    p.put(Key(KEY_LEFT_ALT, 0, True, 0), Key(KEY_LEFT_ALT, 0, False, MOD_ALT))
    p.settle()


def test_f10_opens_the_first_menu_and_enter_chooses(p: Any, form: Form) -> None:
    press(p, KEY_F10)
    assert "Open" in p.labels("menu")
    assert p.gui.wants_keyboard
    press(p, KEY_ENTER)
    assert form.chosen == ["Open"], "lines that can't be chosen are passed by"
    assert "Open" not in p.labels("menu")
    tap_alt(p)
    press(p, KEY_UP, KEY_SPACE)
    assert form.chosen == ["Open", "Quit"], "from the first to the last"


def test_keys_right_after_alt_are_for_the_menu_it_opens(p: Any, form: Form) -> None:
    for key in (KEY_LEFT_ALT, KEY_LEFT, KEY_ENTER):
        p.put(Key(key, 0, True, 0), Key(key, 0, False, MOD_ALT if key == KEY_LEFT_ALT else 0))
    p.settle()
    assert form.chosen == ["About"], "not what the first menu begins with"


def test_arrows_go_through_menus_and_into_those_in_a_menu(p: Any, form: Form) -> None:
    press(p, KEY_F10, KEY_RIGHT)
    assert "About" in p.labels("menu")
    assert "Open" not in p.labels("menu")
    press(p, KEY_RIGHT, KEY_DOWN, KEY_RIGHT)
    assert "a.svs" in p.labels("menu")
    press(p, KEY_ESCAPE)
    assert "a.svs" not in p.labels("menu")
    assert "Open" in p.labels("menu"), "only the inner one closed"
    press(p, KEY_ENTER, KEY_DOWN, KEY_LEFT)
    assert "a.svs" not in p.labels("menu")
    press(p, KEY_RIGHT, KEY_DOWN, KEY_ENTER)
    assert form.chosen == ["b.svs"]
    assert "Open" not in p.labels("menu")
    press(p, KEY_F10, KEY_LEFT, KEY_END, KEY_ENTER)
    assert form.chosen == ["b.svs", "Keys"]
    press(p, KEY_F10, KEY_RIGHT, KEY_ENTER)
    assert form.chosen[-1] == "About"


@pytest.mark.parametrize("key", [KEY_ESCAPE, KEY_F10])
def test_closing_chooses_nothing(p: Any, form: Form, key: int) -> None:
    press(p, KEY_F10, KEY_DOWN, key)
    assert "Open" not in p.labels("menu")
    assert not p.gui.wants_keyboard
    press(p, KEY_ENTER)
    assert form.chosen == []


def test_alt_with_something_else_is_no_tap(p: Any) -> None:
    p.put(Key(KEY_LEFT_ALT, 0, True, 0), Key(ord("5"), 0, True, MOD_ALT), Key(ord("5"), 0, False, MOD_ALT))
    p.put(Key(KEY_LEFT_ALT, 0, False, MOD_ALT))
    p.settle()
    assert "Open" not in p.labels("menu")


def test_a_resting_pointer_opens_no_other_menu_and_a_menu_opened_by_mouse_takes_arrows(p: Any, form: Form) -> None:
    p.put(MouseMove(*p.control("Help", "menu").middle))
    p.settle()
    press(p, KEY_F10)
    assert "Open" in p.labels("menu")
    press(p, KEY_ESCAPE)
    p.click("Help", "menu")
    assert "About" in p.labels("menu")
    press(p, KEY_DOWN, KEY_ENTER)
    assert form.chosen == ["About"]


def test_the_lit_line_is_seen(p: Any) -> None:
    press(p, KEY_F10)
    p.frame()
    left, top, width, height = (round(value) for value in p.control("Quit", "menu").rect)
    before = p.picture()[top : top + height, left : left + width].astype(int)
    press(p, KEY_UP)
    p.frame()
    now = p.picture()[top : top + height, left : left + width].astype(int)
    assert (abs(now - before).max(axis=2) > 20).sum() > 200


def test_a_fields_list_drops_down_and_is_chosen_from(p: Any, form: Form) -> None:
    press(p, KEY_TAB, KEY_SPACE)
    assert p.control("item 1").value is True
    press(p, KEY_DOWN, KEY_DOWN)
    assert form.choice == 1, "nothing is chosen before Enter"
    press(p, KEY_ENTER)
    assert form.choice == 3
    assert p.find("item 1") is None
    press(p, KEY_DOWN)
    assert form.choice == 4, "the field still has the keyboard"
    press(p, KEY_DOWN, mods=MOD_ALT)
    assert p.find("item 4") is not None
    press(p, KEY_END)
    assert p.find("item 39") is not None, "it scrolls along"
    press(p, KEY_ESCAPE)
    assert (form.choice, p.find("item 39")) == (4, None)
    press(p, KEY_UP)
    assert form.choice == 3, "Escape closed the list and left the keyboard where it was"


def test_a_buttons_list_is_chosen_from(p: Any, form: Form) -> None:
    press(p, KEY_TAB, KEY_TAB, KEY_ENTER)
    assert p.find("Picture") is not None
    press(p, KEY_DOWN, KEY_ENTER)
    assert form.saved == [2]
    press(p, KEY_ENTER, KEY_UP, KEY_ENTER)
    assert form.saved == [2, 1]


def test_keys_that_come_faster_than_frames_all_count(p: Any, form: Form) -> None:
    for key in (KEY_F10, KEY_LEFT, KEY_DOWN, KEY_ENTER, KEY_TAB, KEY_SPACE, KEY_DOWN, KEY_ENTER):
        p.put(Key(key, 0, True), Key(key, 0, False))
    p.settle()
    assert form.chosen == ["Keys"]
    assert form.choice == 2


def test_the_menu_beside_it_takes_over_at_its_own_place(p: Any) -> None:
    def lines() -> list[tuple[str, tuple[float, ...]]]:
        return [(c.label, c.rect) for c in p.gui.controls if c.kind == "item"]

    press(p, KEY_F10)
    p.put(Key(KEY_RIGHT, 0, True))
    p.frame()
    # The two share a window, which must not grow with the lines of both.
    assert "Open" not in [label for label, _ in lines()]
    p.frame()
    shown = lines()
    p.settle()
    assert shown == lines()
