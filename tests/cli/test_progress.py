"""Progress lines, and Ctrl+C as a request to stop."""

from __future__ import annotations

import io
import os
import signal
import sys

import pytest

from studio.cli.progress import TerminalProgress
from studio.core.jobs import Progress
from studio.errors import JobCancelled


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress(bar=False) as progress:
        job: Progress = progress
        job.start(4, "Blocks", done=1)
        for _ in range(3):
            job.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Blocks: 1 of 4"
    assert lines[-1] == "Blocks: 4 of 4"


def test_bar_in_a_terminal_leaves_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress(bar=True) as progress:
        progress.start(2, "Blocks")
        progress.advance(2)
    assert capsys.readouterr().out == ""


def test_a_bar_shows_names_with_brackets_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with TerminalProgress() as progress:
        progress.start(2, "Slide [red] a[/b]")
        progress.advance(2)
    assert "Slide [red] a[/b]" in sys.stderr.getvalue()


def test_each_end_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress(bar=False) as progress:
        progress.start(2, "Blocks")
        progress.advance(2)
        for _ in range(3):
            progress.advance(0)
    assert capsys.readouterr().err.splitlines() == ["Blocks: 0 of 2", "Blocks: 2 of 2"]


def test_interrupt_cancels_at_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with TerminalProgress(bar=False) as progress:
        progress.start(9, "Blocks")
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(JobCancelled):
            progress.advance()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert "Stopping" in capsys.readouterr().err
