"""What the person does, as values, and the queue that hands it out frame by frame.

The binding polls: it sees a button or key only as it stands at the start of a
frame, so a click that begins and ends between two frames would be lost. The
queue ends a frame's events before one that would hide another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FIRST_NAMED_KEY = 256
"""GLFW numbers keys that type nothing (Escape, Enter, arrows, modifiers) from here; below are the printable ones."""

KEY_ESCAPE, KEY_ENTER, KEY_TAB, KEY_BACKSPACE, KEY_DELETE = 256, 257, 258, 259, 261
KEY_RIGHT, KEY_LEFT, KEY_DOWN, KEY_UP, KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_HOME, KEY_END = range(262, 270)
KEY_KP_ENTER = 335
KEY_F10 = 299
KEY_LEFT_ALT = 342
KEY_SPACE = 32
"""GLFW's numbers of the keys that text fields and dialogs act on."""

MOD_SHIFT, MOD_CONTROL, MOD_ALT, MOD_SUPER = 1, 2, 4, 8
"""GLFW's modifier bits."""

OUTSIDE = (-1e6, -1e6)
"""Where the pointer is, for `MouseMove`, when it isn't over the window."""

_MODIFIER_KEYS = frozenset(range(340, 348))
"""Shift, Control, Alt and Super, left and right."""

_SHORTCUT = MOD_CONTROL | MOD_ALT | MOD_SUPER


@dataclass(frozen=True, slots=True)
class MouseMove:
    """The pointer is at a point in window coordinates."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class MouseButton:
    """A button (0 left, 1 right, 2 middle) went down or up."""

    button: int
    down: bool
    mods: int = 0


@dataclass(frozen=True, slots=True)
class Wheel:
    """The wheel was turned; positive `dy` is away from the person."""

    dx: float
    dy: float


@dataclass(frozen=True, slots=True)
class Key:
    """A key (GLFW number) went down or up, or repeats because it is held."""

    key: int
    scancode: int
    down: bool
    mods: int = 0
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Char:
    """A character was typed."""

    codepoint: int


@dataclass(frozen=True, slots=True)
class Focus:
    """The window got the keyboard, or lost it."""

    on: bool


@dataclass(frozen=True, slots=True)
class Drop:
    """Files were dropped on the window."""

    paths: tuple[Path, ...]


Event = MouseMove | MouseButton | Wheel | Key | Char | Focus | Drop


class _Frame:
    """Events of one frame, and which further one would hide one of them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._buttons: set[int] = set()
        self._keys: set[int] = set()
        self._typed = False
        self._moved = False
        self._acted = False
        """Whether a key went down that menus, lists and dialogs act on: the next one may be for what it opens."""

    def fits(self, event: Event) -> bool:
        """Whether the event can be seen in the same frame as those before it."""
        match event:
            case MouseButton(button=button, down=down):
                # What was typed belongs to the field that this click may leave; what is dragged must get
                # to where it is let go.
                return button not in self._buttons and not self._typed and (down or not self._moved)
            case MouseMove():
                return not self._buttons
            case Key(key=key, down=down):
                if down and self._acted and _acts(key):
                    return False
                # Ctrl let go of in the same frame would make Ctrl+A an A.
                held = key in _MODIFIER_KEYS and bool(self._keys - _MODIFIER_KEYS)
                return not self._buttons and key not in self._keys and not held
            case Char():
                # A text field takes all characters of a frame before its keys.
                return not self._buttons and not self._keys
        return True

    def add(self, event: Event) -> None:
        """Put one that fits."""
        self.events.append(event)
        match event:
            case MouseButton(button=button):
                self._buttons.add(button)
            case MouseMove():
                self._moved = True
            case Key(key=key, mods=mods, down=down):
                self._typed = True
                # Alt let go of may open the menu.
                self._acted |= _acts(key) if down else key == KEY_LEFT_ALT
                # The binding doesn't look at a printable key without Ctrl, so it may come and go in one frame.
                if key >= FIRST_NAMED_KEY or mods & _SHORTCUT:
                    self._keys.add(key)
            case Char():
                self._typed = True


def _acts(key: int) -> bool:
    return (key >= FIRST_NAMED_KEY and key not in _MODIFIER_KEYS) or key == KEY_SPACE


class EventQueue:
    """Collects events as they come and hands them out by frames, in order."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque()

    def put(self, event: Event) -> None:
        """Append one."""
        self._waiting.append(event)

    def take(self) -> list[Event]:
        """Events of this frame; others may go on waiting (`bool(queue)`), so draw the next frame at once."""
        frame = _Frame()
        while self._waiting and frame.fits(self._waiting[0]):
            frame.add(self._waiting.popleft())
        return frame.events

    def __bool__(self) -> bool:
        return bool(self._waiting)


class AltTap:
    """Tells whether Alt was pressed and let go of again, with nothing else between."""

    def __init__(self) -> None:
        self._down = False

    def of(self, events: Iterable[Event]) -> bool:
        """Take in a frame's events. Whether a tap ended in it."""
        tapped = False
        for event in events:
            match event:
                case Key(key=key, down=True) if key == KEY_LEFT_ALT:
                    self._down = not event.mods & (MOD_SHIFT | MOD_CONTROL | MOD_SUPER)
                case Key(key=key, down=False) if key == KEY_LEFT_ALT:
                    tapped, self._down = self._down, False
                case MouseMove():
                    pass
                case _:
                    self._down = False
        return tapped
