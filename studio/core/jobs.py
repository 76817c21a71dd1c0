"""Long work with a name: progress, ETA, message, result, error, cancel.

A job function takes a `Progress` and calls `advance()`; that raises
`JobCancelled` once somebody asked the job to stop, so cancelling costs its
author nothing. The window polls `Job` objects once a frame; the command line
hands the same function a `Progress` that draws a terminal bar.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

_job_ids = itertools.count(1)


def new_job_id() -> int:
    """A number no other job of this process has, whoever runs it."""
    return next(_job_ids)


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class Progress(Protocol):
    """What a job function reports to, from its own thread or process."""

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        """Say how many steps there are; `done` of them were finished in an earlier run."""

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        """Count steps done. Raises `JobCancelled` when the job was asked to stop."""

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        """Hand over something by the way (a finished block, say) without ending the job."""


class NullProgress:
    """Reports to nobody; what library calls use by default."""

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        """Ignored."""

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        """Ignored."""

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        """Ignored."""


@dataclass(slots=True)
class Job:
    """One piece of visible work, as the window and the probe see it. Main thread only."""

    id: int
    title: str
    stamp: int = 0
    """Version of what the job was asked about; a late result for another stamp is dropped."""
    state: JobState = JobState.PENDING
    done: int = 0
    total: int = 0
    message: str = ""
    result: Any = None
    error: str | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """What `emit` handed over and nobody has taken yet."""
    started_s: float | None = None
    _first_done: int = 0
    cancel_asked: bool = False
    crashed: bool = False
    """Whether it failed because the process it ran in ended."""

    def note_start(self, total: int, message: str, done: int) -> None:
        """Apply a worker's `start`."""
        self.total, self.done, self._first_done = total, done, done
        self.message = message or self.message
        self.started_s = time.monotonic()

    @property
    def eta_s(self) -> float | None:
        """Seconds still to go at the pace so far, or None while nothing can be said."""
        steps = self.done - self._first_done
        if self.started_s is None or steps < 1 or self.total <= self.done:
            return None
        return (time.monotonic() - self.started_s) / steps * (self.total - self.done)
