"""Short blocking work (opening, copying, downloading) on threads, as jobs polled by the main thread.

For work that waits on disk or network and holds the GIL little; anything
that computes belongs in `studio.core.worker`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from studio.core.jobs import Job, JobState, Progress, new_job_id
from studio.core.workerproc import describe_error
from studio.errors import JobCancelled

Work = Callable[[Progress], Any]
_Update = Callable[[], None]


class _ThreadProgress:
    """`Progress` of a job on a thread of this process; changes reach the Job in `Background.poll`."""

    def __init__(self, job: Job, updates: queue.SimpleQueue[_Update], cancelled: threading.Event) -> None:
        self._job = job
        self._updates = updates
        self._cancelled = cancelled
        self._done = 0

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        self._check()
        self._done = done
        self._updates.put(lambda: self._job.note_start(total, message, done))

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        self._check()
        self._done += steps
        done = self._done

        def apply() -> None:
            self._job.done = done
            if message is not None:
                self._job.message = message

        self._updates.put(apply)

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        self._check()
        self._updates.put(lambda: self._job.events.append((kind, payload)))

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise JobCancelled


class Background:
    """Runs callables on a few threads. Main thread only; nothing blocks except `close`."""

    def __init__(self, threads: int = 3) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="background")
        self._updates: queue.SimpleQueue[_Update] = queue.SimpleQueue()
        self._cancels: dict[int, threading.Event] = {}

    def submit(self, work: Work, *, title: str, stamp: int = 0) -> Job:
        """Run `work(progress)` soon; its return value becomes the job's result."""
        job = Job(new_job_id(), title, stamp)
        cancelled = self._cancels[job.id] = threading.Event()
        self._pool.submit(self._run, work, job, cancelled)
        return job

    def cancel(self, job: Job) -> None:
        """Ask a job to stop at its next `advance`."""
        if not job.state.final and job.id in self._cancels:
            job.cancel_asked = True
            self._cancels[job.id].set()

    def owns(self, job: Job) -> bool:
        """Whether the job runs here."""
        return job.id in self._cancels

    def poll(self) -> bool:
        """Apply what the threads reported. Main thread, once a frame. Whether anything changed."""
        changed = False
        while True:
            try:
                update = self._updates.get_nowait()
            except queue.Empty:
                return changed
            update()
            changed = True

    def close(self) -> None:
        """Cancel what can be cancelled and wait for the rest (a copy, an open: short)."""
        for event in self._cancels.values():
            event.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, work: Work, job: Job, cancelled: threading.Event) -> None:
        def running() -> None:
            job.state = JobState.RUNNING

        self._updates.put(running)
        state, result, error = JobState.DONE, None, None
        try:
            if cancelled.is_set():
                raise JobCancelled
            result = work(_ThreadProgress(job, self._updates, cancelled))
        except JobCancelled:
            state = JobState.CANCELLED
        except Exception as caught:  # noqa: BLE001 - the job runner is one of the three boundaries
            state, error = JobState.FAILED, describe_error(caught)

        def finish() -> None:
            job.result, job.error, job.state = result, error, state
            self._cancels.pop(job.id, None)

        self._updates.put(finish)
