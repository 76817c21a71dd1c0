"""What all kinds of controls are built from: a place to press, a label in its column, a grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import imgui

from studio.gui import scopes
from studio.gui.control import Rect
from studio.gui.events import KEY_ESCAPE, KEY_TAB
from studio.gui.focus import LESS, MORE, PRESSING
from studio.gui.lines import text_width
from studio.gui.painter import Painter, elided
from studio.gui.state import DISABLED_ALPHA, GuiState
from studio.gui.theme import Color

FRAME_HEIGHT = 26
"""Height of buttons and fields."""
ROW_HEIGHT = 22
"""Height of ticks and radio buttons."""
LABEL_WIDTH = 112
ROUNDING = 5


@dataclass(frozen=True, slots=True)
class Hit:
    """A place that can be pressed, as the pointer finds it in this frame."""

    rect: Rect
    hovered: bool
    held: bool
    pressed: bool
    """Let go of inside; true in one frame only."""


@dataclass(slots=True)
class _Grid:
    """Columns of equal width that controls are put into one after the other."""

    columns: int
    left: float
    width: float
    gap: float
    index: int = 0


class Base:
    """Shared by the mixins of `Ui`; draws at the binding's cursor."""

    def __init__(self, state: GuiState) -> None:
        self._state = state
        self._paint = Painter(state)
        self._grid: _Grid | None = None
        self._label_width: float = LABEL_WIDTH

    @contextmanager
    def labels(self, width: float) -> Iterator[None]:
        """Fields inside have their labels in a column of a width of the design."""
        before, self._label_width = self._label_width, width
        try:
            yield
        finally:
            self._label_width = before

    @contextmanager
    def panel(self, name: str) -> Iterator[None]:
        """Controls inside are reported, and told apart, as those of a panel."""
        with self._state.in_panel(name), scopes.identified(name):
            yield

    @contextmanager
    def grid(self, columns: int) -> Iterator[None]:
        """Buttons, ticks and radio buttons inside stand side by side in columns of equal width."""
        gap = self._state.px(8)
        width = (self._room() - gap * (columns - 1)) / columns
        before, self._grid = self._grid, _Grid(columns, imgui.get_cursor_pos_x(), width, gap)
        try:
            yield
        finally:
            self._grid = before

    def _room(self) -> float:
        """Width left in the line, or in the cell of a grid."""
        if self._grid is not None:
            return self._grid.width
        return float(imgui.get_content_region_available_width())

    def _cell(self) -> None:
        """Go to the next cell, inside a grid."""
        grid = self._grid
        if grid is None:
            return
        column = grid.index % grid.columns
        if column:
            imgui.same_line(position=grid.left + column * (grid.width + grid.gap))
        grid.index += 1

    def _hit(
        self, label: str, width: float, height: float, *, enabled: bool = True, stepped: bool = False, stop: bool = True
    ) -> Hit:
        """A place to press at the cursor; a disabled one is there, for its tooltip, and does nothing.

        `stepped` ones are changed by arrow keys: see `_key_steps`. Tab passes by what is no `stop`.
        """
        left, top = imgui.get_cursor_screen_pos()
        pressed = imgui.invisible_button(f"##{label}", max(1.0, width), max(1.0, height))
        hovered, held = imgui.is_item_hovered(), imgui.is_item_active()
        rect = (left, top, width, height)
        if enabled and stop:
            if pressed:
                self._state.focus.clicked((self._state.panel, label))
            # An open list has the keys, also that of this very button.
            if self._can_have_keyboard(label, rect, stepped=stepped) and not self._state.popup_before:
                pressed |= self._state.take_key(*PRESSING)
        return Hit(rect, hovered and enabled, held and enabled, pressed and enabled)

    def _can_have_keyboard(self, label: str, rect: Rect, *, stepped: bool = False) -> bool:
        """Report a control that Tab goes to, and show it when it has the keyboard. Whether it has."""
        state, key = self._state, (self._state.panel, label)
        state.focus.add(key, stepped=stepped, modal=state.in_dialog)
        if not state.focus.is_on(key):
            return False
        if state.focus.arrived_at(key):
            state.settle = max(1, state.settle)
            if not imgui.is_item_visible():
                imgui.set_scroll_here_y(0.5)
        reach = state.px(2)
        around = (rect[0] - reach, rect[1] - reach, rect[2] + 2 * reach, rect[3] + 2 * reach)
        self._paint.frame(around, state.theme.accent_hover, state.px(ROUNDING) + reach, max(2.0, state.px(2)))
        return True

    def _key_steps(self) -> int:
        """What arrow keys ask of the control that has the keyboard: one step less or more, or none."""
        return int(self._state.take_key(*MORE)) - int(self._state.take_key(*LESS))

    def _list_keys(self, label: str, enabled: Sequence[bool], start: int) -> int:
        """Act on keys for the list that is open and being drawn; number of the line chosen by them, or -1."""
        state = self._state
        state.popup_open = True
        chosen = state.list_keys.follow(
            (state.panel, label), enabled, start, state.take_key, by_keyboard=state.focus.visible
        )
        if chosen or state.take_key(KEY_ESCAPE, KEY_TAB):
            state.close_popup()
        return state.list_keys.lit if chosen else -1

    def _show_lit(self, number: int) -> None:
        """Mark the line drawn last if arrow keys have come to it, and bring it into sight."""
        keys = self._state.list_keys
        if keys.lit == number:
            self._paint.lit()
            if keys.moved:
                imgui.set_scroll_here_y(0.5)
                self._state.settle = max(1, self._state.settle)

    def _done(self, label: str, kind: str, enabled: bool, value: object, tooltip: str) -> None:
        """Report the control drawn last, and explain it."""
        self._state.record(label, kind, enabled=enabled, value=value)
        self._state.tooltip(label, tooltip, hovered=imgui.is_item_hovered())

    @contextmanager
    def _dimmed(self, enabled: bool) -> Iterator[None]:
        """What is drawn inside looks disabled unless `enabled`."""
        with scopes.styles({} if enabled else {imgui.STYLE_ALPHA: DISABLED_ALPHA}):
            yield

    def _labelled(self, label: str, enabled: bool) -> float:
        """Write a field's label into the left column, put the cursor behind it; the width left for the field."""
        column = self._state.px(self._label_width)
        left, top = imgui.get_cursor_screen_pos()
        room = self._room()
        with self._dimmed(enabled):
            rect = (left, top, column - self._state.px(6), self._state.px(FRAME_HEIGHT))
            self._paint.text_in(rect, label, self._state.theme.text)
        imgui.set_cursor_pos_x(imgui.get_cursor_pos_x() + column)
        return room - column

    def _text_width(self, text: str) -> float:
        with scopes.font(self._state.fonts.text):
            return text_width(text)

    def _elided(self, text: str, width: float, *, middle: bool = False) -> str:
        with scopes.font(self._state.fonts.text):
            return elided(text, width, middle=middle)

    def _button_color(self, hit: Hit, *, primary: bool) -> Color:
        theme = self._state.theme
        if primary:
            return theme.accent_active if hit.held else theme.accent_hover if hit.hovered else theme.accent
        return theme.button_active if hit.held else theme.button_hover if hit.hovered else theme.button
