"""The keyboard reaches every control: Tab, Shift+Tab, Space, Enter, arrows; held buttons go on stepping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from studio.gui.events import (
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_SPACE,
    KEY_TAB,
    KEY_UP,
    MOD_SHIFT,
    Key,
    MouseButton,
    MouseMove,
)
from studio.gui.gui import Gui


class Form:
    """A panel with one control of each kind, and a row of buttons below the fold."""

    def __init__(self) -> None:
        self.pressed: list[str] = []
        self.ticked = False
        self.alpha = 0.5
        self.count = 3
        self.choice = 0
        self.name = "x"
        self.dialog = False

    def __call__(self, gui: Gui) -> None:
        ui = gui.ui
        with gui.chrome.window("form", (0, 0, 400, 300)), ui.panel("form"):
            if ui.button("Dead", enabled=False):
                self.pressed.append("Dead")
            if ui.button("Go"):
                self.pressed.append("Go")
            self.ticked = ui.checkbox("Tick", self.ticked)
            self.alpha = ui.slider("Alpha", self.alpha, 0.0, 1.0)
            self.count = ui.integer("Count", self.count, low=0, high=99)
            self.choice = ui.combo("Choice", self.choice, ["a", "b", "c"])
            self.name, _ = ui.text_field("Name", self.name)
            if ui.button("Last"):
                self.pressed.append("Last")
        if self.dialog:
            with gui.chrome.modal("d", "Sure?", width=300):
                for name in ("No", "Yes"):
                    if ui.button(name):
                        self.pressed.append(name)


@pytest.fixture
def form() -> Form:
    return Form()


@pytest.fixture
def p(pilot: Callable[..., Any], form: Form) -> Any:
    return pilot(form)


def tab(p: Any, times: int = 1, *, back: bool = False) -> None:
    for _ in range(times):
        mods = MOD_SHIFT if back else 0
        p.put(Key(KEY_TAB, 0, True, mods), Key(KEY_TAB, 0, False, mods))
        p.settle()


def press(p: Any, key: int) -> bool:
    """Whether the gui took the key."""
    p.put(Key(key, 0, True))
    p.frame()
    taken = p.gui.takes(Key(key, 0, True))
    p.put(Key(key, 0, False))
    p.settle()
    return bool(taken)


def test_every_control_is_reached_and_works(p: Any, form: Form) -> None:
    assert not press(p, KEY_SPACE), "nothing has the keyboard"
    tab(p)
    press(p, KEY_SPACE)
    assert form.pressed == ["Go"]
    tab(p)
    assert press(p, KEY_SPACE)
    assert form.ticked
    assert not press(p, KEY_RIGHT), "arrows stay the camera's where they change nothing"
    tab(p)
    assert press(p, KEY_RIGHT)
    press(p, KEY_RIGHT)
    press(p, KEY_LEFT)
    assert form.alpha == pytest.approx(0.52)
    tab(p)
    p.type("7")
    tab(p)
    assert form.count == 7, "what was typed counts when Tab leaves the field"
    tab(p, back=True)
    press(p, KEY_UP)
    press(p, KEY_UP)
    press(p, KEY_DOWN)
    assert form.count == 8
    p.type("5")
    press(p, KEY_UP)
    assert form.count == 6, "a step from what was typed"
    tab(p)
    press(p, KEY_RIGHT)
    assert form.choice == 1
    tab(p)
    p.type("y")
    tab(p)
    assert form.name == "y"
    press(p, KEY_SPACE)
    assert form.pressed == ["Go", "Last"]
    tab(p)
    press(p, KEY_SPACE)
    assert form.pressed == ["Go", "Last", "Go"], "from the last to the first"
    tab(p, back=True)
    press(p, KEY_SPACE)
    assert form.pressed[-1] == "Last"


def test_the_mouse_takes_the_ring_away_and_tab_goes_on_from_there(p: Any, form: Form) -> None:
    tab(p)
    p.click("Tick")
    assert not press(p, KEY_SPACE)
    assert form.ticked
    tab(p)
    press(p, KEY_RIGHT)
    assert form.alpha == pytest.approx(0.52)


def test_escape_gives_the_keys_back(p: Any, form: Form) -> None:
    tab(p)
    assert press(p, 256)
    assert not press(p, KEY_SPACE)
    assert not press(p, 256)
    assert form.pressed == []


def test_in_a_dialog_tab_stays_in_it(p: Any, form: Form) -> None:
    form.dialog = True
    p.settle()
    tab(p, 3)
    press(p, KEY_SPACE)
    assert form.pressed == ["No"]


def test_the_ring_is_seen(p: Any, form: Form) -> None:
    p.frame()
    before = p.picture().astype(int)
    tab(p)
    p.frame()
    changed = abs(p.picture().astype(int) - before).max(axis=2) > 30
    left, top, width, height = (round(v) for v in p.control("Go").rect)
    assert changed[max(0, top - 4) : top + height + 4, max(0, left - 4) : left + width + 4].sum() > 100


def test_a_held_step_goes_on(p: Any, form: Form) -> None:
    p.put(MouseMove(*p.control("Count +").middle), MouseButton(0, True))
    for _ in range(5):
        p.frame()
    assert form.count == 3
    for _ in range(60):
        assert p.gui.next_frame_s == 0.0, "frames come while it is held"
        p.frame()
    held = form.count
    assert held > 8
    p.put(MouseButton(0, False))
    p.settle()
    assert form.count == held
    p.click("Count +")
    assert form.count == held + 1, "a click is one step"
