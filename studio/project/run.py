"""One step over many slides, one after the other; what fails on one slide never stops the rest."""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.core.jobs import JobState, Progress
from studio.core.worker import BATCH_NICE, Worker
from studio.errors import JobCancelled, StudioError, UsageError
from studio.project.buffer import DEFAULT_GB, SlideBuffer, slide_bytes
from studio.project.outcomes import DONE, FAILED, STOPPED, Outcome, save_outcome
from studio.project.slides import ProjectSlide
from studio.project.steps import Step, recorded

log = logging.getLogger(__name__)

_POLL_S = 0.1
_LEAST_BYTES = 10_000_000
"""What a slide counts at least where time is told from sizes: planning and writing take theirs of small ones, too."""

Call = Callable[[Progress, str, dict[str, Any], str], dict[str, Any]]
"""(progress, 'module:function', arguments, title) to what the function returns."""


class CohortProgress:
    """Passes the steps of one slide on, with its place in the cohort and the time the whole will take."""

    def __init__(self, progress: Progress, sizes: Sequence[int]) -> None:
        self._progress = progress
        self._sizes = [max(_LEAST_BYTES, size) for size in sizes]
        self._began_s = self._worked_s = 0.0
        self._worked_bytes = 0
        self._prefix = ""

    def begin(self, number: int) -> None:
        """The slide of that number, from 0, is next."""
        left = sum(self._sizes[number:])
        eta = ""
        if self._worked_bytes:
            eta = f", about {_duration(self._worked_s / self._worked_bytes * left)} to go"
        self._began_s = time.monotonic()
        self._prefix = f"[{number + 1} of {len(self._sizes)}{eta}] "

    def finish(self, number: int) -> None:
        """The slide of that number was done; one that failed tells nothing of the others' time."""
        self._worked_bytes += self._sizes[number]
        self._worked_s += time.monotonic() - self._began_s

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        """Passed on."""
        self._progress.start(total, self._prefix + message, done)

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        """Passed on."""
        self._progress.advance(steps, None if message is None else self._prefix + message)

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        """Passed on."""
        self._progress.emit(kind, payload)


@dataclass(frozen=True, slots=True)
class Running:
    """How the work is arranged; changes nothing in the results."""

    buffer: Path | None = None
    """Folder on a fast disk to copy slides to ahead of time."""
    buffer_gb: float = DEFAULT_GB
    """Room for the copies."""
    isolate: bool = False
    """Work in a process of its own, whose crash costs one slide."""
    scheduler: Any = None
    """Work on a Dask cluster; see `studio.project.cluster`."""


_PLAIN = Running()


def run_step(
    step: Step, slides: Sequence[ProjectSlide], progress: Progress, how: Running = _PLAIN
) -> Generator[Outcome, None, None]:
    """Do a step on each slide, and yield its outcome, which is remembered in the project.

    `progress` is told of each slide's steps; what its `advance` raises ends everything.
    """
    if how.scheduler is not None:
        yield from _on_cluster(step, slides, progress, how)
        return
    todo: list[ProjectSlide] = []
    for slide in slides:
        outcome = settled(step, slide)
        if outcome is None:
            todo.append(slide)
        else:
            yield outcome
    paths = [slide.path for slide in todo if slide.path is not None]
    cohort = CohortProgress(progress, [slide_bytes(path) for path in paths])
    with ExitStack() as stack:
        call = stack.enter_context(_Isolated()) if how.isolate else _in_process
        places: Iterator[tuple[Path, Path]] = zip(paths, paths, strict=True)
        if how.buffer is not None and paths:
            places = stack.enter_context(SlideBuffer(how.buffer, how.buffer_gb)).through(paths)
        for number, (slide, (_, local)) in enumerate(zip(todo, places, strict=True)):
            cohort.begin(number)
            outcome = _outcome(step, slide, local, cohort, call)
            if outcome.ok:
                cohort.finish(number)
            yield outcome


def _on_cluster(
    step: Step, slides: Sequence[ProjectSlide], progress: Progress, how: Running
) -> Generator[Outcome, None, None]:
    from studio.project.cluster import cluster, run_step_on

    if how.buffer is not None:
        raise UsageError("On a cluster the workers read the slides where they are: leave the buffer out.")
    with cluster(how.scheduler) as client:
        yield from run_step_on(client, step, slides, progress)


def settled(step: Step, slide: ProjectSlide) -> Outcome | None:
    """The outcome of a slide that there is nothing to do for."""
    if slide.problem or slide.path is None:
        return failed_outcome(step, slide, slide.problem)
    try:
        return step.before(slide)
    except StudioError as error:
        return Outcome(slide.name, step.name, FAILED, str(error))


def _outcome(step: Step, slide: ProjectSlide, local: Path, progress: Progress, call: Call) -> Outcome:
    try:
        title = f"{step.name} {slide.name}"
        return done_outcome(step, slide, call(progress, step.target, step.arguments(slide, local), title))
    except (JobCancelled, KeyboardInterrupt):
        save_outcome(step.root, Outcome(slide.name, step.name, STOPPED, "It was stopped, and goes on when run again."))
        raise
    except StudioError as error:
        return failed_outcome(step, slide, str(error))
    except Exception as error:
        log.exception("%s of %s", step.name, slide.name)
        return failed_outcome(
            step, slide, f"Unexpected {type(error).__name__}: {error}. The details are in the log file."
        )


def done_outcome(step: Step, slide: ProjectSlide, values: dict[str, Any]) -> Outcome:
    """The outcome of work that is done, remembered in the project. Raises RunError where that can't be written."""
    outcome = Outcome(slide.name, step.name, DONE, "", values, recorded(step, slide))
    save_outcome(step.root, outcome)
    return outcome


def failed_outcome(step: Step, slide: ProjectSlide, message: str) -> Outcome:
    """The outcome of work that failed, remembered where that can be written."""
    log.warning("%s of %s: %s", step.name, slide.name, message)
    outcome = Outcome(slide.name, step.name, FAILED, message)
    try:
        save_outcome(step.root, outcome)
    except StudioError as error:
        log.warning("%s", error)
    return outcome


def _in_process(progress: Progress, target: str, arguments: dict[str, Any], title: str) -> dict[str, Any]:  # noqa: ARG001
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)
    values: dict[str, Any] = function(progress, **arguments)
    return values


class _Isolated:
    """Calls in a worker process, which is started anew after a crash."""

    def __init__(self) -> None:
        self._worker = Worker("project", nice=BATCH_NICE)

    def __enter__(self) -> Call:
        return self._call

    def __exit__(self, *_: object) -> None:
        self._worker.close()

    def _call(self, progress: Progress, target: str, arguments: dict[str, Any], title: str) -> dict[str, Any]:
        job = self._worker.submit(target, arguments, title=title)
        seen = (0, 0, "")
        try:
            progress.start(0, title)
            while not job.state.final:
                time.sleep(_POLL_S)
                self._worker.poll()
                now = (job.total, job.done, job.message)
                if now[0] != seen[0] or now[1] < seen[1]:
                    progress.start(job.total, job.message, job.done)
                elif now != seen:
                    progress.advance(now[1] - seen[1], job.message)
                else:
                    progress.advance(0)
                seen = now
        except (JobCancelled, KeyboardInterrupt):
            self._worker.cancel(job)
            while not job.state.final:
                time.sleep(_POLL_S)
                self._worker.poll()
            raise
        if job.state is JobState.FAILED:
            raise StudioError(job.error or "It failed without saying why.")
        values: dict[str, Any] = job.result
        return values


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
