"""The menu bar by keyboard: F10 or a tap of Alt opens it, arrows go through it, Enter chooses, Escape closes.

The binding's own keyboard navigation isn't used; it would go through all that is on the screen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from studio.gui.events import (
    KEY_DOWN,
    KEY_END,
    KEY_ESCAPE,
    KEY_F10,
    KEY_HOME,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_UP,
)
from studio.gui.focus import PRESSING

_FIRST = -1
"""Instead of a line's number: the first one that can be chosen, once the lines are known."""

TakeKey = Callable[..., bool]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of an open menu, as it was drawn."""

    label: str
    enabled: bool
    is_menu: bool


class MenuKeys:
    """One a window. Menus and lines report to it in the order they are drawn, and ask it whether they are meant."""

    def __init__(self) -> None:
        self._bar: list[_Line] = []
        self._bar_before: list[_Line] = []
        self._levels: list[list[_Line]] = []
        """Lines of each open menu, the outermost first."""
        self._levels_before: list[list[_Line]] = []
        self._depth = 0
        self._shown: list[str] = []
        """Labels of the menus that were open in the frame before, the outermost first."""
        self._shown_now: list[str] = []
        self._lit: list[int] = []
        """Number of the line that is lit, in each open menu."""
        self._open: tuple[int, str] | None = None
        """Depth and label of the menu to open in this frame."""
        self._close = False
        self._chosen = False
        self.by_keyboard = False
        """Whether the keyboard was used last on the open menu: the resting pointer opens no other one then."""

    def begin(self, take: TakeKey, *, tapped: bool, moved: bool, blocked: bool) -> None:
        """Begin a frame.

        Args:
            take: whether one of some keys went down; nobody else sees it then.
            tapped: Alt was pressed and let go of, and nothing else meanwhile.
            moved: the mouse was moved or pressed.
            blocked: a dialog or another list has the keyboard.
        """
        self._bar_before, self._bar = self._bar, []
        self._levels_before, self._levels = self._levels, []
        self._shown, self._shown_now = self._shown_now, []
        self._depth, self._open, self._close, self._chosen = 0, None, False, False
        if moved:
            self.by_keyboard, self._lit = False, []
        del self._lit[len(self._shown) :]
        asked = not blocked and (take(KEY_F10) or tapped)
        if not self._shown:
            titles = [line.label for line in self._bar_before if line.enabled]
            if asked and titles:
                self._begin_with(titles[0])
        elif asked:
            self._close = True
        else:
            self._move(take)

    @property
    def is_open(self) -> bool:
        """Whether a menu of the bar was open in the frame before, or is being drawn now."""
        return bool(self._shown or self._shown_now)

    @property
    def bar_opens(self) -> str | None:
        """Title of the bar's menu that has to be opened, before any is drawn: they share a window."""
        return self._open[1] if self._open is not None and self._open[0] == 0 else None

    def enter(self, label: str, *, enabled: bool) -> bool:
        """A menu is about to be drawn. Whether it has to be opened first."""
        if self._depth == 0:
            self._bar.append(_Line(label, enabled, True))
            return False
        self._level().append(_Line(label, enabled, True))
        return self._open == (self._depth, label)

    @property
    def inside(self) -> bool:
        """Whether a menu's lines are being drawn, rather than the bar's titles."""
        return self._depth > 0

    def opened(self, label: str) -> None:
        """The menu is open: what is drawn until `leave` are its lines."""
        self._depth += 1
        self._levels[self._depth - 1 :] = [[]]
        self._shown_now = [*self._shown_now[: self._depth - 1], label]

    def leave(self) -> None:
        """The menu's lines were drawn."""
        self._depth -= 1

    @property
    def closes(self) -> bool:
        """Whether the menu that is being drawn has to close, and all others with it."""
        return self._close

    def line(self, label: str, *, enabled: bool) -> None:
        """A line of the open menu was drawn."""
        self._level().append(_Line(label, enabled, False))

    @property
    def lit(self) -> bool:
        """Whether arrow keys have come to the line that was reported last."""
        depth = self._depth - 1
        if not 0 <= depth < len(self._lit):
            return False
        lines = self._level()
        if self._lit[depth] == _FIRST and lines[-1].enabled:
            self._lit[depth] = len(lines) - 1
        return self._lit[depth] == len(lines) - 1

    @property
    def chosen(self) -> bool:
        """Whether Enter was pressed on the line that was reported last."""
        if self._chosen and self._depth == len(self._lit) and self.lit and self._level()[-1].enabled:
            self._chosen = False
            return True
        return False

    def _level(self) -> list[_Line]:
        return self._levels[self._depth - 1]

    def _begin_with(self, title: str) -> None:
        self._open, self._lit, self.by_keyboard = (0, title), [_FIRST], True

    def _move(self, take: TakeKey) -> None:
        """Act on keys while menus are open."""
        depth = max(1, len(self._lit))
        lines = self._levels_before[depth - 1] if depth <= len(self._levels_before) else []
        at = self._lit[depth - 1] if len(self._lit) == depth else _FIRST
        on = lines[at] if 0 <= at < len(lines) else None
        if take(KEY_ESCAPE):
            self._back() if depth > 1 else self._end()
        elif take(KEY_DOWN):
            self._go(depth, lines, at, 1)
        elif take(KEY_UP):
            self._go(depth, lines, at if at != _FIRST else 0, -1)
        elif take(KEY_HOME):
            self._go(depth, lines, -1, 1)
        elif take(KEY_END):
            self._go(depth, lines, 0, -1)
        elif take(KEY_LEFT):
            self._back() if depth > 1 else self._beside(-1)
        elif take(KEY_RIGHT):
            if on is not None and on.is_menu and on.enabled:
                self._into(depth, on)
            else:
                self._beside(1)
        elif take(*PRESSING) and on is not None:
            if on.is_menu:
                self._into(depth, on)
            else:
                self._chosen = True

    def _go(self, depth: int, lines: list[_Line], at: int, step: int) -> None:
        """To the next line that can be chosen, from the last to the first."""
        for away in range(1, len(lines) + 1):
            number = (at + step * away) % len(lines)
            if lines[number].enabled:
                self._lit[depth - 1 :] = [number]
                self.by_keyboard = True
                return

    def _into(self, depth: int, line: _Line) -> None:
        self._open, self.by_keyboard = (depth, line.label), True
        self._lit.append(_FIRST)

    def _back(self) -> None:
        """From a menu in a menu to the line it belongs to: the outer one is opened anew, which closes the inner."""
        self._open, self.by_keyboard = (0, self._shown[0]), True
        self._lit.pop()

    def _beside(self, step: int) -> None:
        titles = [line.label for line in self._bar_before if line.enabled]
        if self._shown[0] in titles:
            self._begin_with(titles[(titles.index(self._shown[0]) + step) % len(titles)])

    def _end(self) -> None:
        self._close, self._lit, self.by_keyboard = True, [], False
