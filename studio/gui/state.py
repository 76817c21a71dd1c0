"""What all controls of a window share: look, input of this frame, and what was drawn in it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import imgui

from studio.gui import scopes
from studio.gui.control import Control, Rect
from studio.gui.events import KEY_TAB
from studio.gui.focus import Focus
from studio.gui.fonts import Fonts
from studio.gui.keys import key_text
from studio.gui.lines import with_whole_numbers
from studio.gui.listkeys import ListKeys
from studio.gui.menukeys import MenuKeys
from studio.gui.textures import Textures
from studio.gui.theme import Color, Theme

TOOLTIP_DELAY_S = 0.5
TOOLTIP_WIDTH = 310

DISABLED_ALPHA = 0.42

REPEAT_DELAY_S, REPEAT_EVERY_S = 0.4, 0.06
"""How long a button is held until it steps again, and from then on."""

SETTLE_FRAMES = 2
"""Frames that the binding needs after an event until sizes and hovering are right."""


@dataclass(slots=True)
class _Hover:
    """What the pointer rests on, and since when."""

    key: Hashable
    since_s: float
    hidden: bool = False
    """The control was pressed: whoever uses it needs no explanation now."""
    told: bool = False
    """Whether a frame has had the explanation."""


class Repeat:
    """A held button: one press at first, then one after the other."""

    def __init__(self) -> None:
        self._key: Hashable = None
        self._next_s = 0.0
        self._repeated = False

    def steps(self, key: Hashable, *, held: bool, pressed: bool, now_s: float) -> int:
        """Presses that a button counts for in this frame. `pressed` is true when it is let go of."""
        if held and key != self._key:
            self._key, self._next_s, self._repeated = key, now_s + REPEAT_DELAY_S, False
        if held and now_s >= self._next_s:
            self._next_s, self._repeated = now_s + REPEAT_EVERY_S, True
            return 1
        if held or key != self._key:
            return int(pressed)
        repeated, self._key = self._repeated, None
        return int(pressed and not repeated)


class GuiState:
    """One a window. `Gui` fills it, controls read it and report to it."""

    def __init__(self, get_clipboard: Callable[[], str], set_clipboard: Callable[[str], None]) -> None:
        self.get_clipboard = get_clipboard
        self.set_clipboard = set_clipboard
        self.on_refused: Callable[[str], None] = lambda _why: None
        """Told in words when typed text can't be used."""
        self.theme: Theme
        self.fonts: Fonts
        self.textures = Textures()
        self.focus = Focus()
        self.repeat = Repeat()
        self.scale = 1.0
        self.size: tuple[float, float] = (0.0, 0.0)
        self.now_s = 0.0
        self.panel = ""
        """Where controls drawn now are reported to belong."""
        self.controls: list[Control] = []
        self.open_sections: dict[tuple[str, str], bool] = {}
        self.selected_rows: dict[tuple[str, str], int | None] = {}
        """Row that was selected in a table when it was drawn last."""
        self.heights: dict[str, float] = {}
        """Heights of what sizes itself, as measured in the frame before."""
        self.pressed_keys: set[int] = set()
        """Keys that went down in this frame (or are held, for those that step)."""
        self.shift = False
        self.drafts: dict[tuple[str, str], str] = {}
        """Text so far of the field being typed into, and of one just left; by panel and label."""
        self.drafts_drawn: set[tuple[str, str]] = set()
        self.field_left: tuple[str, str] | None = None
        """Panel and label of the text field that was left in this frame."""
        self.typing_dropped = 0
        """How often typed text was dropped; part of a field's identity, so that the binding forgets it."""
        self.type_into: tuple[str, str] | None = None
        """Panel and label of the field that gets the keyboard when it is drawn next."""
        self.double_click = False
        self.refused = False
        """Whether text was refused in this frame."""
        self.cursor: str | None = None
        self.popup_open = False
        self.popup_before = False
        """Whether a menu or a list was open in the frame before: keys are for it."""
        self.menu_keys = MenuKeys()
        self.list_keys = ListKeys()
        self.modal: str | None = None
        """The dialog drawn in this frame."""
        self.modal_before: str | None = None
        self.settle = SETTLE_FRAMES
        self.in_dialog = False
        """Whether what is drawn now is in the dialog."""
        self._modal_from: int | None = None
        self._modal_to = 0
        self._hover: _Hover | None = None
        self._hover_seen = False

    def px(self, length: float) -> float:
        """A length of the design in whole window units."""
        return float(round(length * self.scale))

    def begin(self, dt_s: float) -> None:
        """Forget the frame before."""
        self.now_s += dt_s
        self.controls = []
        self.panel = ""
        self.refused = False
        self.drafts_drawn.clear()
        self.field_left = None
        self.cursor = None
        self.popup_before, self.popup_open = self.popup_open, False
        self.modal_before, self.modal = self.modal, None
        self._modal_from = None
        self._hover_seen = False
        self.settle = max(0, self.settle - 1)

    def finish(self) -> list[Control]:
        """The frame's controls; those under a dialog can't be pressed and say so."""
        if not self._hover_seen:
            self._hover = None
        for key in self.drafts.keys() - self.drafts_drawn:
            del self.drafts[key]
        if self._modal_from is None:
            return self.controls
        inside = range(self._modal_from, self._modal_to)
        return [c if i in inside else replace(c, enabled=False) for i, c in enumerate(self.controls)]

    @property
    def next_frame_s(self) -> float | None:
        """When to draw again though nothing happens; None: not needed."""
        if self.settle:
            return 0.0
        if self._hover is not None and not self._hover.hidden:
            left_s = self._hover.since_s + TOOLTIP_DELAY_S - self.now_s
            return left_s if left_s > 0 else None
        return None

    def forget_typing(self) -> None:
        """Drop what is being typed."""
        if self.drafts:
            self.drafts.clear()
            self.typing_dropped += 1
            self.settle = max(1, self.settle)

    @contextmanager
    def in_panel(self, name: str) -> Iterator[None]:
        """Report what is drawn inside as controls of a panel."""
        before, self.panel = self.panel, name
        try:
            yield
        finally:
            self.panel = before

    @contextmanager
    def in_modal(self, name: str) -> Iterator[None]:
        """What is drawn inside is all that can be pressed in this frame."""
        self.modal = name
        self._modal_from = len(self.controls)
        self.in_dialog = True
        try:
            yield
        finally:
            self.in_dialog = False
            self._modal_to = len(self.controls)

    def record(self, label: str, kind: str, *, enabled: bool, value: Any = None, rect: Rect | None = None) -> None:
        """Report the control drawn last (or `rect`), unless its middle is scrolled or clipped out of sight."""
        if rect is None:
            (left, top), (width, height) = imgui.get_item_rect_min(), imgui.get_item_rect_size()
            rect = (left, top, width, height)
        control = Control(self.panel, label, kind, rect, enabled, value)
        x, y = control.middle
        draw_list = imgui.get_window_draw_list()
        (left, top), (right, bottom) = draw_list.get_clip_rect_min(), draw_list.get_clip_rect_max()
        inside_window = 0 <= x < self.size[0] and 0 <= y < self.size[1]
        if inside_window and left <= x < right and top <= y < bottom:
            self.controls.append(control)

    def tooltip(self, key: Hashable, text: str, *, hovered: bool, pressed: bool = False) -> None:
        """Explain the control drawn last once the pointer has rested on it for a while."""
        if not hovered or not text:
            return
        self._hover_seen = True
        text, key = key_text(text), (self.panel, key)
        if self._hover is None or self._hover.key != key:
            self._hover = _Hover(key, self.now_s)
        if pressed or imgui.is_mouse_down(0):
            self._hover.hidden = True
        # A hair less than the delay: a frame asked for exactly then must show it.
        if self._hover.hidden or self.now_s - self._hover.since_s < TOOLTIP_DELAY_S - 0.001:
            return
        if not self._hover.told:
            # The binding hides a window in its first frame, while it finds out how large it is.
            self._hover.told, self.settle = True, max(1, self.settle)
        (left, top), bottom = imgui.get_item_rect_min(), imgui.get_item_rect_max()[1]
        pad_x, pad_y = self.px(10), self.px(7)
        with (
            scopes.styles({imgui.STYLE_WINDOW_PADDING: (pad_x, pad_y), imgui.STYLE_WINDOW_ROUNDING: self.px(6)}),
            scopes.styles({imgui.STYLE_ALPHA: 1.0}),
            scopes.font(self.fonts.small),
        ):
            text = with_whole_numbers(text, self.px(TOOLTIP_WIDTH))
            width, height = imgui.calc_text_size(text, False, self.px(TOOLTIP_WIDTH))
            # Below the control, which stays readable; above it where the window ends.
            y = bottom + self.px(6)
            if y + height + 2 * pad_y > self.size[1]:
                y = top - self.px(6) - height - 2 * pad_y
            imgui.set_next_window_position(max(0.0, min(left, self.size[0] - width - 2 * pad_x)), max(0.0, y))
            with imgui.begin_tooltip(), scopes.wrapped(self.px(TOOLTIP_WIDTH)):
                imgui.text_unformatted(text)

    def color(self, color: Color, alpha: float = 1.0) -> int:
        """A colour for a draw list, dimmed as the style in force says."""
        return int(imgui.get_color_u32_rgba(color[0], color[1], color[2], color[3] * alpha))

    def close_popup(self) -> None:
        """Close the menu or list that is being drawn; the next frame's keys are for others again."""
        imgui.close_current_popup()
        self.popup_open = False

    def take_key(self, *keys: int) -> bool:
        """Whether one of these keys went down in this frame; nobody else sees it then."""
        taken = self.pressed_keys.intersection(keys)
        self.pressed_keys -= taken
        return bool(taken)

    def follow_focus(self) -> None:
        """Let Tab move the keyboard to another control; what is being typed into the one before counts."""
        typing = next(iter(self.drafts), None)
        keys = set() if self.popup_before else self.pressed_keys
        self.focus.begin(keys, backwards=self.shift, typing=typing)
        if KEY_TAB in keys and typing is not None:
            # Under another name the field isn't the one that the binding lets type into any more.
            self.typing_dropped += 1

    def pressed(self, *keys: int) -> bool:
        """Whether one of these keys went down in this frame."""
        return any(key in self.pressed_keys for key in keys)
