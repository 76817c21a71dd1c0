"""Buttons that open a list of things to do."""

from __future__ import annotations

from collections.abc import Sequence

import imgui

from studio.gui import scopes
from studio.gui.base import FRAME_HEIGHT, ROUNDING, Base, Hit
from studio.gui.control import Entry, Rect
from studio.gui.state import DISABLED_ALPHA

PADDING_X, PADDING, SPACING = 10, 8, 6

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
        return self._dropped(label, hit, entries)

    def flat_menu_button(
        self, label: str, width: float, height: float, entries: Sequence[Entry], *, text: str, tooltip: str = ""
    ) -> int | None:
        """As `menu_button`, but a short text that gets a face only under the pointer, of a size in window units."""
        state = self._state
        hit = self._hit(label, width, height)
        left, top = hit.rect[:2]
        if hit.hovered or hit.held:
            self._paint.fill(hit.rect, state.theme.hover, state.px(ROUNDING))
        arrow = state.px(16)
        place = (left, top, width - arrow, height)
        self._paint.text_in(place, text, state.theme.text, font=state.fonts.small, align=0.5)
        self._paint.icon_in((left + width - arrow, top, arrow, height), "chevron_down", state.theme.dim)
        self._done(label, "menu", True, text, tooltip)
        return self._dropped(label, hit, entries)

    def _dropped(self, label: str, hit: Hit, entries: Sequence[Entry]) -> int | None:
        """The list under what `hit` is; the index of the entry pressed now, or None."""
        state = self._state
        name = f"menu {label}"
        if hit.pressed:
            imgui.open_popup(name)
        imgui.set_next_window_position(*self._popup_at(hit.rect, entries))
        padding: dict[int, float | tuple[float, float]] = {
            imgui.STYLE_WINDOW_PADDING: (state.px(PADDING_X), state.px(PADDING))
        }
        with scopes.styles(padding), imgui.begin_popup(name) as popup:
            return self._entries(label, entries) if popup.opened else None

    def _popup_at(self, rect: Rect, entries: Sequence[Entry]) -> tuple[float, float]:
        """Below the button, or above it where the window ends; further left where it would end beside it."""
        state = self._state
        left, top, _, height = rect
        with scopes.font(state.fonts.text):
            tall = len(entries) * (imgui.get_text_line_height() + state.px(SPACING)) + 2 * state.px(PADDING)
        wide = max((self._text_width(entry.label) for entry in entries), default=0.0) + 2 * state.px(PADDING_X)
        below = top + height + state.px(2)
        return (
            max(0.0, min(left, state.size[0] - wide - state.px(2))),
            below if below + tall <= state.size[1] else max(0.0, top - state.px(2) - tall),
        )

    def _entries(self, label: str, entries: Sequence[Entry]) -> int | None:
        state, chosen = self._state, None
        current = next((number for number, entry in enumerate(entries) if entry.current), _NO_ENTRY)
        pressed_at = self._list_keys(label, [entry.enabled for entry in entries], current)
        with scopes.styles({imgui.STYLE_ITEM_SPACING: (state.px(8), state.px(SPACING))}):
            for number, entry in enumerate(entries):
                # Not the binding's own way to disable it, under which nothing would explain why.
                flags = 0 if entry.enabled else imgui.SELECTABLE_DONT_CLOSE_POPUPS
                with scopes.styles({} if entry.enabled else {imgui.STYLE_ALPHA: DISABLED_ALPHA}):
                    pressed, _ = imgui.selectable(f"{entry.label}##{number}", entry.current, flags)
                if (pressed or number == pressed_at) and entry.enabled:
                    chosen = number
                self._show_lit(number)
                self._done(entry.label, "option", entry.enabled, entry.current or None, entry.tooltip)
        return chosen
