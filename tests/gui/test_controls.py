"""Real controls under a real pointer and keyboard: what pressing, dragging and typing does."""

from __future__ import annotations

from typing import Any

import pytest

from studio.gui.events import MouseButton, MouseMove
from studio.gui.fields import parse_integer, parse_number


class Form:
    """A panel with one control of each kind, and what became of them."""

    def __init__(self) -> None:
        self.enabled = True
        self.pressed: list[str] = []
        self.refused: list[str] = []
        self.tick, self.choice = False, "a"
        self.number, self.whole = 10.0, 3
        self.alpha, self.index, self.text = 0.5, 0, "name"
        self.items = ["first", "second", "third"]
        self.bounds: dict[str, Any] = {}

    def __call__(self, gui: Any) -> None:
        gui.state.on_refused = self.refused.append
        ui, on = gui.ui, self.enabled
        with gui.chrome.window("form", (20, 20, 360, 700), padding=(12, 12)), ui.panel("form"):
            if ui.button("Press", enabled=on, tooltip="Press me."):
                self.pressed.append("Press")
            if ui.icon_button("Icon", "plus", enabled=on):
                self.pressed.append("Icon")
            self.tick = ui.checkbox("Tick", self.tick, enabled=on)
            for name in ("a", "b"):
                if ui.radio(name, self.choice == name, enabled=on):
                    self.choice = name
            self.number = ui.number("Number", self.number, step=0.5, unit="µm", enabled=on, **self.bounds)
            self.whole = ui.integer("Whole", self.whole, step=5, low=0, enabled=on)
            self.alpha = ui.slider("Alpha", self.alpha, 0.0, 1.0, enabled=on)
            self.index = ui.combo("List", self.index, self.items, enabled=on)
            self.text, _ = ui.text_field("Text", self.text, enabled=on)
            if ui.row("Row", icon="file", detail="detail", enabled=on):
                self.pressed.append("Row")


@pytest.fixture
def form() -> Form:
    return Form()


@pytest.fixture
def p(pilot: Any, form: Form) -> Any:
    return pilot(form)


@pytest.mark.parametrize("label", ["Press", "Icon", "Row"])
def test_pressing(p: Any, form: Form, label: str) -> None:
    p.click(label)
    assert form.pressed == [label]
    p.click(label, times=3)
    assert form.pressed == [label] * 4


def test_letting_go_outside_presses_nothing(p: Any, form: Form) -> None:
    p.drag(p.control("Press").middle, (900, 700))
    assert form.pressed == []


def test_ticks_and_radio_buttons(p: Any, form: Form) -> None:
    p.click("Tick")
    assert form.tick
    assert p.control("Tick").value is True
    p.click("Tick")
    assert not form.tick
    p.click("b")
    assert form.choice == "b"
    p.frame()
    assert (p.control("a").value, p.control("b").value) == (False, True)


def test_slider_follows_the_pointer_and_stops_at_its_ends(p: Any, form: Form) -> None:
    left, top, width, height = p.control("Alpha").rect
    y = top + height / 2
    p.drag((left + width / 2, y), (left + width * 0.75, y), release=False)
    assert form.alpha == pytest.approx(0.75, abs=0.05)
    p.put(MouseMove(left - 100, y + 200))
    p.settle()
    assert form.alpha == 0.0
    p.put(MouseMove(left + width + 100, y))
    p.settle()
    assert form.alpha == 1.0
    p.put(MouseButton(0, False))
    p.settle()
    assert p.control("Alpha").value == 1.0


@pytest.mark.parametrize(
    ("typed", "value"), [("8.35", 8.35), ("8,35", 8.35), ("-2", -2.0), ("1e1", 10.0), (" 7 ", 7.0), ("9 µm", 9.0)]
)
def test_a_typed_number_counts_with_enter(p: Any, form: Form, typed: str, value: float) -> None:
    p.type_into("Number", typed, commit=False)
    assert form.number == 10.0
    p.key("Enter")
    assert form.number == value
    assert form.refused == []


def test_a_typed_number_counts_when_the_field_is_left(p: Any, form: Form) -> None:
    p.type_into("Number", "12.5", commit=False)
    p.click_at(900, 700)
    assert form.number == 12.5
    p.type_into("Number", "13", commit=False)
    p.click("Press")
    assert form.number == 13.0
    assert form.pressed == ["Press"]


def test_tab_goes_to_the_next_field_and_keeps_what_was_typed(p: Any, form: Form) -> None:
    p.type_into("Number", "4", commit=False)
    p.key("Tab")
    assert form.number == 4.0
    p.key("a", ctrl=True)
    p.type("9")
    p.key("Enter")
    assert form.whole == 9


def test_escape_drops_what_was_typed(p: Any, form: Form) -> None:
    p.type_into("Number", "99", commit=False)
    p.key("Esc")
    assert form.number == 10.0
    assert form.refused == []


@pytest.mark.parametrize("typed", ["ten", "", "1.2.3", "nan", "inf", "1_0", "5 mm"])
def test_text_that_is_no_number_is_refused_in_words(p: Any, form: Form, typed: str) -> None:
    p.type_into("Number", typed or "x", commit=False)
    if not typed:
        p.key("Backspace")
    p.key("Enter")
    assert form.number == 10.0
    assert len(form.refused) == 1
    assert "Number must be a number" in form.refused[0]
    p.type_into("Number", "11")
    assert form.number == 11.0


def test_looking_at_a_number_does_not_round_it(p: Any, form: Form) -> None:
    form.number = 8.3456789
    p.frame()
    x, y, _, height = p.control("Number").rect
    p.click_at(x + 12, y + height / 2)
    p.key("Enter")
    assert form.number == 8.3456789


def test_bounds_refuse_what_is_typed_and_stop_steps(p: Any, form: Form) -> None:
    form.bounds = {"low": 1.0, "high": 10.2}
    p.type_into("Number", "0")
    assert form.number == 10.0
    assert form.refused == ["Number must lie between 1 and 10.2, not 0."]
    p.click("Number +")
    assert form.number == 10.2
    form.number = 1.2
    p.click("Number −")
    assert form.number == 1.0


def test_steps_add_without_float_dust(p: Any, form: Form) -> None:
    form.number = 0.1
    p.click("Number +")
    p.click("Number −")
    assert form.number == 0.1
    p.click("Whole −")
    assert form.whole == 0
    p.click("Whole +", times=2)
    assert form.whole == 10


def test_a_step_after_typing_takes_the_typed_number(p: Any, form: Form) -> None:
    p.type_into("Number", "20", commit=False)
    p.click("Number +")
    assert form.number == 20.5


def test_whole_numbers_refuse_fractions(p: Any, form: Form) -> None:
    p.type_into("Whole", "2.5")
    assert form.whole == 3
    assert "whole number" in form.refused[0]


def test_choosing_from_a_list(p: Any, form: Form) -> None:
    p.click("List")
    assert [c.label for c in p.gui.controls if c.kind == "option"] == form.items
    assert p.gui.wants_keyboard
    p.click("third")
    assert form.index == 2
    assert p.control("List").value == "third"
    assert p.find("first") is None


def test_escape_and_a_click_elsewhere_close_a_list(p: Any, form: Form) -> None:
    for close in (lambda: p.key("Esc"), lambda: p.click_at(900, 700)):
        p.click("List")
        assert p.find("third") is not None
        close()
        assert p.find("third") is None
        assert form.index == 0


def test_a_long_list_scrolls(p: Any, form: Form) -> None:
    form.items = [f"item {number}" for number in range(80)]
    p.click("List")
    shown = [c for c in p.gui.controls if c.kind == "option"]
    assert 5 < len(shown) < 40
    assert p.find("item 79") is None
    p.wheel(*shown[2].middle, -100)
    p.click("item 79")
    assert form.index == 79
    # It opens where the choice is.
    p.click("List")
    assert p.find("item 79") is not None


def test_text_is_edited_letter_by_letter(p: Any, form: Form) -> None:
    p.click("Text")
    p.key("a", ctrl=True)
    p.type("ab")
    assert form.text == "ab"
    p.key("Backspace")
    p.type("c")
    assert form.text == "ac"


def test_clipboard(p: Any, form: Form) -> None:
    p.click("Text")
    p.key("a", ctrl=True)
    p.key("c", ctrl=True)
    assert p.clipboard == "name"
    p.clipboard = "µ – …"
    p.key("v", ctrl=True)
    assert form.text == "µ – …"


def test_disabled_controls_are_there_and_do_nothing(p: Any, form: Form) -> None:
    form.enabled = False
    p.settle()
    before = (form.tick, form.choice, form.number, form.whole, form.alpha, form.index, form.text)
    for label in ("Press", "Icon", "Tick", "b", "Number", "Number +", "Whole −", "Alpha", "List", "Text", "Row"):
        assert not p.control(label).enabled
        p.click(label)
        p.type("7")
        p.key("Enter")
    assert form.pressed == []
    assert (form.tick, form.choice, form.number, form.whole, form.alpha, form.index, form.text) == before


def test_a_field_disabled_while_typing_drops_it(p: Any, form: Form) -> None:
    p.type_into("Number", "77", commit=False)
    form.enabled = False
    p.settle()
    form.enabled = True
    p.settle()
    p.key("Enter")
    assert form.number == 10.0
    assert not p.gui.wants_keyboard


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("3.0", 3), ("−4", -4), ("3.5", None), ("x", None), ("", None)])
def test_parse_integer(text: str, value: int | None) -> None:
    assert parse_integer(text) == value


@pytest.mark.parametrize(("text", "value"), [("1,234.5", None), ("1,5", 1.5), ("1,2,3", None), ("+.5", 0.5)])
def test_parse_number(text: str, value: float | None) -> None:
    assert parse_number(text) == value
