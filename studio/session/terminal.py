"""The whole-slide run's progress on the terminal that the window was started from."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from studio.core.jobs import Job
from studio.session.runcounts import RunCounts
from studio.session.text import job_fraction, job_text

EVERY_S = 0.5
WIDTH = 30


class TerminalBar:
    """One line on stderr, redrawn in place; silent where stderr is no terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._drawn_s = float("-inf")
        self._length = 0

    def show(self, job: Job | None, counts: RunCounts | None = None) -> None:
        """Draw a job's progress, or end the line when there is none (any more). Cheap; call every frame."""
        # A program started without a console has no stderr at all.
        if self._stream is None or not self._stream.isatty():
            return
        if job is None or job.state.final:
            if self._length:
                self._write(f"{job.title}: {job.state}" if job is not None else "", "\n")
                self._length = 0
            return
        now_s = time.monotonic()
        if now_s - self._drawn_s >= EVERY_S:
            self._drawn_s = now_s
            filled = round(WIDTH * job_fraction(job))
            found = f", {counts.text}" if counts is not None and counts.cells else ""
            self._write(f"{job.title} [{'#' * filled}{'.' * (WIDTH - filled)}] {job_text(job)}{found}")

    def _write(self, text: str, end: str = "") -> None:
        self._stream.write("\r" + text.ljust(self._length) + end)
        self._stream.flush()
        self._length = len(text)
