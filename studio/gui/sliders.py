"""Sliders whose number can be typed as well."""

from __future__ import annotations

import imgui

from studio.gui.base import FRAME_HEIGHT
from studio.gui.fields import KNOB, Fields, parse_integer, parse_number

NUMBER_WIDTH = 62


class Sliders(Fields):
    """Mixin of `Ui`."""

    def tuner(
        self,
        label: str,
        value: float,
        low: float,
        high: float,
        *,
        step: float = 0.01,
        fmt: str = "%.2f",
        neutral: float | None = None,
        enabled: bool = True,
        tooltip: str = "",
    ) -> float:
        """A knob on a track with its number in a field beside it; the value it has now, while it is dragged too.

        Args:
            label: the field is reported as this with `value` behind it.
            value: may lie beyond the track: numbers outside of it can be typed.
            low: value at the track's left end.
            high: value at its right end.
            step: what dragging rounds to; a whole number makes the value one.
            fmt: how the number is written.
            neutral: a value to mark on the track, and to return to with a double click on it.
            enabled: whether it can be changed.
            tooltip: what it is for.
        """
        state = self._state
        room, number = self._labelled(label, enabled), state.px(NUMBER_WIDTH)
        gap = state.px(6)
        value = self._track(label, value, (low, high), step, neutral, room - number - gap, enabled, tooltip)
        imgui.same_line(spacing=gap)
        name = f"{label} value"
        draft, left = self._edit(name, fmt % value, number, enabled)
        self._done(name, "number", enabled, value, tooltip)
        if left and draft != fmt % value:
            whole = step >= 1
            typed = parse_integer(draft) if whole else parse_number(draft)
            if typed is None:
                kind = "a whole number" if whole else "a number"
                self._refuse(f"{label} must be {kind}, not “{draft.strip()[:40]}”.")
            else:
                value = typed
        return value

    def _track(
        self,
        label: str,
        value: float,
        ends: tuple[float, float],
        step: float,
        neutral: float | None,
        room: float,
        enabled: bool,
        tooltip: str,
    ) -> float:
        state, theme, (low, high) = self._state, self._state.theme, ends
        hit = self._hit(label, room, state.px(FRAME_HEIGHT), enabled=enabled, stepped=True)
        left, top, width, height = hit.rect
        knob = state.px(KNOB)
        if hit.held and state.double_click and neutral is not None:
            value = neutral
        elif hit.held:
            share = (imgui.get_mouse_pos()[0] - left - knob) / max(1.0, width - 2 * knob)
            wanted = low + min(1.0, max(0.0, share)) * (high - low)
            value = round(round(wanted / step) * step, 9)
        elif enabled and state.focus.is_on((state.panel, label)):
            value = round(value + self._key_steps() * step, 9)
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        x, y = left + knob + share * (width - 2 * knob), top + height / 2
        thick = state.px(4)
        with self._dimmed(enabled):
            track = (left + knob, y - thick / 2, width - 2 * knob, thick)
            self._paint.fill(track, theme.field_border, thick / 2)
            self._paint.fill((*track[:2], x - left - knob, thick), theme.accent, thick / 2)
            if neutral is not None and low <= neutral <= high:
                mark = left + knob + (neutral - low) / (high - low) * (width - 2 * knob)
                self._paint.line((mark, y - state.px(7)), (mark, y + state.px(7)), theme.dim)
            self._paint.disc((x, y), knob, self._button_color(hit, primary=True))
        self._done(label, "slider", enabled, value, tooltip)
        return value
