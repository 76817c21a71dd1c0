"""Progress of library calls: the caller's own, a function, a bar in a terminal, or none."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from studio.core.jobs import NullProgress, Progress

Callback = Callable[[int, int, str], object]
"""Called with (steps done, steps in all, message); what it raises stops the work."""


class CallbackProgress:
    """A `Progress` that calls a function; from any thread, but never from two at once.

    >>> progress = CallbackProgress(lambda done, total, message: print(message, done, "of", total))
    >>> progress.start(3, "Reading")
    Reading 0 of 3
    >>> progress.advance(2)
    Reading 2 of 3
    """

    def __init__(self, report: Callback) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._done = self._total = 0
        self._message = ""

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        """Begin a stage."""
        with self._lock:
            self._done, self._total, self._message = done, total, message
            self._report(done, total, message)

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        """Count steps done."""
        with self._lock:
            self._done += steps
            self._message = self._message if message is None else message
            self._report(self._done, self._total, self._message)

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        """Nothing: a function hears of steps only."""


def shown(progress: Progress | Callback | None, show: bool | None = None) -> AbstractContextManager[Progress]:
    """What to report to: `progress`, else a bar on stderr if `show` (None: where that is a terminal)."""
    if progress is not None:
        return nullcontext(CallbackProgress(progress) if callable(progress) else progress)
    if show is None:
        show = sys.stderr is not None and sys.stderr.isatty()
    if not show:
        return nullcontext(NullProgress())
    # The one bar there is belongs to the command line; pyproject.toml lists this import upwards.
    from studio.cli.progress import TerminalProgress

    return TerminalProgress()
