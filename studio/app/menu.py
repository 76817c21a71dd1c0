"""The menu bar: the commands' table, and what changes while the program runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio.app.host import PanelHost
from studio.gui.gui import Gui
from studio.session import Session

if TYPE_CHECKING:
    from studio.app.shortcuts import Command

_FIRST_OF_GROUP = (
    "export",
    "picture",
    "copy_position",
    "close",
    "fullscreen",
    "mask",
    "clear",
    "undo",
    "bookmark",
    "about",
)
"""Commands with a line above them."""


class Menu:
    """Draws the bar; keeps nothing."""

    def __init__(
        self, session: Session, host: PanelHost, commands: Sequence[Command], show_about: Callable[[], None]
    ) -> None:
        self._session = session
        self._host = host
        self._sections: dict[str, list[Command]] = {}
        for command in commands:
            if command.in_menu:
                self._sections.setdefault(command.section, []).append(command)
        self._show_about = show_about

    def draw(self, gui: Gui) -> float:
        """Draw it; its height."""
        with gui.chrome.menu_bar() as height:
            for section, commands in self._sections.items():
                with gui.chrome.menu(section) as is_open:
                    if is_open:
                        self._section(gui, section, commands)
        return height

    def _section(self, gui: Gui, section: str, commands: Sequence[Command]) -> None:
        for number, command in enumerate(commands):
            if number and command.name in _FIRST_OF_GROUP:
                gui.chrome.menu_separator()
            checked = command.checked() if command.checked is not None else None
            if gui.chrome.menu_item(command.title, command.keys, checked=checked, enabled=command.enabled()):
                command.run()
            if command.name == "open":
                self._openable(gui)
        if section == "View":
            self._panels(gui)
        if section == "Help":
            gui.chrome.menu_separator()
            if gui.chrome.menu_item("About Studio"):
                self._show_about()

    def _openable(self, gui: Gui) -> None:
        """What can be opened without looking for it."""
        session = self._session
        recent = session.settings.recent
        with gui.chrome.menu("Open recent", enabled=bool(recent)) as is_open:
            if is_open:
                for path in list(recent):
                    if gui.chrome.menu_item(_short(path)):
                        session.open_path(path)
                gui.chrome.menu_separator()
                if gui.chrome.menu_item("Clear list"):
                    recent.clear()
                    session.settings.changed()
        if gui.chrome.menu_item("Sample slide"):
            session.open_path(session.sample_slide())

    def _panels(self, gui: Gui) -> None:
        settings = self._session.settings
        gui.chrome.menu_separator()
        if gui.chrome.menu_item("Minimap", checked=settings.minimap):
            settings.minimap = not settings.minimap
            settings.changed()
        gui.chrome.menu_separator()
        shown = self._host.open_spec
        for spec in self._host.enabled:
            checked = shown is not None and shown.name == spec.name
            if gui.chrome.menu_item(spec.title, checked=checked):
                self._host.toggle(spec.name)
        self._host.menu(gui.ui)


def _short(path: str) -> str:
    """The end of a long path: what tells slides apart."""
    place = Path(path)
    text = f"{place.parent.name}/{place.name}"
    return text if len(text) <= 60 else f"…{text[-59:]}"
