"""Which control the keyboard acts on: Tab and Shift+Tab go through all of them, in the order they are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from studio.gui.events import (
    KEY_DOWN,
    KEY_ENTER,
    KEY_ESCAPE,
    KEY_KP_ENTER,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_SPACE,
    KEY_TAB,
    KEY_UP,
)

Key = tuple[str, str]
"""Panel and label of a control."""

PRESSING = (KEY_SPACE, KEY_ENTER, KEY_KP_ENTER)
LESS, MORE = (KEY_LEFT, KEY_DOWN), (KEY_RIGHT, KEY_UP)

_LAST = ("sidebar", "menu")
"""Panels that Tab doesn't begin with: what is open beside the slide comes first."""


@dataclass(frozen=True, slots=True)
class _Stop:
    """A control that can have the keyboard."""

    key: Key
    stepped: bool
    """Whether arrow keys change it."""
    modal: bool


class Focus:
    """One a window. Controls report to it in the order they are drawn, and ask it whether they are meant."""

    def __init__(self) -> None:
        self.visible = False
        """Whether the control that has the keyboard shows a ring: the keyboard was used last, not the mouse."""
        self._key: Key | None = None
        self._arrived = False
        self._stops: list[_Stop] = []
        self._before: list[_Stop] = []
        self._taken: set[int] = set()
        """Keys of this frame that were for the focus itself."""

    @property
    def current(self) -> Key | None:
        """The control that has the keyboard and shows it."""
        return self._key if self.visible else None

    def begin(self, keys: set[int], *, backwards: bool, typing: Key | None) -> None:
        """Begin a frame: `keys` went down in it, `typing` is the text field that has the keyboard."""
        modal = any(stop.modal for stop in self._stops)
        self._before = [stop for stop in self._stops if stop.modal or not modal]
        self._stops = []
        self._arrived = False
        self._taken = set()
        if KEY_TAB in keys and self._before:
            self._go(-1 if backwards else 1, typing)
            self._taken.add(KEY_TAB)
        elif KEY_ESCAPE in keys and self.visible and not modal and typing is None:
            self.visible = False
            self._taken.add(KEY_ESCAPE)

    def takes(self, key: int) -> bool:
        """Whether a key is for the control that has the keyboard, and so no shortcut."""
        if key in self._taken or key == KEY_TAB:
            return True
        stop = next((stop for stop in self._before if stop.key == self._key), None)
        if not self.visible or stop is None:
            return False
        return key in PRESSING or (stop.stepped and key in (*LESS, *MORE))

    def add(self, key: Key, *, stepped: bool, modal: bool) -> None:
        """A control was drawn that can have the keyboard."""
        self._stops.append(_Stop(key, stepped, modal))

    def is_on(self, key: Key) -> bool:
        """Whether a control has the keyboard and shows it."""
        return self.visible and key == self._key

    def arrived_at(self, key: Key) -> bool:
        """Whether it got there in this frame, by Tab."""
        return self._arrived and key == self._key

    def clicked(self, key: Key) -> None:
        """The mouse was used on a control: Tab goes on from there."""
        self._key = key

    def hide(self) -> None:
        """The mouse was used."""
        self.visible = False

    def _go(self, step: int, typing: Key | None) -> None:
        keys = [stop.key for stop in self._before]
        current = typing if typing is not None else self._key
        if current in keys:
            place = (keys.index(current) + step) % len(keys)
        else:
            inner = [number for number, key in enumerate(keys) if key[0] not in _LAST]
            place = (inner or [0])[0 if step > 0 else -1]
        self._key, self._arrived, self.visible = keys[place], True, True
