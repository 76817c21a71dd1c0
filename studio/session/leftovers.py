"""Unfinished runs of all slides: what they are, what they take, and how to be rid of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from studio.core.background import Work
from studio.core.jobs import Job
from studio.session import unfinished
from studio.session.base import Apply
from studio.session.state import Question
from studio.session.text import age_text, bytes_text

if TYPE_CHECKING:
    from studio.session.unfinished import Leftover, Run


class LeftoverHost(Protocol):
    """What `Leftovers` needs of the session."""

    unfinished: Run | None

    @property
    def running_out(self) -> Path | None:
        """Where the run under way writes to."""

    def open_path(self, path: str | Path) -> None:
        """Open a slide."""

    def is_open(self, run: Run) -> bool:
        """Whether the slide on screen is a run's."""

    def forget_run(self, out: Path) -> None:
        """Its blocks are about to go: nothing on screen may go on reading them."""


class Leftovers:
    """Held by the session as `session.leftovers`. Main thread only."""

    def __init__(
        self, host: LeftoverHost, run_on_thread: Callable[[str, Work, Apply], Job], ask: Callable[[Question], None]
    ) -> None:
        self._host, self._run_on_thread, self._ask = host, run_on_thread, ask
        self._found: list[Leftover] = []

    @property
    def items(self) -> list[Leftover]:
        """All but the run under way and the one that Resume goes on with, the newest first."""
        run = self._host.unfinished
        shown = (self._host.running_out, run.out if run is not None else None)
        return [left for left in self._found if left.out not in shown]

    def of(self, fingerprint: str) -> list[Run]:
        """Runs of a slide that can go on, the newest first."""
        runs = [left.run for left in self._found if left.run is not None and left.out != self._host.running_out]
        return [run for run in runs if run.fingerprint == fingerprint and run.blocks_done]

    def take(self, found: list[Leftover]) -> None:
        """What was seen on the disk."""
        self._found = found

    def look(self) -> None:
        """See anew what there is."""
        self._run_on_thread("Look", lambda _progress: unfinished.leftovers(), lambda job: self.take(job.result))

    def choose(self, left: Leftover) -> None:
        """Have Resume go on with a run: its slide is opened where it isn't."""
        if left.run is None:
            return
        if self._host.is_open(left.run):
            self._host.unfinished = left.run
        else:
            self._host.open_path(left.run.slide_path)

    def ask_delete(self, left: Leftover) -> None:
        """Ask whether what a run has done should go."""
        self._ask(
            Question(
                kind="discard",
                title="Delete an unfinished run?",
                text=f"{left.slide_name}: {text_of(left)}. What it has done would be lost.",
                yes="Delete",
                no="Keep",
                on_yes=lambda _value: self.delete(left.out),
            )
        )

    def delete(self, out: Path) -> None:
        """Forget a run and delete what it has done. One that another process is at work on stays, which is said."""
        self._host.forget_run(out)
        self._run_on_thread("Discard", lambda _progress: unfinished.discard(out), lambda _job: self.look())


def text_of(left: Leftover) -> str:
    """How far a run is, what it was, what it takes: `40 % done, cyto3, 9.5 µm, 12 MB, 3 days ago`."""
    run, parts = left.run, []
    if run is not None:
        done = f"{run.share:.0%}" if run.blocks else f"{run.blocks_done} blocks"
        parts = [f"{done} done", f"{run.params['model']}, {run.params['diam_um']:g} µm"]
        parts += ["regions only"] if run.rois is not None else []
    return ", ".join([*parts, bytes_text(left.bytes), age_text(left.age_s)])
