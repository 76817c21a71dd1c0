"""News for somebody who looks elsewhere: the desktop's notifications, and a window that asks to be looked at."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Protocol

log = logging.getLogger(__name__)


class Asking(Protocol):
    """What is needed of a window."""

    @property
    def focused(self) -> bool:
        """Whether it has the keyboard."""

    def ask_for_attention(self) -> None:
        """Make its entry in the task bar blink, or its icon jump."""


class Attention:
    """Tells news by what the desktop has for it, unless the window is looked at anyway."""

    def __init__(self, window: Asking) -> None:
        self._window = window
        self._children: list[subprocess.Popen[bytes]] = []

    def tell(self, title: str, text: str) -> None:
        """Say it once; nothing waits for it, and a desktop that can't is no error."""
        if self._window.focused:
            return
        self._window.ask_for_attention()
        command = desktop_command(title, text)
        if command is None:
            return
        self._children = [child for child in self._children if child.poll() is None]
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            log.info("No notification: %s", error)
            return
        self._children.append(child)

    def close(self) -> None:
        """End what still shows something."""
        for child in self._children:
            if child.poll() is None:
                child.terminate()
            child.wait()
        self._children.clear()


def desktop_command(title: str, text: str, platform: str = sys.platform) -> Sequence[str] | None:
    """The command that shows a notification on this desktop, or None."""
    if platform == "darwin":
        script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"
        return ["osascript", "-e", script, title, text]
    tool = shutil.which("notify-send")
    return None if tool is None else [tool, "--app-name=Studio", "--", title, text]
