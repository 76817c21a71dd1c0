"""What the person does, as values, and the queue that hands it out frame by frame.

The binding polls: it sees a button or key only as it stands at the start of a
frame, so a click that begins and ends between two frames would be lost. The
queue ends a frame's events before one that would hide another.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

FIRST_NAMED_KEY = 256
"""GLFW numbers keys that type nothing (Escape, Enter, arrows, modifiers) from here; below are the printable ones."""

MOD_SHIFT, MOD_CONTROL, MOD_ALT, MOD_SUPER = 1, 2, 4, 8
"""GLFW's modifier bits."""

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
        self._buttons = False
        self._typed = False
        self._command = False
        self._keys: set[int] = set()

    def fits(self, event: Event) -> bool:
        """Whether the event can be seen in the same frame as those before it."""
        match event:
            case MouseButton(button=button):
                # Keys would reach the control that is clicked, or get lost to it.
                return not self._typed and ("button", button) not in self._seen_buttons()
            case MouseMove():
                return not self._buttons
            case Key(key=key):
                return not self._buttons and key not in self._keys
            case Char():
                # Text fields take a frame's characters first and its keys after them.
                return not self._buttons and not self._command
        return True

    def add(self, event: Event) -> None:
        """Put one that fits."""
        self.events.append(event)
        match event:
            case MouseButton():
                self._buttons = True
            case Key(key=key, mods=mods, repeat=repeat):
                polled = key >= FIRST_NAMED_KEY or bool(mods & _SHORTCUT)
                self._typed = True
                if polled and not repeat:
                    self._keys.add(key)
                self._command |= polled
            case Char():
                self._typed = True

    def _seen_buttons(self) -> set[tuple[str, int]]:
        return {("button", e.button) for e in self.events if isinstance(e, MouseButton)}


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
