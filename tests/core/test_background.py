"""Jobs on threads: result, progress, cancel, errors, closing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from studio.core.background import Background
from studio.core.jobs import Job, JobState
from studio.errors import SlideError


@pytest.fixture
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


def finish(background: Background, job: Job) -> Job:
    deadline = time.monotonic() + 30
    while not job.state.final:
        assert time.monotonic() < deadline
        background.poll()
        time.sleep(0.002)
    return job


def test_progress_and_result_arrive_at_poll_only(background: Background) -> None:
    ended = threading.Event()

    def work(progress: Any) -> str:
        progress.start(4, "Copying", done=1)
        progress.advance(3, "Nearly")
        progress.emit("note", {"x": 1})
        ended.set()
        return "result"

    job = background.submit(work, title="Copy", stamp=3)
    assert ended.wait(30)
    assert (job.state, job.done) == (JobState.PENDING, 0)
    finish(background, job)
    assert (job.state, job.result, job.done, job.total, job.message) == (JobState.DONE, "result", 4, 4, "Nearly")
    assert job.events == [("note", {"x": 1})]
    assert not background.poll()


def test_cancel_stops_at_the_next_step(background: Background) -> None:
    started = threading.Event()

    def work(progress: Any) -> None:
        while True:
            started.set()
            progress.advance()
            time.sleep(0.001)

    job = background.submit(work, title="Endless")
    assert started.wait(30)
    background.cancel(job)
    assert finish(background, job).state is JobState.CANCELLED
    assert not background.owns(job)


def test_errors_become_words(background: Background) -> None:
    def refuse(_progress: Any) -> None:
        raise SlideError("bad.svs is no slide.")

    def stumble(_progress: Any) -> None:
        raise KeyError("masks")

    assert finish(background, background.submit(refuse, title="Open")).error == "bad.svs is no slide."
    error = finish(background, background.submit(stumble, title="Open")).error
    assert "KeyError" in str(error)
    assert "log" in str(error)


def test_close_ends_a_job_that_listens() -> None:
    background = Background(threads=1)
    started = threading.Event()

    def work(progress: Any) -> None:
        while True:
            started.set()
            progress.advance()
            time.sleep(0.001)

    job = background.submit(work, title="Endless")
    waiting = background.submit(work, title="Never begun")
    assert started.wait(30)
    background.close()
    background.poll()
    assert job.state is JobState.CANCELLED
    assert waiting.state is JobState.PENDING
