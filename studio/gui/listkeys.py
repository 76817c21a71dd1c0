"""The line of an open list that arrow keys have come to: of what a field or a button drops down."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studio.gui.events import KEY_DOWN, KEY_END, KEY_HOME, KEY_PAGE_DOWN, KEY_PAGE_UP, KEY_UP
from studio.gui.focus import PRESSING

PAGE = 8
"""Lines that Page Up and Page Down go by."""

_NONE = -1

_STEPS = ((KEY_DOWN, 1), (KEY_UP, -1), (KEY_PAGE_DOWN, PAGE), (KEY_PAGE_UP, -PAGE))


class ListKeys:
    """One a window: only one list is open at a time."""

    def __init__(self) -> None:
        self.lit = _NONE
        """Number of the line; -1 for none."""
        self.moved = False
        """Whether it has just got there, so that it has to be scrolled to."""
        self._list: object = None
        self._drawn = False

    def begin(self, *, mouse_moved: bool) -> None:
        """Begin a frame."""
        if not self._drawn:
            self._list = None
        if mouse_moved:
            self.lit = _NONE
        self._drawn = False

    def follow(
        self, which: object, enabled: Sequence[bool], start: int, take: Callable[..., bool], *, by_keyboard: bool
    ) -> bool:
        """Act on this frame's keys for an open list. Whether the lit line was chosen.

        Args:
            which: the list; another one than in the frame before has just been opened.
            enabled: whether each of its lines can be chosen.
            start: line that is chosen now; -1 for none.
            take: whether one of some keys went down; nobody else sees it then.
            by_keyboard: whether the keyboard opened it, which lights a line at once.
        """
        self.moved, self._drawn = False, True
        if which != self._list:
            self._list, self.lit = which, _NONE
            if by_keyboard:
                self._go(enabled, start - 1, 1)
            return False
        at = self.lit if self.lit != _NONE else start
        for key, step in _STEPS:
            if take(key):
                self._go(enabled, at, step)
        if take(KEY_HOME):
            self._go(enabled, -1, 1)
        if take(KEY_END):
            self._go(enabled, len(enabled), -1)
        return take(*PRESSING) and self.lit != _NONE

    def _go(self, enabled: Sequence[bool], at: int, step: int) -> None:
        """By some lines, on to one that can be chosen; at the ends it stays."""
        choosable = [number for number, can in enumerate(enabled) if can]
        if not choosable:
            return
        if step > 0:
            self.lit = next((number for number in choosable if number >= at + step), choosable[-1])
        else:
            self.lit = next((number for number in reversed(choosable) if number <= at + step), choosable[0])
        self.moved = True
