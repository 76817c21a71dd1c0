"""News for somebody who looks elsewhere: the desktop's notifications, and a window that asks to be looked at."""

from __future__ import annotations

import base64
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

_NO_CONSOLE: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Windows would flash a console for the command."""

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
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                creationflags=_NO_CONSOLE,
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
    """The command that shows a notification on this desktop; None where there is none."""
    name, arguments = _BY_PLATFORM.get(platform, ("notify-send", _notify_send))
    tool = shutil.which(name)
    return None if tool is None else [tool, *arguments(title, text)]


def _notify_send(title: str, text: str) -> list[str]:
    return ["--app-name=Studio", "--", title, text]


def _osascript(title: str, text: str) -> list[str]:
    script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"
    return ["-e", script, title, text]


def _powershell(title: str, text: str) -> list[str]:
    """A toast of Windows' own. Words go in as base64, so that no quote in them can be taken for the script's."""
    first, second = (base64.b64encode(words.encode()).decode() for words in (title, text))
    script = _TOAST.replace("TITLE", first).replace("TEXT", second)
    encoded = base64.b64encode(script.encode("utf-16-le")).decode()
    return ["-NoProfile", "-NonInteractive", "-WindowStyle", "Hidden", "-EncodedCommand", encoded]


_TOAST = """
$ErrorActionPreference = 'Stop'
$shown = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]
$toast = $shown::GetTemplateContent([Windows.UI.Notifications.ToastTemplateType]::ToastText02)
$lines = $toast.GetElementsByTagName('text')
$number = 0
foreach ($words in 'TITLE', 'TEXT') {
    $line = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($words))
    [void]$lines.Item($number).AppendChild($toast.CreateTextNode($line))
    $number += 1
}
$as = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe'
$shown::CreateToastNotifier($as).Show([Windows.UI.Notifications.ToastNotification]::new($toast))
"""
"""A toast needs an application that the start menu knows: PowerShell's own entry is on every Windows."""

_BY_PLATFORM: dict[str, tuple[str, Callable[[str, str], list[str]]]] = {
    "darwin": ("osascript", _osascript),
    "win32": ("powershell", _powershell),
}
