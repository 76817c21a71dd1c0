"""Telling somebody who looks elsewhere."""

from __future__ import annotations

import base64
import os
import re
import shutil
from pathlib import Path

import pytest

from studio.app.attention import Attention, desktop_command


class Window:
    def __init__(self, *, focused: bool) -> None:
        self.focused = focused
        self.asked = 0

    def ask_for_attention(self) -> None:
        self.asked += 1


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A desktop whose notifications land in a file."""
    tool = tmp_path / "notify-send"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/new && mv {tmp_path}/new {tmp_path}/told\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path / "told"


def test_news_reach_the_desktop_and_the_task_bar(told: Path) -> None:
    window = Window(focused=False)
    attention = Attention(window)
    attention.tell("Studio", "--complete: 12 cells")
    assert window.asked == 1
    attention._children[0].wait(30)
    assert told.read_text().splitlines()[-3:] == ["--", "Studio", "--complete: 12 cells"]
    attention.close()


def test_who_looks_at_the_window_is_left_alone(told: Path) -> None:
    window = Window(focused=True)
    attention = Attention(window)
    attention.tell("Studio", "complete")
    attention.close()
    assert window.asked == 0
    assert not told.exists()


WORDS = ("Studio", "b\" & beep; 'x' ’$(calc)’ µm")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_desktop_without_notifications(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setenv("PATH", "")
    assert desktop_command(*WORDS, platform=platform) is None


def test_words_are_arguments_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    command = desktop_command(*WORDS, platform="darwin")
    assert command is not None
    assert command[:2] == ["/usr/bin/osascript", "-e"]
    assert "display notification" in command[2]
    assert tuple(command[3:]) == WORDS


def test_words_cant_break_out_of_the_script_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"C:/{name}.exe")
    command = desktop_command(*WORDS, platform="win32")
    assert command is not None
    assert command[0] == "C:/powershell.exe"
    assert command[-2] == "-EncodedCommand"
    assert len(" ".join(command)) < 8191  # the longest line that Windows' shell takes
    script = base64.b64decode(command[-1]).decode("utf-16-le")
    assert "calc" not in script
    assert "v1.0\\powershell.exe'" in script
    [quoted] = re.findall(r"in '(\S+)', '(\S+)'\)", script)
    assert tuple(base64.b64decode(words).decode() for words in quoted) == WORDS
