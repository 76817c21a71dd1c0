"""The progress line on the terminal."""

from __future__ import annotations

import io

from studio.core.jobs import Job, JobState
from studio.session.terminal import TerminalBar


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_the_run_and_its_end() -> None:
    out = Tty()
    bar = TerminalBar(out)
    bar.show(None)
    assert out.getvalue() == ""
    job = Job(1, "Segment", state=JobState.RUNNING)
    job.note_start(10, "", 0)
    job.done = 5
    bar.show(job)
    assert "Segment [###############...............] 50 %" in out.getvalue()
    assert "left" in out.getvalue()
    job.state = JobState.DONE
    bar.show(job)
    assert out.getvalue().rstrip(" \n").endswith("Segment: done")
    assert out.getvalue().endswith("\n")
    length = len(out.getvalue())
    bar.show(job)
    assert len(out.getvalue()) == length


def test_a_pipe_sees_nothing() -> None:
    out = io.StringIO()
    TerminalBar(out).show(Job(1, "Segment", state=JobState.RUNNING))
    assert out.getvalue() == ""
