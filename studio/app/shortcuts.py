"""Commands, and the keys that run them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import glfw

from studio.gui.events import Char, Event, Key
from studio.gui.keys import ON_MAC, key_text

PRIMARY_MOD = glfw.MOD_SUPER if ON_MAC else glfw.MOD_CONTROL
"""What `Ctrl` in a shortcut stands for; the command key on a Mac."""

_MODS = {"Ctrl": PRIMARY_MOD, "Alt": glfw.MOD_ALT, "Shift": glfw.MOD_SHIFT}
_ALL_MODS = glfw.MOD_CONTROL | glfw.MOD_ALT | glfw.MOD_SHIFT | glfw.MOD_SUPER

_NAMED_KEYS = {
    "Esc": (glfw.KEY_ESCAPE,),
    "Enter": (glfw.KEY_ENTER, glfw.KEY_KP_ENTER),
    "Home": (glfw.KEY_HOME,),
    "Left": (glfw.KEY_LEFT,),
    "Right": (glfw.KEY_RIGHT,),
    "Up": (glfw.KEY_UP,),
    "Down": (glfw.KEY_DOWN,),
    "Page Up": (glfw.KEY_PAGE_UP,),
    "Page Down": (glfw.KEY_PAGE_DOWN,),
    "Tab": (glfw.KEY_TAB,),
    "Space": (glfw.KEY_SPACE,),
    "Delete": (glfw.KEY_DELETE,),
    "Backspace": (glfw.KEY_BACKSPACE,),
    **{f"F{n}": (glfw.KEY_F1 + n - 1,) for n in range(1, 13)},
}


def always() -> bool:
    """For commands that can always be run."""
    return True


@dataclass(frozen=True, slots=True)
class Command:
    """Something a person can do, from the menu or by a key."""

    name: str
    """Short and unique, such as `zoom_in`."""
    title: str
    shortcut: str
    """Shown in the menu, such as `Ctrl+O`, `F11`, `+`; empty for none."""
    run: Callable[[], None]
    enabled: Callable[[], bool] = always
    section: str = "View"
    """The menu it stands in: `File`, `View`, `Cells`, `Help`."""
    also: tuple[str, ...] = ()
    """Further shortcuts."""
    in_menu: bool = True
    """False for what only makes sense as a key, such as the arrows."""
    checked: Callable[[], bool] | None = None
    """Whether it is on, for what is switched on and off; its menu line has a tick."""

    listed: str | None = None
    """What the page of shortcuts shows instead of the keys; empty to leave the command out there."""

    @property
    def keys(self) -> str:
        """The shortcut as it is written on this machine's keys."""
        return key_text(self.shortcut)


class Shortcuts:
    """Finds the command of an event. Characters are matched as typed, whatever key they are on."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self._characters: dict[str, Command] = {}
        self._keys: dict[tuple[int, int], Command] = {}
        for command in commands:
            for text in (command.shortcut, *command.also):
                if text:
                    self._add(text, command)

    def find(self, event: Event) -> Command | None:
        """The command that an event stands for, enabled or not."""
        if isinstance(event, Char):
            text = chr(event.codepoint)
            return self._characters.get(text) or self._characters.get(text.lower())
        if isinstance(event, Key) and event.down:
            return self._keys.get((event.key, event.mods & _ALL_MODS))
        return None

    def run(self, event: Event) -> bool:
        """Run an event's command if it is enabled. Whether one was run."""
        command = self.find(event)
        if command is None or not command.enabled():
            return False
        command.run()
        return True

    def _add(self, text: str, command: Command) -> None:
        *names, key = text.split("+") if len(text) > 1 else [text]
        mods = sum(_MODS[name] for name in names)
        shifted = mods == glfw.MOD_SHIFT and key.isalpha()
        if len(key) == 1 and (shifted or not mods):
            # Its capital, so that it is told from the same letter without Shift.
            taken = self._characters.setdefault(key.upper() if shifted else key.lower(), command)
            if taken is not command:
                raise ValueError(f"{text!r} runs both {taken.name} and {command.name}")
            return
        for code in _NAMED_KEYS.get(key) or (ord(key.upper()),):
            taken = self._keys.setdefault((code, mods), command)
            if taken is not command:
                raise ValueError(f"{text!r} runs both {taken.name} and {command.name}")
