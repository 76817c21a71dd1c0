"""What menu and keyboard share: one table of commands, and the keys that run them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import glfw

from studio.app.camera import NOTCH, STEP, Camera
from studio.gui.events import Char, Event, Key
from studio.session import PathDialog, Session
from studio.session.files import SLIDE_SUFFIXES

PRIMARY_MOD = glfw.MOD_SUPER if sys.platform == "darwin" else glfw.MOD_CONTROL
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


class WindowActions(Protocol):
    """What only the window itself can do."""

    def quit(self) -> None:
        """End the program."""

    def toggle_fullscreen(self) -> None:
        """Fill the screen, or go back to a window."""

    def escape(self) -> None:
        """Close what is on top: a dialog, the help, fullscreen, a preview under way."""

    def toggle_help(self) -> None:
        """Show or hide the page of shortcuts."""

    def save_picture(self, path: Path, *, whole_window: bool) -> None:
        """Write what is in view (or the whole window) as a PNG, once the next frame is drawn."""


def build_commands(session: Session, camera: Camera, window: WindowActions) -> tuple[Command, ...]:
    """The table, in the menu's order."""
    return (
        *_file_commands(session, window),
        *_view_commands(session, camera, window),
        *_cell_commands(session),
        Command("help", "Keyboard and mouse", "F1", window.toggle_help, section="Help", also=("?",)),
        Command("escape", "Close or stop", "Esc", window.escape, section="Help", in_menu=False),
    )


def _file_commands(session: Session, window: WindowActions) -> tuple[Command, ...]:
    def ask_open() -> None:
        session.pending_dialog = PathDialog(
            kind="open",
            title="Open a slide or cells",
            suggested=Path(session.settings.last_folder or Path.home()),
            suffixes=(*SLIDE_SUFFIXES, ".zip"),
            on_path=session.open_path,
        )

    def ask_picture(whole_window: bool) -> None:
        slide = session.document.slide
        name = f"{slide.name if slide else 'studio'}.png"
        session.pending_dialog = PathDialog(
            kind="save",
            title="Save picture",
            suggested=Path(session.settings.last_folder or Path.home()) / name,
            suffixes=(".png",),
            on_path=lambda path: window.save_picture(path, whole_window=whole_window),
        )

    def has_slide() -> bool:
        return session.document.slide is not None

    return (
        Command("open", "Open…", "Ctrl+O", ask_open, section="File"),
        Command(
            "export",
            "Export cells…",
            "Ctrl+E",
            session.ask_export_path,
            lambda: session.why_not_export() is None,
            section="File",
        ),
        Command("picture", "Save picture of the view…", "Ctrl+P", lambda: ask_picture(False), has_slide, "File"),
        Command("picture_window", "Save picture of the window…", "", lambda: ask_picture(True), section="File"),
        Command("close", "Close slide", "Ctrl+W", session.close_slide, has_slide, "File"),
        Command("quit", "Quit", "Ctrl+Q", window.quit, section="File"),
    )


def _view_commands(session: Session, camera: Camera, window: WindowActions) -> tuple[Command, ...]:
    def has_slide() -> bool:
        return session.document.slide is not None

    def step(columns: float, rows: float) -> Callable[[], None]:
        return lambda: camera.step(columns, rows)

    moves = (
        ("left", "Look left", "Left", step(-STEP, 0)),
        ("right", "Look right", "Right", step(STEP, 0)),
        ("up", "Look up", "Up", step(0, -STEP)),
        ("down", "Look down", "Down", step(0, STEP)),
        ("page_up", "A view up", "Page Up", step(0, -1)),
        ("page_down", "A view down", "Page Down", step(0, 1)),
    )
    return (
        Command("fit", "Fit slide", "Home", camera.fit, has_slide, also=("0",)),
        Command("one_to_one", "1:1 pixels", "1", camera.one_to_one, has_slide),
        Command("zoom_in", "Zoom in", "+", lambda: camera.zoom_by(NOTCH), has_slide, also=("=",)),
        Command("zoom_out", "Zoom out", "-", lambda: camera.zoom_by(1 / NOTCH), has_slide, also=("−", "_")),
        *(Command(name, title, key, run, has_slide, in_menu=False) for name, title, key, run in moves),
        Command("fullscreen", "Fullscreen", "F11", window.toggle_fullscreen, also=("Alt+Enter",)),
    )


def _cell_commands(session: Session) -> tuple[Command, ...]:
    document = session.document

    def toggle(name: str) -> Callable[[], None]:
        def run() -> None:
            setattr(document.style, name, not getattr(document.style, name))

        return run

    def has_cells() -> bool:
        return document.overlay is not None

    def has_flows() -> bool:
        return document.overlay is not None and document.overlay.source.has_flows

    return (
        Command(
            "preview",
            "Preview",
            "Ctrl+R",
            session.preview,
            lambda: session.why_not_preview() is None,
            section="Cells",
        ),
        Command("mask", "Mask", "M", toggle("mask"), has_cells, "Cells"),
        Command(
            "outline",
            "Outline",
            "O",
            lambda: document.style.show_outline(not document.style.outline),
            has_cells,
            "Cells",
        ),
        Command("centroid", "Centroid", "C", toggle("centroid"), has_cells, "Cells"),
        Command("gradxy", "gradXY", "G", toggle("gradxy"), has_flows, "Cells"),
        Command("black_bg", "Black background", "B", toggle("black_bg"), has_cells, "Cells"),
        Command("clear", "Take cells off", "", session.clear_overlay, has_cells, "Cells"),
    )


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
            return self._characters.get(chr(event.codepoint).lower())
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
        if len(key) == 1 and not mods:
            taken = self._characters.setdefault(key.lower(), command)
            if taken is not command:
                raise ValueError(f"{text!r} runs both {taken.name} and {command.name}")
            return
        for code in _NAMED_KEYS.get(key) or (ord(key.upper()),):
            taken = self._keys.setdefault((code, mods), command)
            if taken is not command:
                raise ValueError(f"{text!r} runs both {taken.name} and {command.name}")
