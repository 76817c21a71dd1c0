"""Progress of a command on stderr: a bar in a terminal, plain lines otherwise; Ctrl+C cancels."""

from __future__ import annotations

import signal
import sys
import threading
import time
from types import TracebackType
from typing import Any

from studio.cli.output import note
from studio.errors import JobCancelled

LINE_EVERY_S = 5.0


class TerminalProgress:
    """A `Progress` for the command line, used as a context manager on the main thread.

    The first Ctrl+C asks the job to stop at its next step, so that it leaves a
    run that can be resumed; the second ends it at once. Steps may be reported
    from any thread.
    """

    def __init__(self, *, bar: bool | None = None) -> None:
        """`bar` None: a bar where stderr is a terminal."""
        self._bar_wanted = sys.stderr.isatty() if bar is None else bar
        self._bar: Any = None
        self._task: Any = None
        self._lock = threading.Lock()
        self._cancelled = False
        self._old_handler: Any = None
        self._message = ""
        self._done = self._first_done = self._total = 0
        self._began_s = self._said_s = 0.0

    def __enter__(self) -> TerminalProgress:
        if threading.current_thread() is threading.main_thread():
            self._old_handler = signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._old_handler is not None:
            signal.signal(signal.SIGINT, self._old_handler)
            self._old_handler = None
        if self._bar is not None:
            self._bar.stop()

    def _on_interrupt(self, *_: object) -> None:
        if self._cancelled:
            raise KeyboardInterrupt
        self._cancelled = True
        note("Stopping after the work in hand; Ctrl+C again stops at once.")

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        """Begin a stage of `total` steps, `done` of which are already there."""
        with self._lock:
            self._total, self._done, self._first_done = total, done, done
            self._message = message
            self._began_s = time.monotonic()
            self._show(new=True, due=True)
        self._raise_if_cancelled()

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        """Count steps done; raises JobCancelled after Ctrl+C."""
        with self._lock:
            finished = self._done < self._total <= self._done + steps
            self._done += steps
            if message is not None:
                self._message = message
            self._show(new=False, due=finished)
        self._raise_if_cancelled()

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        """Say a notice; the command line shows no partial results."""
        if kind == "notice":
            note(str(payload["text"]))

    def _raise_if_cancelled(self) -> None:
        if self._cancelled:
            raise JobCancelled

    def _show(self, *, new: bool, due: bool) -> None:
        """Show the state; where there is no bar, a line if one is `due` or the last one is old."""
        if self._bar_wanted:
            self._show_bar(new)
            return
        now = time.monotonic()
        if due or now - self._said_s >= LINE_EVERY_S:
            self._said_s = now
            note(self._line(now))

    def _show_bar(self, new: bool) -> None:
        if self._bar is None:
            self._bar = _rich_bar()
            self._bar.start()
            self._task = self._bar.add_task("", total=None)
        changes = {"completed": self._done, "description": self._message, "total": self._total or None}
        if new:
            self._bar.reset(self._task, **changes)
        else:
            self._bar.update(self._task, **changes)

    def _line(self, now_s: float) -> str:
        text = self._message or "Working"
        if not self._total:
            return text
        text = f"{text}: {self._done} of {self._total}"
        steps = self._done - self._first_done
        if steps > 0 and self._done < self._total:
            text += f", {(now_s - self._began_s) / steps * (self._total - self._done):.0f} s to go"
        return text


def _rich_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        # Names of slides may hold brackets.
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
