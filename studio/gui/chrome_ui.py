"""Windows at fixed places, menus and dialogs: what the program's frame is made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import imgui

from studio.gui import scopes
from studio.gui.control import Rect
from studio.gui.events import KEY_DOWN, KEY_END, KEY_HOME, KEY_PAGE_DOWN, KEY_PAGE_UP, KEY_UP
from studio.gui.painter import Painter
from studio.gui.state import GuiState
from studio.gui.theme import Color

_FIXED = (
    imgui.WINDOW_NO_DECORATION
    | imgui.WINDOW_NO_MOVE
    | imgui.WINDOW_NO_SAVED_SETTINGS
    | imgui.WINDOW_NO_FOCUS_ON_APPEARING
)

DIALOG_MARGIN = 24

LOW = 560
"""Height of a window, in units of the design, below which menus are drawn tighter."""


class ChromeUi:
    """Draws at places the caller chooses, in window coordinates."""

    def __init__(self, state: GuiState) -> None:
        self._state = state
        self._paint = Painter(state)
        self.under = Painter(state, under=True)
        """Draws over the slide and under all windows."""

    def px(self, length: float) -> float:
        """A length of the design in window units of this screen."""
        return self._state.px(length)

    @property
    def size(self) -> tuple[float, float]:
        """Of the whole window."""
        return self._state.size

    def pressed(self, *keys: int) -> bool:
        """Whether one of these keys (GLFW numbers) went down in this frame."""
        return self._state.pressed(*keys)

    @property
    def text_refused(self) -> bool:
        """Whether a field refused what was typed, in this frame."""
        return self._state.refused

    @contextmanager
    def panel(self, name: str) -> Iterator[None]:
        """Report controls inside as a panel's."""
        with self._state.in_panel(name):
            yield

    @contextmanager
    def window(
        self,
        name: str,
        rect: Rect,
        *,
        color: Color | None = None,
        padding: tuple[float, float] = (0, 0),
        rounding: float = 0,
        border: bool = False,
        front: bool = False,
    ) -> Iterator[None]:
        """A window that stays where it is put; `front` ones lie over the others."""
        state = self._state
        imgui.set_next_window_position(rect[0], rect[1])
        imgui.set_next_window_size(max(1.0, rect[2]), max(1.0, rect[3]))
        flags = _FIXED | (0 if front else imgui.WINDOW_NO_BRING_TO_FRONT_ON_FOCUS)
        look: dict[int, float | tuple[float, float]] = {
            imgui.STYLE_WINDOW_PADDING: (state.px(padding[0]), state.px(padding[1])),
            imgui.STYLE_WINDOW_ROUNDING: state.px(rounding),
            imgui.STYLE_WINDOW_BORDERSIZE: 1.0 if border else 0.0,
        }
        background = {imgui.COLOR_WINDOW_BACKGROUND: color or state.theme.panel}
        with scopes.styles(look), scopes.colors(background):
            opened = imgui.begin(name, False, flags)
        with opened:
            yield

    @contextmanager
    def scrolled(self, name: str, height: float = 0.0, *, padding: tuple[float, float] = (0, 0)) -> Iterator[None]:
        """A part of a window that scrolls, as wide as there is room; 0 takes the height that is left."""
        state = self._state
        look: dict[int, float | tuple[float, float]] = {
            imgui.STYLE_WINDOW_PADDING: (state.px(padding[0]), state.px(padding[1]))
        }
        with scopes.styles(look):
            child = imgui.begin_child(name, 0, height, False, imgui.WINDOW_ALWAYS_USE_WINDOW_PADDING)
        with child:
            yield

    def scroll_by_keys(self, line: float) -> None:
        """Let arrows, Page Up and Down, Home and End scroll the part that is drawn; `line` is of the design."""
        state, at = self._state, imgui.get_scroll_y()
        page = max(1.0, imgui.get_window_height() - state.px(line))
        ways = {
            KEY_DOWN: at + state.px(line),
            KEY_UP: at - state.px(line),
            KEY_PAGE_DOWN: at + page,
            KEY_PAGE_UP: at - page,
            KEY_HOME: 0.0,
            KEY_END: imgui.get_scroll_max_y(),
        }
        for key, wanted in ways.items():
            if state.pressed(key):
                imgui.set_scroll_y(min(imgui.get_scroll_max_y(), max(0.0, wanted)))
                state.settle = max(1, state.settle)

    @contextmanager
    def tight_rows(self) -> Iterator[None]:
        """Rows of a list inside stand close to each other."""
        with scopes.styles({imgui.STYLE_ITEM_SPACING: (self._state.px(8), self._state.px(1))}):
            yield

    @contextmanager
    def column(self, name: str, width: float, height: float) -> Iterator[None]:
        """A part of a window with a width and height of its own, beginning at the cursor."""
        with imgui.begin_child(name, width, height, False):
            yield

    def scroll_to_here(self) -> None:
        """Bring the control drawn last into sight."""
        imgui.set_scroll_here_y(0.5)

    def move_to(self, x: float, y: float) -> None:
        """Put what comes next at a point in window coordinates."""
        imgui.set_cursor_screen_pos((x, y))

    @property
    def cursor(self) -> tuple[float, float]:
        """Where what comes next is put."""
        x, y = imgui.get_cursor_screen_pos()
        return x, y

    @contextmanager
    def menu_bar(self) -> Iterator[float]:
        """The bar at the window's top; yields its height."""
        state = self._state
        look: dict[int, float | tuple[float, float]] = {
            imgui.STYLE_FRAME_PADDING: (state.px(10), state.px(6)),
            imgui.STYLE_WINDOW_BORDERSIZE: 0.0,
            imgui.STYLE_ITEM_SPACING: (state.px(6), state.px(7)),
        }
        with scopes.styles(look), state.in_panel("menu"):
            bar = imgui.begin_main_menu_bar()
            if not bar.opened:
                yield 0.0
                return
            with bar:
                if (title := state.menu_keys.bar_opens) is not None:
                    imgui.open_popup(title)
                yield float(imgui.get_window_height())

    @contextmanager
    def menu(self, label: str, *, enabled: bool = True) -> Iterator[bool]:
        """A menu in the bar or in another menu; yields whether it is open."""
        state = self._state
        look: dict[int, float | tuple[float, float]] = {
            imgui.STYLE_WINDOW_PADDING: (state.px(8), state.px(8)),
            # In a low window lines stand closer, so that a long menu doesn't cover the bar.
            imgui.STYLE_ITEM_SPACING: (state.px(14), state.px(9 if state.size[1] >= state.px(LOW) else 4)),
            # To the binding a menu in a menu is a child window.
            imgui.STYLE_CHILD_ROUNDING: state.px(7),
            imgui.STYLE_CHILD_BORDERSIZE: 1.0,
        }
        left, top = imgui.get_cursor_screen_pos()
        width, height = imgui.calc_text_size(label)
        with scopes.styles(look):
            if state.menu_keys.enter(label, enabled=enabled):
                imgui.open_popup(label)
            inner = state.menu_keys.inside
            menu = imgui.begin_menu(label, enabled)
            if inner:
                self._light()
            state.record(label, "menu", enabled=enabled, value=menu.opened, rect=(left, top, width, height))
            if not menu.opened:
                yield False
                return
            state.menu_keys.opened(label)
            with menu:
                state.popup_open = True
                if state.menu_keys.closes:
                    state.close_popup()
                try:
                    yield True
                finally:
                    state.menu_keys.leave()

    def menu_item(self, label: str, shortcut: str = "", *, checked: bool | None = None, enabled: bool = True) -> bool:
        """A line of a menu; True when chosen. `checked` (True or False) gives it a tick or room for one."""
        clicked, _ = imgui.menu_item(label, shortcut or None, bool(checked), enabled)
        keys = self._state.menu_keys
        keys.line(label, enabled=enabled)
        self._light()
        self._state.record(label, "item", enabled=enabled, value=checked)
        if keys.chosen:
            self._state.close_popup()
            return True
        return bool(clicked) and enabled

    def _light(self) -> None:
        """Show that arrow keys have come to the line drawn last."""
        if self._state.menu_keys.lit:
            self._paint.lit()

    def menu_separator(self) -> None:
        """A thin line between groups of a menu."""
        imgui.separator()

    @contextmanager
    def modal(self, name: str, title: str, *, width: float, height: float | None = None) -> Iterator[bool]:
        """A dialog over everything else, which can't be pressed meanwhile; yields whether it has just appeared.

        Drawn as long as it is called, so that nothing must be closed. Without
        `height` it is as high as what is in it.
        """
        state = self._state
        appearing = state.modal_before != name
        wide, high = state.size
        width = min(state.px(width), wide - 2 * state.px(DIALOG_MARGIN))
        known = state.heights.get(name)
        wanted = state.px(height) if height is not None else known
        box_height = min(wanted if wanted is not None else high, high - 2 * state.px(DIALOG_MARGIN))
        if appearing:
            imgui.set_next_window_focus()
            # The key that opened it must not close or answer it.
            state.pressed_keys.clear()
        with (
            state.in_panel("dialog"),
            state.in_modal(name),
            self.window(f"dialog {name}", (0, 0, wide, high), color=state.theme.shade, front=True),
        ):
            imgui.set_cursor_pos((round((wide - width) / 2), round((high - box_height) * 0.42)))
            look: dict[int, float | tuple[float, float]] = {
                imgui.STYLE_WINDOW_PADDING: (state.px(20), state.px(18)),
                imgui.STYLE_CHILD_ROUNDING: state.px(10),
                # Its height is known only after it was drawn once.
                imgui.STYLE_ALPHA: 1.0 if wanted is not None else 0.0,
                imgui.STYLE_CHILD_BORDERSIZE: 1.0,
            }
            with scopes.styles(look), scopes.colors({imgui.COLOR_CHILD_BACKGROUND: state.theme.popup}):
                box = imgui.begin_child(name, width, box_height, True)
                with box, scopes.colors({imgui.COLOR_CHILD_BACKGROUND: (0.0, 0.0, 0.0, 0.0)}):
                    with scopes.font(state.fonts.bold):
                        imgui.text_unformatted(title)
                    imgui.dummy(1, state.px(2))
                    yield appearing
                    if height is None:
                        self._measure(name, known)

    def _measure(self, name: str, known: float | None) -> None:
        spacing = imgui.get_style().item_spacing[1]
        height = imgui.get_cursor_pos_y() + imgui.get_scroll_y() - spacing + self._state.px(18)
        if known is None or abs(known - height) >= 1:
            self._state.heights[name] = height
            self._state.settle = max(self._state.settle, 2)
