"""The binding's context: input in, controls out, pictures onto the bound framebuffer."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import imgui
from imgui.integrations.opengl import ProgrammablePipelineRenderer

from studio.gui import events as ev
from studio.gui.chrome_ui import ChromeUi
from studio.gui.control import Control
from studio.gui.fonts import load_fonts
from studio.gui.state import SETTLE_FRAMES, GuiState
from studio.gui.theme import THEMES, Theme, apply_theme
from studio.gui.ui import Ui

log = logging.getLogger(__name__)

_KEY_MAP = {
    imgui.KEY_LEFT_ARROW: ev.KEY_LEFT,
    imgui.KEY_RIGHT_ARROW: ev.KEY_RIGHT,
    imgui.KEY_UP_ARROW: ev.KEY_UP,
    imgui.KEY_DOWN_ARROW: ev.KEY_DOWN,
    imgui.KEY_PAGE_UP: ev.KEY_PAGE_UP,
    imgui.KEY_PAGE_DOWN: ev.KEY_PAGE_DOWN,
    imgui.KEY_HOME: ev.KEY_HOME,
    imgui.KEY_END: ev.KEY_END,
    imgui.KEY_DELETE: ev.KEY_DELETE,
    imgui.KEY_BACKSPACE: ev.KEY_BACKSPACE,
    imgui.KEY_ENTER: ev.KEY_ENTER,
    imgui.KEY_ESCAPE: ev.KEY_ESCAPE,
    imgui.KEY_PAD_ENTER: ev.KEY_KP_ENTER,
    imgui.KEY_A: ord("A"),
    imgui.KEY_C: ord("C"),
    imgui.KEY_V: ord("V"),
    imgui.KEY_X: ord("X"),
    imgui.KEY_Y: ord("Y"),
    imgui.KEY_Z: ord("Z"),
}

_MOD_KEYS = {
    **dict.fromkeys((340, 344), ev.MOD_SHIFT),
    **dict.fromkeys((341, 345), ev.MOD_CONTROL),
    **dict.fromkeys((342, 346), ev.MOD_ALT),
    **dict.fromkeys((343, 347), ev.MOD_SUPER),
}
"""A modifier's own event carries the modifiers as they were before it."""

_STEPPING = (ev.KEY_UP, ev.KEY_DOWN, ev.KEY_LEFT, ev.KEY_RIGHT, ev.KEY_TAB)
"""Keys that go on acting while held; a held Enter answers one dialog, not the next as well."""

_CURSORS = {
    imgui.MOUSE_CURSOR_TEXT_INPUT: "text",
    imgui.MOUSE_CURSOR_HAND: "hand",
    imgui.MOUSE_CURSOR_RESIZE_EW: "resize_h",
    imgui.MOUSE_CURSOR_RESIZE_NS: "resize_v",
}

BUTTONS = 5
DOUBLE_CLICK_S = 0.4
DOUBLE_CLICK_REACH = 6.0
"""Window units between the two presses."""


class Gui:
    """Owns the context, the fonts and the GL objects that draw it. Main thread, GL context current."""

    def __init__(
        self,
        *,
        theme: str,
        ui_scale: float,
        content_scale: float,
        get_clipboard: Callable[[], str],
        set_clipboard: Callable[[str], None],
    ) -> None:
        self.controls: list[Control] = []
        """Of the frame finished last."""
        self.state = GuiState(get_clipboard, set_clipboard)
        self.ui = Ui(self.state)
        self.chrome = ChromeUi(self.state)
        self._wanted = (theme, ui_scale, content_scale)
        self._look: tuple[str, float, float] | None = None
        self._buttons = [False] * BUTTONS
        self._keys: set[int] = set()
        self._mods = 0
        self._pointer = ev.OUTSIDE
        self._tap = ev.AltTap()
        self._last_press: tuple[float, float, float] | None = None
        self._in_frame = False
        self._context: Any = None
        self._renderer: ProgrammablePipelineRenderer | None = None
        self._create()

    @property
    def wants_mouse(self) -> bool:
        """Whether the pointer is over something of the gui, or drags it: the slide shouldn't follow."""
        return bool(imgui.get_io().want_capture_mouse)

    @property
    def wants_keyboard(self) -> bool:
        """Whether a text field, a menu or a dialog takes keys: they are no shortcuts then."""
        state = self.state
        return bool(imgui.get_io().want_text_input) or state.popup_open or state.modal is not None

    @property
    def focus(self) -> tuple[str, str] | None:
        """Panel and label of the control that Tab brought the keyboard to."""
        return self.state.focus.current

    def takes(self, event: ev.Event) -> bool:
        """Whether a key of this frame is for the control that Tab went to, and so no shortcut."""
        return isinstance(event, ev.Key) and event.down and self.state.focus.takes(event.key)

    @property
    def cursor(self) -> str:
        """What the pointer should look like: `arrow`, `hand`, `text`, `resize_h` or `resize_v`."""
        return self.state.cursor or _CURSORS.get(imgui.get_mouse_cursor(), "arrow")

    @property
    def next_frame_s(self) -> float | None:
        """Draw again after so many seconds though nothing happened (0: at once); None: not before something does."""
        return self.state.next_frame_s

    @property
    def pointer(self) -> tuple[float, float]:
        """Where the pointer is, in window coordinates."""
        x, y = imgui.get_mouse_pos()
        return x, y

    @property
    def double_click(self) -> bool:
        """Whether the press that is under way, or was just let go of, is the second of two."""
        return self.state.double_click

    @property
    def field_left(self) -> tuple[str, str] | None:
        """Panel and label of the text field that was left in this frame, by Enter or otherwise."""
        return self.state.field_left

    def forget_typing(self) -> None:
        """Drop what is being typed: the field shows what it is given again."""
        self.state.forget_typing()

    def draw_again(self) -> None:
        """Ask for another frame right after this one."""
        self.state.settle = max(1, self.state.settle)

    @property
    def theme(self) -> Theme:
        """Colours in force."""
        return self.state.theme

    def set_look(self, theme: str, ui_scale: float, content_scale: float) -> None:
        """Follow the settings and the screen; costs nothing while they stay.

        Takes effect with the next frame in which no button is held: a slider
        that sets the size mustn't grow under the pointer that drags it.
        """
        self._wanted = (theme, ui_scale, content_scale)

    def begin(
        self,
        events: Sequence[ev.Event],
        size_window: tuple[int, int],
        size_framebuffer: tuple[int, int],
        dt_s: float,
    ) -> None:
        """Begin a frame with what happened since the last one."""
        imgui.set_current_context(self._context)
        io, state = imgui.get_io(), self.state
        width, height = max(1, size_window[0]), max(1, size_window[1])
        ratio = max(0.25, size_framebuffer[0] / width)
        self._follow_look(ratio)
        state.begin(dt_s)
        state.size = (width, height)
        io.display_size = width, height
        io.display_fb_scale = ratio, max(0.25, size_framebuffer[1] / height)
        io.delta_time = max(1e-4, dt_s)
        self._feed(events)
        moved = any(isinstance(event, ev.MouseMove | ev.MouseButton) for event in events)
        blocked = state.modal_before is not None or (state.popup_before and not state.menu_keys.is_open)
        state.menu_keys.begin(state.take_key, tapped=self._tap.of(events), moved=moved, blocked=blocked)
        state.list_keys.begin(mouse_moved=moved)
        if state.menu_keys.by_keyboard:
            # Where the pointer happens to rest must not open another menu.
            io.mouse_pos = ev.OUTSIDE
        elif moved or io.mouse_pos == ev.OUTSIDE:
            io.mouse_pos = self._pointer
        state.follow_focus()
        imgui.new_frame()
        self._in_frame = True

    def end(self) -> None:
        """End the frame; nothing is drawn yet."""
        imgui.render()
        self._in_frame = False
        self.controls = self.state.finish()

    def paint(self) -> None:
        """Draw the finished frame, once, over what the bound framebuffer holds; GL state is as it was afterwards."""
        assert self._renderer is not None
        self._renderer.render(imgui.get_draw_data())

    def abort_frame(self) -> None:
        """Give up a frame in which something raised; the next `begin` starts with a new context."""
        if self._in_frame:
            log.warning("A frame was given up; the gui starts afresh")
        self.close()
        self._create()

    def close(self) -> None:
        """Free the context and its GL objects."""
        if self._context is None:
            return
        imgui.set_current_context(self._context)
        self.state.textures.close()
        if self._renderer is not None:
            self._renderer.shutdown()
        imgui.destroy_context(self._context)
        self._context = self._renderer = None
        self._in_frame = False

    def _create(self) -> None:
        self._context = imgui.create_context()
        imgui.set_current_context(self._context)
        io = imgui.get_io()
        io.ini_file_name = None
        io.log_file_name = None
        # A blinking cursor would need frames while nothing happens.
        io.config_cursor_blink = False
        io.config_windows_move_from_title_bar_only = True
        for key, number in _KEY_MAP.items():
            io.key_map[key] = number
        io.get_clipboard_text_fn = self.state.get_clipboard
        io.set_clipboard_text_fn = self.state.set_clipboard
        self._renderer = ProgrammablePipelineRenderer()
        self._look = None
        self.state.drafts.clear()
        self._release_all()

    def _follow_look(self, ratio: float) -> None:
        """Load fonts and colours anew where the settings or the screen ask for others."""
        theme, ui_scale, content_scale = self._wanted
        # Where a window unit is several pixels, the system has scaled already.
        scale = ui_scale * max(1.0, content_scale / ratio)
        look = (theme, scale, ratio)
        if look == self._look or (self._look is not None and any(self._buttons)):
            return
        state = self.state
        if self._look is None or self._look[1:] != look[1:]:
            state.fonts = load_fonts(scale, ratio)
            assert self._renderer is not None
            self._renderer.refresh_font_texture()
            state.scale = scale
            state.heights.clear()
        state.theme = THEMES[theme]
        apply_theme(state.theme, scale)
        state.settle = SETTLE_FRAMES
        self._look = look

    def _feed(self, events: Sequence[ev.Event]) -> None:
        """Tell the binding, which polls, how mouse and keys stand."""
        io, state = imgui.get_io(), self.state
        state.pressed_keys.clear()
        wheel_x = wheel_y = 0.0
        for event in events:
            match event:
                case ev.MouseMove(x=x, y=y):
                    io.mouse_pos = self._pointer = max(-1e6, x), max(-1e6, y)
                case ev.MouseButton(button=button, down=down, mods=mods):
                    self._mods = mods
                    if 0 <= button < BUTTONS:
                        self._buttons[button] = down
                    if down:
                        state.focus.hide()
                    if button == 0 and down:
                        self._note_press()
                case ev.Wheel(dx=dx, dy=dy):
                    wheel_x, wheel_y = wheel_x + dx, wheel_y + dy
                case ev.Key():
                    self._key(event)
                case ev.Char(codepoint=codepoint):
                    io.add_input_character(codepoint)
                case ev.Focus(on=False):
                    self._release_all()
        for button, down in enumerate(self._buttons):
            io.mouse_down[button] = down
        io.mouse_wheel, io.mouse_wheel_horizontal = wheel_y, wheel_x
        io.key_ctrl = bool(self._mods & ev.MOD_CONTROL)
        io.key_shift = bool(self._mods & ev.MOD_SHIFT)
        io.key_alt = bool(self._mods & ev.MOD_ALT)
        io.key_super = bool(self._mods & ev.MOD_SUPER)
        state.shift = io.key_shift
        if events:
            state.settle = SETTLE_FRAMES

    def _note_press(self) -> None:
        """Tell whether a press is the second of two; the binding takes a click elsewhere for the first."""
        state, (x, y) = self.state, imgui.get_io().mouse_pos
        last, self._last_press = self._last_press, (state.now_s, x, y)
        state.double_click = (
            last is not None
            and state.now_s - last[0] <= DOUBLE_CLICK_S
            and math.hypot(x - last[1], y - last[2]) <= DOUBLE_CLICK_REACH
        )
        if state.double_click:
            self._last_press = None

    def _key(self, event: ev.Key) -> None:
        io = imgui.get_io()
        self._mods = event.mods
        if (own := _MOD_KEYS.get(event.key)) is not None:
            self._mods = event.mods | own if event.down else event.mods & ~own
        if not 0 <= event.key < 512:
            return
        io.keys_down[event.key] = event.down
        if event.down:
            self._keys.add(event.key)
            if not event.repeat or event.key in _STEPPING:
                self.state.pressed_keys.add(event.key)
        else:
            self._keys.discard(event.key)

    def _release_all(self) -> None:
        """Nothing is held any more: its release may go to another window."""
        io = imgui.get_io()
        for key in self._keys:
            io.keys_down[key] = False
        self._keys.clear()
        self._buttons = [False] * BUTTONS
        self._mods = 0
