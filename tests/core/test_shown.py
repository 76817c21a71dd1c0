"""What a library call reports to."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from studio.cli.progress import TerminalProgress
from studio.core.jobs import NullProgress
from studio.core.shown import CallbackProgress, shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stderr", "show", "kind"),
    [
        (Terminal(), None, TerminalProgress),
        (Terminal(), False, NullProgress),
        (io.StringIO(), None, NullProgress),
        (io.StringIO(), True, TerminalProgress),
        (None, None, NullProgress),
    ],
)
def test_a_bar_where_there_is_a_terminal(
    stderr: io.StringIO | None, show: bool | None, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    with shown(None, show) as progress:
        assert type(progress) is kind


def test_the_caller_s_own_goes_before_the_bar() -> None:
    own = NullProgress()
    with shown(own, True) as progress:
        assert progress is own


def test_a_function_hears_of_each_step_and_stops_the_work() -> None:
    said: list[tuple[int, int, str]] = []

    def report(done: int, total: int, message: str) -> None:
        said.append((done, total, message))
        if message == "enough":
            raise RuntimeError("stop")

    with shown(report) as progress:
        progress.start(5, "Reading", done=1)
        progress.advance()
        progress.advance(2, "Writing")
        progress.emit("block", {})
        with pytest.raises(RuntimeError, match="stop"):
            progress.advance(0, "enough")
    assert said == [(1, 5, "Reading"), (2, 5, "Reading"), (4, 5, "Writing"), (4, 5, "enough")]


def test_steps_from_many_threads_all_count() -> None:
    said: list[int] = []
    progress = CallbackProgress(lambda done, *_: said.append(done))
    progress.start(400)
    threads = [threading.Thread(target=lambda: [progress.advance() for _ in range(100)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == list(range(401))
