"""Controls of a panel, one below the other; each is reported for the probe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import imgui

from studio.gui import scopes
from studio.gui.base import FRAME_HEIGHT
from studio.gui.buttons import Buttons
from studio.gui.charts import Charts
from studio.gui.control import Rect
from studio.gui.lines import with_whole_numbers
from studio.gui.menus import Menus
from studio.gui.painter import Painter
from studio.gui.pictures import Pictures
from studio.gui.sliders import Sliders
from studio.gui.tables import Tables
from studio.gui.theme import Color, Theme

SECTION_HEIGHT = 26
BAR_HEIGHT = 6
JOB_HEIGHT = 48


class Ui(Charts, Tables, Pictures, Buttons, Sliders, Menus):
    """What panels draw with. Valid between `Gui.begin` and `Gui.end`."""

    @property
    def theme(self) -> Theme:
        """Colours to give to `text`."""
        return self._state.theme

    @property
    def paint(self) -> Painter:
        """Shapes and text at given places of the window drawn into."""
        return self._paint

    @property
    def room(self) -> float:
        """Width left in the line, in window units."""
        return self._room()

    def px(self, length: float) -> float:
        """A length of the design in window units of this screen."""
        return self._state.px(length)

    def text(self, s: str, *, dim: bool = False, color: Color | None = None, wrap: bool = True) -> None:
        """A paragraph; with `wrap` off, one line with an ellipsis where it is too long."""
        theme = self._state.theme
        with (
            scopes.font(self._state.fonts.small if dim else self._state.fonts.text),
            scopes.colors({imgui.COLOR_TEXT: color or (theme.dim if dim else theme.text)}),
        ):
            if wrap:
                self._paragraph(s, self._room())
            else:
                imgui.text_unformatted(self._elided(s, self._room()))

    def text_height(self, s: str, width: float) -> float:
        """Height of a paragraph of running text wrapped at `width`."""
        with scopes.font(self._state.fonts.text):
            return float(imgui.calc_text_size(with_whole_numbers(s, width), False, width)[1])

    def text_block(self, s: str, width: float) -> None:
        """A paragraph of running text wrapped at `width`."""
        with scopes.font(self._state.fonts.text):
            self._paragraph(s, width)

    @staticmethod
    def _paragraph(s: str, width: float) -> None:
        with scopes.wrapped(width):
            imgui.text_unformatted(with_whole_numbers(s, width))

    def heading(self, s: str) -> None:
        """A line that names what follows."""
        with scopes.font(self._state.fonts.bold), scopes.wrapped(self._room()):
            imgui.text_unformatted(s)

    def progress(self, fraction: float, text: str) -> None:
        """A bar, 0 to 1, with a few words under it."""
        self.bar(fraction, self._room())
        self.text(text, dim=True, wrap=False)

    def job_row(
        self, message: str, fraction: float, text: str, *, cancel: str = "", enabled: bool = True, tooltip: str = ""
    ) -> bool:
        """What is being done, how far it is, and a button called `cancel` to stop it; True when pressed."""
        state, theme = self._state, self._state.theme
        left, top = imgui.get_cursor_screen_pos()
        room, side = self._room(), state.px(FRAME_HEIGHT)
        width = room - (side + state.px(10) if cancel else 0)
        imgui.dummy(width, state.px(JOB_HEIGHT))
        small = state.fonts.small
        self._paint.text_in((left, top, width, state.px(18)), message, theme.text, font=small, middle=True)
        self._paint.text_in((left, top + state.px(30), width, state.px(18)), text, theme.dim, font=small)
        self._paint_bar((left, top + state.px(21), width, state.px(BAR_HEIGHT)), fraction)
        if not cancel:
            return False
        imgui.same_line(spacing=state.px(10))
        imgui.set_cursor_screen_pos((left + room - side, top + (state.px(JOB_HEIGHT) - side) // 2))
        pressed = self.icon_button(cancel, "close", enabled=enabled, boxed=True, tooltip=tooltip)
        imgui.set_cursor_screen_pos((left, top + state.px(JOB_HEIGHT) + imgui.get_style().item_spacing[1]))
        return pressed

    def bar(self, fraction: float, width: float) -> None:
        """A bar, 0 to 1, of a width in window units."""
        left, top = imgui.get_cursor_screen_pos()
        height = self._state.px(BAR_HEIGHT)
        imgui.dummy(width, height)
        self._paint_bar((left, top, width, height), fraction)

    def _paint_bar(self, rect: Rect, fraction: float) -> None:
        theme, (left, top, width, height) = self._state.theme, rect
        self._paint.fill(rect, theme.field_border, height / 2)
        done = max(0.0, min(1.0, fraction)) * width
        if done >= height:
            self._paint.fill((left, top, done, height), theme.accent, height / 2)

    def answers(self, no: str, yes: str, *, enabled: bool = True) -> bool | None:
        """Two buttons at the right end of the line; which one was pressed, or None."""
        gap = self._state.px(8)
        widths = [max(self._state.px(92), self._text_width(text) + self._state.px(28)) for text in (no, yes)]
        imgui.set_cursor_pos_x(imgui.get_cursor_pos_x() + self._room() - sum(widths) - gap)
        answer = None
        if self.button(no, width=widths[0]):
            answer = False
        imgui.same_line(spacing=gap)
        if self.button(yes, width=widths[1], primary=True, enabled=enabled):
            answer = True
        return answer

    def closing(self, label: str) -> bool:
        """A button at the right end of the line; True when pressed."""
        width = self._state.px(92)
        imgui.set_cursor_pos_x(imgui.get_cursor_pos_x() + self._room() - width)
        return self.button(label, width=width, primary=True)

    def copy(self, text: str) -> None:
        """Put text on the clipboard."""
        self._state.set_clipboard(text)

    def separator(self) -> None:
        """A thin line across, with some air."""
        left, top = imgui.get_cursor_screen_pos()
        width = self._room()
        imgui.dummy(width, self._state.px(5))
        y = top + self._state.px(2)
        self._paint.line((left, y), (left + width, y), self._state.theme.border)

    def spacing(self, height: float = 4) -> None:
        """Some air."""
        imgui.dummy(1, self._state.px(height))

    def show_last(self) -> None:
        """Scroll the control drawn last into sight."""
        if not imgui.is_item_visible():
            imgui.set_scroll_here_y(0.5)
            self._state.settle = max(1, self._state.settle)

    @contextmanager
    def at_least(self, height: float) -> Iterator[None]:
        """Keep so much room for what is drawn inside, however little that is: what follows stays where it is."""
        spacing = imgui.get_style().item_spacing[1]
        _, top = imgui.get_cursor_screen_pos()
        yield
        _, below = imgui.get_cursor_screen_pos()
        left_over = top + self._state.px(height) + spacing - below
        if left_over > 0:
            imgui.dummy(1, max(0.0, left_over - spacing))

    def same_line(self, gap: float = 8) -> None:
        """Put the next control beside the last one."""
        imgui.same_line(spacing=self._state.px(gap))

    @contextmanager
    def section(self, label: str, default_open: bool = True, *, shown: str = "") -> Iterator[bool]:
        """A part of a panel that its heading opens and closes; what it was is remembered. Yields whether it is open.

        `shown` stands there instead of the label, which has to stay the same.
        """
        state, theme = self._state, self._state.theme
        key = (state.panel, label)
        is_open = state.open_sections.get(key, default_open)
        width = self._room()
        hit = self._hit(label, width, state.px(SECTION_HEIGHT))
        if hit.pressed:
            is_open = state.open_sections[key] = not is_open
            state.settle = max(state.settle, 1)
        left, top, _, height = hit.rect
        self._paint.line((left, top), (left + width, top), theme.border)
        if hit.hovered:
            self._paint.fill((left, top + 1, width, height - 1), theme.hover, state.px(3))
        chevron = "chevron_down" if is_open else "chevron_right"
        self._paint.icon_in((left - state.px(2), top, state.px(20), height), chevron, theme.dim)
        place = (left + state.px(22), top, width - state.px(22), height)
        self._paint.text_in(place, shown or label, theme.text, font=state.fonts.bold)
        self._done(label, "section", True, is_open, "")
        with scopes.identified(label):
            yield is_open
        if is_open:
            self.spacing(2)
