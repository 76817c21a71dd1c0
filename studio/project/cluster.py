"""A step over many slides on a Dask cluster: large slides in ranges of blocks, small ones as they are.

Arrays never travel: helpers write blocks into the run directory beside the
target, and a last task per slide is an ordinary run that takes them in. So
slides and project must lie under the same paths on all machines. What was
running when a worker died is done again by another; its finished blocks count.
"""

from __future__ import annotations

import importlib
import logging
import os
import queue
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from studio.core.jobs import NullProgress, Progress
from studio.errors import RunError, StudioError, UsageError
from studio.project.outcomes import Outcome
from studio.project.run import done_outcome, failed_outcome, settled
from studio.project.slides import ProjectSlide
from studio.project.steps import SegmentStep, Step

if TYPE_CHECKING:
    from studio.cellseg.share import SharedRun

log = logging.getLogger(__name__)

RANGE_BLOCKS = 32
"""Blocks a task: at a second each, long against planning and scheduling, short against what a lost worker costs."""
SLIDES_A_WORKER = 2
"""Slides at work for each worker, so that none waits at the end of a slide, and the scheduler stays small."""

_CONNECT_S = 15
_POLL_S = 0.5
_RETRIES = 2
_GONE = "The Dask scheduler is gone. Start it, and run the same again: what was finished stays."


@contextmanager
def cluster(scheduler: Any) -> Iterator[Any]:
    """A Dask client: of a cluster on this machine for `local`, of an address, or the one that is given.

    Raises UsageError without Dask, RunError where no scheduler answers.
    """
    try:
        import distributed
    except ImportError as error:
        raise UsageError("Dask is needed for that: pip install 'studio-wsi[distributed]'.") from error
    if isinstance(scheduler, distributed.Client):
        yield scheduler
        return
    if scheduler == "local":
        # Its workers share this terminal; what goes wrong in a task is told by us.
        quiet = {"silence_logs": logging.CRITICAL, "dashboard_address": "127.0.0.1:0"}
        with (
            distributed.LocalCluster(threads_per_worker=1, **quiet) as local,
            distributed.Client(local, timeout=60) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(str(scheduler), timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise RunError(
            f"No Dask scheduler answers at {scheduler}. Start one (dask scheduler), or check the address."
        ) from error
    with client:
        yield client


def run_step_on(client: Any, step: Step, slides: Sequence[ProjectSlide], progress: Progress) -> Generator[Outcome]:
    """Do a step on each slide, and yield outcomes as slides end, in no particular order.

    Raises RunError where the scheduler is lost; what was finished stays, and
    the same call goes on from there. What `progress.advance` raises takes back
    all tasks that haven't begun.
    """
    todo: deque[_Slide] = deque()
    for slide in slides:
        outcome = settled(step, slide)
        if outcome is None:
            todo.append(_Slide(slide))
        else:
            yield outcome
    progress.start(len(slides), f"{step.name}: on the cluster", done=len(slides) - len(todo))
    running = _Running(client, step, progress)
    try:
        while todo or running.slides:
            while todo and len(running.slides) < running.room():
                running.begin(todo.popleft())
            for ended in running.take():
                yield ended
                progress.advance(1)
    finally:
        running.cancel()


@dataclass(eq=False)
class _Slide:
    """A slide at work: how many of its tasks are still out."""

    slide: ProjectSlide
    out: int = 0
    futures: list[Any] = field(default_factory=list)
    ended: bool = False
    backend: str = ""
    """That all of its tasks use, once there are several; what `auto` is may differ from worker to worker."""


class _Running:
    """The slides at work on a cluster."""

    def __init__(self, client: Any, step: Step, progress: Progress) -> None:
        self.slides: set[_Slide] = set()
        self._client = client
        self._step = step
        self._progress = progress
        self._back: queue.SimpleQueue[tuple[_Slide, str, Any]] = queue.SimpleQueue()
        self._blocks = self._blocks_done = 0
        # Where workers offer GPUs, each of them has one task a GPU.
        self._resources = {"GPU": 1} if client.run_on_scheduler(offers_gpus) else {}

    def room(self) -> int:
        """How many slides may be at work now."""
        return max(1, self._workers()) * SLIDES_A_WORKER

    def begin(self, at: _Slide) -> None:
        """Send a slide's first task."""
        self.slides.add(at)
        if isinstance(self._step, SegmentStep):
            self._submit(at, "count", "studio.cellseg.share:count_blocks", {"run": self._shared(at)})
        else:
            self._finish(at)

    def take(self) -> list[Outcome]:
        """Wait a little for a task to end, send what follows it, and return the outcome of a slide that ended."""
        try:
            at, kind, future = self._back.get(timeout=_POLL_S)
        except queue.Empty:
            self._check()
            self._progress.advance(0, None if self._workers() else f"{self._step.name}: waiting for workers")
            return []
        if at.ended:
            return []
        at.out -= 1
        try:
            result = self._result(future)
        except StudioError as error:
            if isinstance(error, _LostError):
                raise RunError(str(error)) from error
            return [self._end(at, failed_outcome(self._step, at.slide, str(error)))]
        if kind == "finish":
            return [self._end(at, done_outcome(self._step, at.slide, result))]
        if kind == "count":
            self._send_ranges(at, *result)
        else:
            self._blocks_done += int(result)
        if not at.out:
            self._finish(at)
        blocks = f", {self._blocks_done} of {self._blocks} blocks" if self._blocks else ""
        self._progress.advance(0, f"{self._step.name}: {len(self.slides)} slides at work{blocks}")
        return []

    def cancel(self) -> None:
        """Take back what hasn't begun; what runs ends by itself, and its blocks stay."""
        futures = [future for at in self.slides for future in at.futures]
        if futures and self._client.status == "running":
            self._client.cancel(futures)

    def _send_ranges(self, at: _Slide, left: int, total: int, backend: str) -> None:
        # A slide that is one range anyway is done by its last task alone.
        if left <= RANGE_BLOCKS:
            return
        self._blocks += left
        at.backend = backend
        run = self._shared(at)
        for first in range(0, total, RANGE_BLOCKS):
            arguments = {"run": run, "first": first, "stop": min(total, first + RANGE_BLOCKS)}
            self._submit(at, "range", "studio.cellseg.share:do_blocks", arguments)

    def _finish(self, at: _Slide) -> None:
        self._submit(at, "finish", self._step.target, self._arguments(at))

    def _arguments(self, at: _Slide) -> dict[str, Any]:
        assert at.slide.path is not None
        arguments = self._step.arguments(at.slide, at.slide.path)
        if at.backend:
            arguments["params"] = arguments["params"] | {"backend": at.backend}
        return arguments

    def _submit(self, at: _Slide, kind: str, target: str, arguments: dict[str, Any]) -> None:
        at.out += 1
        future = self._client.submit(
            call_on_worker,
            target,
            arguments,
            pure=False,
            retries=_RETRIES,
            key=None,
            resources=self._resources,
        )
        at.futures.append(future)
        future.add_done_callback(lambda done: self._back.put((at, kind, done)))

    def _shared(self, at: _Slide) -> SharedRun:
        from studio.cellseg.share import SharedRun

        arguments = self._arguments(at)
        names = ("slide_path", "mpp", "mpp_if_missing", "params", "rois", "out")
        return SharedRun(**{name: arguments[name] for name in names})

    def _end(self, at: _Slide, outcome: Outcome) -> Outcome:
        at.ended = True
        self.slides.discard(at)
        if at.out:
            self._client.cancel(at.futures)
        return outcome

    def _result(self, future: Any) -> Any:
        from distributed.scheduler import KilledWorker

        if future.status == "finished":
            result = future.result()
            if isinstance(result, Refusal):
                raise RunError(result.message)
            return result
        self._check()
        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker):
            raise RunError("The workers that tried it died one after the other, most often for want of memory.")
        if isinstance(error, StudioError):
            raise error
        if error is None:
            raise _LostError("The cluster dropped the work. Run the same again: what was finished stays.")
        log.error("A task failed: %r", error)
        raise RunError(f"Unexpected {type(error).__name__}: {error}.")

    def _check(self) -> None:
        if self._client.status not in ("running", "connecting"):
            raise RunError(_GONE)

    def _workers(self) -> int:
        try:
            return len(self._client.nthreads())
        except OSError as error:
            raise RunError(_GONE) from error


class _LostError(RunError):
    """Work that the cluster forgot, as it does when its scheduler ends."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a task can't be done, as its value: Dask would try an error again, and log its traceback on the worker."""

    message: str


def call_on_worker(target: str, arguments: dict[str, Any]) -> Any:
    """On a worker: call 'module:function' with the number of threads that the worker has."""
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)
    try:
        return function(NullProgress(), **with_threads(arguments, _threads()))
    except StudioError as error:
        return Refusal(str(error))


def with_threads(arguments: dict[str, Any], threads: int) -> dict[str, Any]:
    """Arguments of a step's target whose work takes `threads`, where they don't say how many."""
    changed = dict(arguments)
    if "run" in changed:
        changed["run"] = replace(changed["run"], params=_given(changed["run"].params, threads))
    for name in ("params", "options"):
        if name in changed:
            changed[name] = _given(changed[name], threads)
    return changed


def _given(values: dict[str, Any], threads: int) -> dict[str, Any]:
    return {**values, "workers": values.get("workers") or threads}


def _threads() -> int:
    """Threads of this worker; of one with a single thread, its share of the machine's cores."""
    from distributed import get_worker

    worker = get_worker()
    if worker.state.nthreads > 1:
        return int(worker.state.nthreads)
    return max(1, int(os.environ.get("STUDIO_WORKER_THREADS", "1")))


def offers_gpus(dask_scheduler: Any) -> bool:
    """On the scheduler: whether any worker was started with `--resources GPU=1`."""
    return any(worker.resources.get("GPU") for worker in dask_scheduler.workers.values())
