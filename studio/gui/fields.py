"""Controls with a value: numbers, text, sliders, lists to choose from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import imgui

from studio.gui import scopes
from studio.gui.base import FRAME_HEIGHT, ROUNDING, Base
from studio.gui.control import Rect
from studio.gui.events import KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_UP
from studio.gui.focus import PRESSING
from studio.gui.theme import Color

KNOB = 7.0

KEY_STEPS = 50
"""Presses of an arrow key that bring a slider from one end to the other."""


def parse_number(text: str) -> float | None:
    """A typed number, with a point or a comma; None for anything else, `nan` and `inf` included."""
    text = text.strip().replace("−", "-")
    if "." not in text and text.count(",") == 1:
        text = text.replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def parse_integer(text: str) -> int | None:
    """A typed whole number; None for anything else."""
    value = parse_number(text)
    return int(value) if value is not None and value == int(value) else None


class Fields(Base):
    """Mixin of `Ui`."""

    def number(
        self,
        label: str,
        value: float,
        *,
        step: float = 0.1,
        fmt: str = "%.2f",
        low: float | None = None,
        high: float | None = None,
        unit: str = "",
        enabled: bool = True,
        tooltip: str = "",
        focus: bool = False,
    ) -> float:
        """A number to type, with buttons that take `step` from it and add it; the value it has now.

        `focus` puts the keyboard into it, so that what is typed replaces it.
        What is typed counts with Enter or once another control is used. Text
        that is no number, or out of bounds, is refused in words.
        """
        if focus:
            self._state.type_into = (self._state.panel, label)
        typed, steps = self._stepped(label, fmt % value, value, unit, enabled, tooltip)
        if typed is not None:
            parsed = parse_number(typed.removesuffix(unit) if unit else typed)
            if parsed is None:
                self._refuse(f"{label} must be a number, not “{typed.strip()[:40]}”.")
            else:
                value = self._bounded(label, parsed, low, high, value)
        if steps:
            value = _clamped(round(value + steps * step, 9), low, high)
        return value

    def integer(
        self,
        label: str,
        value: int,
        *,
        step: int = 1,
        low: int | None = None,
        high: int | None = None,
        enabled: bool = True,
        tooltip: str = "",
    ) -> int:
        """A whole number to type, with buttons for steps; as `number` otherwise."""
        typed, steps = self._stepped(label, str(value), value, "", enabled, tooltip)
        if typed is not None:
            parsed = parse_integer(typed)
            if parsed is None:
                self._refuse(f"{label} must be a whole number, not “{typed.strip()[:40]}”.")
            else:
                value = int(self._bounded(label, parsed, low, high, value))
        return int(_clamped(value + steps * step, low, high)) if steps else value

    def text_field(
        self, label: str, text: str, *, labelled: bool = False, enabled: bool = True, tooltip: str = "",
        focus: bool = False,
    ) -> tuple[str, bool]:  # fmt: skip
        """A line of text; the text as it is typed, and whether the field was left in this frame.

        `labelled` writes the label beside it, `focus` puts the keyboard into it.
        """
        width = self._labelled(label, enabled) if labelled else self._room()
        if focus:
            imgui.set_keyboard_focus_here()
        draft, left = self._edit(label, text, width, enabled)
        self._done(label, "text", enabled, draft, tooltip)
        return draft, left

    def slider(
        self,
        label: str,
        value: float,
        low: float,
        high: float,
        *,
        fmt: str = "%.2f",
        enabled: bool = True,
        tooltip: str = "",
    ) -> float:
        """A knob on a track; the value it has now, while it is dragged too."""
        state, theme = self._state, self._state.theme
        room = self._labelled(label, enabled)
        number = state.px(44)
        hit = self._hit(label, room - number, state.px(FRAME_HEIGHT), enabled=enabled, stepped=True)
        left, top, width, height = hit.rect
        knob = state.px(KNOB)
        if hit.held:
            share = (imgui.get_mouse_pos()[0] - left - knob) / max(1.0, width - 2 * knob)
            value = low + min(1.0, max(0.0, share)) * (high - low)
            value = round(value, 3)
        elif enabled and state.focus.is_on((state.panel, label)):
            value = round(_clamped(value + self._key_steps() * (high - low) / KEY_STEPS, low, high), 3)
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        x, y = left + knob + share * (width - 2 * knob), top + height / 2
        thick = state.px(4)
        with self._dimmed(enabled):
            track = (left + knob, y - thick / 2, width - 2 * knob, thick)
            self._paint.fill(track, theme.field_border, thick / 2)
            self._paint.fill((*track[:2], x - left - knob, thick), theme.accent, thick / 2)
            self._paint.disc((x, y), knob, self._button_color(hit, primary=True))
            self._paint.text_in((left + width, top, number, height), fmt % value, theme.dim, align=1.0)
        self._done(label, "slider", enabled, value, tooltip)
        return value

    def combo(self, label: str, index: int, items: Sequence[str], *, enabled: bool = True, tooltip: str = "") -> int:
        """A list to choose one from, which scrolls when it is long; the index chosen now."""
        state = self._state
        width = self._labelled(label, enabled)
        left, top = imgui.get_cursor_screen_pos()
        rect: Rect = (left, top, width, state.px(FRAME_HEIGHT))
        shown = self._elided(items[index], width - state.px(36)) if items else ""
        if enabled:
            chosen = self._list(label, index, items, shown, width, tooltip)
        else:
            chosen = index
            self._dead_field(label, shown, rect)
            state.tooltip(label, tooltip, hovered=imgui.is_item_hovered())
        with self._dimmed(enabled):
            arrow = (left + width - state.px(27), top, state.px(24), rect[3])
            self._paint.icon_in(arrow, "chevron_down", state.theme.dim)
        state.record(label, "combo", enabled=enabled, value=items[chosen] if items else None, rect=rect)
        return chosen

    def _list(self, label: str, index: int, items: Sequence[str], shown: str, width: float, tooltip: str) -> int:
        imgui.set_next_item_width(width)
        if items and self._state.focus.is_on((self._state.panel, label)) and self._drops_down(label):
            imgui.open_popup(f"##{label}")
        with self._field_look():
            popup = imgui.begin_combo(f"##{label}", shown, imgui.COMBO_NO_ARROW_BUTTON | imgui.COMBO_HEIGHT_LARGE)
            if popup.opened:
                self._state.focus.add((self._state.panel, label), stepped=True, modal=self._state.in_dialog)
                with popup:
                    return self._options(label, index, items)
            self._state.tooltip(label, tooltip, hovered=imgui.is_item_hovered())
            (left, top), (wide, high) = imgui.get_item_rect_min(), imgui.get_item_rect_size()
            if self._can_have_keyboard(label, (left, top, wide, high), stepped=True) and items:
                # Down is the next one in the list, though it is less of a number.
                down = self._state.take_key(KEY_DOWN, KEY_RIGHT)
                step = int(down) - int(self._state.take_key(KEY_UP, KEY_LEFT))
                index = min(len(items) - 1, max(0, index + step))
        return index

    def _drops_down(self, label: str) -> bool:
        """Whether a key asks for the list of the field that has the keyboard: Space, Enter, or Alt with an arrow."""
        state = self._state
        if imgui.is_popup_open(f"##{label}"):
            return False
        return state.take_key(*PRESSING) or (bool(imgui.get_io().key_alt) and state.take_key(KEY_DOWN, KEY_UP))

    def _options(self, label: str, index: int, items: Sequence[str]) -> int:
        state, chosen = self._state, index
        pressed_at = self._list_keys(label, [True] * len(items), index)
        with scopes.styles({imgui.STYLE_ITEM_SPACING: (state.px(8), state.px(6))}):
            for number, item in enumerate(items):
                pressed, _ = imgui.selectable(f"{item}##{number}", number == index)
                if pressed or number == pressed_at:
                    chosen = number
                self._show_lit(number)
                if number == index and imgui.is_window_appearing():
                    imgui.set_scroll_here_y(0.5)
                state.record(item, "option", enabled=True, value=number == index)
        return chosen

    def _stepped(
        self, label: str, shown: str, value: float, unit: str, enabled: bool, tooltip: str
    ) -> tuple[str | None, int]:
        """A field with minus and plus; the text that was just committed (None: none), and the steps asked for."""
        state = self._state
        room = self._labelled(label, enabled)
        side, gap = state.px(FRAME_HEIGHT), state.px(3)
        left, top = imgui.get_cursor_screen_pos()
        draft, committed = self._edit(label, shown, room - 2 * (side + gap), enabled)
        self._done(label, "number", enabled, value, tooltip)
        steps = self._arrows_in(label)
        committed |= steps != 0
        if unit and not imgui.is_item_active():
            place = (left, top, room - 2 * (side + gap) - state.px(9), side)
            with self._dimmed(enabled):
                self._paint.text_in(place, unit, state.theme.dim, align=1.0)
        for name, icon, direction in (("−", "minus", -1), ("+", "plus", 1)):
            imgui.same_line(spacing=gap)
            steps += direction * self._step_button(f"{label} {name}", icon, enabled)
        return (draft if committed and draft != shown else None), steps

    def _arrows_in(self, label: str) -> int:
        """Steps that arrow keys ask of the number field being typed into, which then shows what came of it."""
        state, key = self._state, (self._state.panel, label)
        if key not in state.drafts:
            return 0
        steps = int(state.take_key(KEY_UP)) - int(state.take_key(KEY_DOWN))
        if steps:
            # The binding keeps the text of a field while it is typed into: it becomes another field.
            del state.drafts[key]
            state.typing_dropped += 1
            state.type_into = key
        return steps

    def _step_button(self, label: str, icon: str, enabled: bool) -> int:
        """A button for steps, which goes on while it is held; how many steps in this frame."""
        state = self._state
        side = state.px(FRAME_HEIGHT)
        hit = self._hit(label, side, side, enabled=enabled, stop=False)
        steps = state.repeat.steps((state.panel, label), held=hit.held, pressed=hit.pressed, now_s=state.now_s)
        if hit.held:
            # Goes on stepping while it is held, which takes frames though nothing happens.
            state.settle = max(1, state.settle)
        with self._dimmed(enabled):
            self._paint.fill(hit.rect, self._button_color(hit, primary=False), state.px(ROUNDING))
            self._paint.icon_in(hit.rect, icon, state.theme.text)
        self._done(label, "button", enabled, None, "")
        return steps

    def _edit(self, label: str, shown: str, width: float, enabled: bool) -> tuple[str, bool]:
        """A text field; its text, and whether it was left (by Enter, Tab or a click elsewhere) in this frame."""
        state = self._state
        key = (state.panel, label)
        before = state.drafts.pop(key, None)
        if not enabled:
            left, top = imgui.get_cursor_screen_pos()
            self._dead_field(label, shown, (left, top, width, state.px(FRAME_HEIGHT)))
            return shown, False
        draft = shown if before is None else before
        imgui.set_next_item_width(width)
        arrived = state.focus.arrived_at(key) or state.type_into == key
        if arrived:
            state.type_into = None
            state.settle = max(1, state.settle)
            imgui.set_keyboard_focus_here()
        with self._field_look():
            _, draft = imgui.input_text(f"##{label}{state.typing_dropped}", draft, -1, imgui.INPUT_TEXT_AUTO_SELECT_ALL)
        if arrived and not imgui.is_item_visible():
            imgui.set_scroll_here_y(0.5)
        state.focus.add(key, stepped=False, modal=state.in_dialog)
        if imgui.is_item_active():
            state.focus.clicked(key)
            state.drafts[key] = draft
            state.drafts_drawn.add(key)
            self._outline_last(state.theme.accent)
            return draft, False
        if before is not None:
            state.field_left = key
        return draft, before is not None

    def _outline_last(self, color: Color) -> None:
        (left, top), (width, height) = imgui.get_item_rect_min(), imgui.get_item_rect_size()
        self._paint.frame(
            (left, top, width, height), color, self._state.px(ROUNDING), max(1.0, self._state.scale * 1.5)
        )

    def _dead_field(self, label: str, shown: str, rect: Rect) -> None:
        """What a disabled field looks like."""
        state = self._state
        self._hit(label, rect[2], rect[3], enabled=False)
        with self._dimmed(False):
            self._paint.fill(rect, state.theme.field, state.px(ROUNDING))
            self._paint.frame(rect, state.theme.field_border, state.px(ROUNDING))
            inner = (rect[0] + state.px(9), rect[1], rect[2] - state.px(18), rect[3])
            self._paint.text_in(inner, shown, state.theme.text)

    @contextmanager
    def _field_look(self) -> Iterator[None]:
        theme = self._state.theme
        with (
            scopes.styles({imgui.STYLE_FRAME_BORDERSIZE: 1.0}),
            scopes.colors({imgui.COLOR_BORDER: theme.field_border}),
        ):
            yield

    def _refuse(self, why: str) -> None:
        self._state.refused = True
        self._state.on_refused(why)

    def _bounded(self, label: str, value: float, low: float | None, high: float | None, before: float) -> float:
        """A typed value if it is within bounds, else the one before."""
        if value == _clamped(value, low, high):
            return value
        if low is not None and high is not None:
            self._refuse(f"{label} must lie between {low:g} and {high:g}, not {value:g}.")
        elif low is not None:
            self._refuse(f"{label} must be {low:g} or more, not {value:g}.")
        else:
            self._refuse(f"{label} must be {high:g} or less, not {value:g}.")
        return before


def _clamped(value: float, low: float | None, high: float | None) -> float:
    if low is not None:
        value = max(low, value)
    return value if high is None else min(high, value)
