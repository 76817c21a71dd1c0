"""Buttons that open a list of things to do."""

from __future__ import annotations

from collections.abc import Sequence

import imgui

from studio.gui import scopes
from studio.gui.base import FRAME_HEIGHT, ROUNDING, Base
from studio.gui.control import Entry
from studio.gui.state import DISABLED_ALPHA

PADDING, SPACING = 8, 6

_NO_ENTRY = -1


class Menus(Base):
    """Mixin of `Ui`."""

    def menu_button(
        self, label: str, entries: Sequence[Entry], *, enabled: bool = True, tooltip: str = ""
    ) -> int | None:
        """A button that opens a list of entries; the index of the one pressed now, or None."""
        state = self._state
        self._cell()
        width = self._room() if self._grid else self._text_width(label) + state.px(48)
        hit = self._hit(label, width, state.px(FRAME_HEIGHT + 2), enabled=enabled)
        left, top, _, height = hit.rect
        with self._dimmed(enabled):
            self._paint.fill(hit.rect, self._button_color(hit, primary=False), state.px(ROUNDING))
            arrow = state.px(20)
            self._paint.text_in((left, top, width - arrow, height), label, state.theme.text, align=0.5)
            at = (left + width - arrow - state.px(4), top, arrow, height)
            self._paint.icon_in(at, "chevron_down", state.theme.dim)
        self._done(label, "menu", enabled, None, tooltip)
        name = f"menu {label}"
        if hit.pressed:
            imgui.open_popup(name)
        imgui.set_next_window_position(left, self._popup_top(top, height, len(entries)))
        padding: dict[int, float | tuple[float, float]] = {
            imgui.STYLE_WINDOW_PADDING: (state.px(10), state.px(PADDING))
        }
        with scopes.styles(padding), imgui.begin_popup(name) as popup:
            return self._entries(label, entries) if popup.opened else None

    def _popup_top(self, top: float, height: float, entries: int) -> float:
        """Below the button, or above it where the window ends."""
        state = self._state
        with scopes.font(state.fonts.text):
            tall = entries * (imgui.get_text_line_height() + state.px(SPACING)) + 2 * state.px(PADDING)
        below = top + height + state.px(2)
        return below if below + tall <= state.size[1] else max(0.0, top - state.px(2) - tall)

    def _entries(self, label: str, entries: Sequence[Entry]) -> int | None:
        state, chosen = self._state, None
        pressed_at = self._list_keys(label, [entry.enabled for entry in entries], _NO_ENTRY)
        with scopes.styles({imgui.STYLE_ITEM_SPACING: (state.px(8), state.px(SPACING))}):
            for number, entry in enumerate(entries):
                # Not the binding's own way to disable it, under which nothing would explain why.
                flags = 0 if entry.enabled else imgui.SELECTABLE_DONT_CLOSE_POPUPS
                with scopes.styles({} if entry.enabled else {imgui.STYLE_ALPHA: DISABLED_ALPHA}):
                    pressed, _ = imgui.selectable(f"{entry.label}##{number}", False, flags)
                if (pressed or number == pressed_at) and entry.enabled:
                    chosen = number
                self._show_lit(number)
                self._done(entry.label, "option", entry.enabled, None, entry.tooltip)
        return chosen
