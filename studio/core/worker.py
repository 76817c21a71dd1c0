"""One long-lived, spawned, niced process that runs heavy jobs one after the other.

Heavy work in the window's own process would stall its frames (`import torch`
alone holds the GIL for 333 ms); here it can be cancelled, killed, or run out
of memory, and the window lives on.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from studio.core import shm, workerproc
from studio.core.jobs import Job, JobState, new_job_id
from studio.errors import WorkerError

log = logging.getLogger(__name__)

KILL_AFTER_S = 10.0
"""A cancelled job that hasn't reacted for this long takes the process with it."""

INTERACTIVE_NICE = 5
BATCH_NICE = 10


def owned_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Life:
    """One life of the worker process, and the thread that reads what it says."""

    def __init__(self, name: str, threads: int, nice: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._conn, child_conn = context.Pipe()
        self._process = context.Process(
            target=workerproc.serve, args=(child_conn, threads, nice), name=name, daemon=True
        )
        self._process.start()
        child_conn.close()
        self.pid = self._process.pid or 0
        self.messages: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, name=f"{name}-reader", daemon=True)
        self._thread.start()

    def send(self, *message: Any) -> None:
        """Hand over a command; silently lost when the process is dead, which `messages` will say."""
        try:
            self._conn.send_bytes(pickle.dumps(message))
        except OSError:
            log.info("Worker %d is gone; %s not sent", self.pid, message[0])

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def join(self, timeout_s: float) -> bool:
        """Wait until the process is reaped and all it said is in `messages`. Whether that happened."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _read(self) -> None:
        while True:
            try:
                data = self._conn.recv_bytes()
            except (EOFError, OSError):
                break
            try:
                self.messages.put(shm.loads(data))
            except Exception:  # a message that can't be read must not end the reading of the others
                log.exception("Worker %d sent a message that can't be read", self.pid)
                self.messages.put(("unreadable",))
        # Its end of the pipe is closed, so the process has ended or is about to.
        self._process.join(2.0)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        shm.sweep(self.pid)
        exitcode = self._process.exitcode
        self._process.close()
        self._conn.close()
        self.messages.put(("gone", exitcode))


@dataclass(slots=True)
class _Task:
    job: Job
    target: str
    kwargs: dict[str, Any]
    cancelled_s: float | None = None


class Worker:
    """Runs jobs in a process of its own, started at the first one and again after a crash.

    Main thread only; nothing here blocks except `close`.
    """

    def __init__(
        self, name: str, *, threads: int = 0, nice: int = INTERACTIVE_NICE, kill_after_s: float = KILL_AFTER_S
    ) -> None:
        """`threads` caps the compute libraries' own threads (0: one per core owned)."""
        self._name = name
        self._threads = threads or owned_cores()
        self._nice = nice
        self._kill_after_s = kill_after_s
        self._life: _Life | None = None
        self._queue: deque[_Task] = deque()
        self._current: _Task | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the running worker, None before the first job and after a crash."""
        return self._life.pid if self._life else None

    @property
    def busy(self) -> bool:
        """Whether a job is running or waiting."""
        return self._current is not None or bool(self._queue)

    def start(self) -> None:
        """Start the process ahead of the first job, to save its start-up time then."""
        if self._life is None and not self._closed:
            self._life = _Life(self._name, self._threads, self._nice)

    def submit(self, target: str, kwargs: dict[str, Any], *, title: str, stamp: int = 0) -> Job:
        """Queue a call of `target`, 'package.module:function', as `function(progress, **kwargs)`.

        Arguments and result must pickle. Raises WorkerError after `close`.
        """
        if self._closed:
            raise WorkerError("The program is closing; no new work is taken.")
        job = Job(new_job_id(), title, stamp)
        self._queue.append(_Task(job, target, kwargs))
        self._start_next()
        return job

    def cancel(self, job: Job) -> None:
        """Ask a job to stop; a waiting one is cancelled at once. Finished ones and other workers' are left alone."""
        current = self._current
        if current is not None and current.job is job:
            job.cancel_asked = True
            if current.cancelled_s is None and self._life is not None:
                current.cancelled_s = time.monotonic()
                self._life.send("cancel", job.id)
        elif any(task.job is job for task in self._queue):
            self._queue = deque(task for task in self._queue if task.job is not job)
            job.cancel_asked, job.state = True, JobState.CANCELLED

    def poll(self) -> bool:
        """Apply what the worker said to the jobs. Once a frame, main thread. Whether anything changed."""
        changed = False
        while self._life is not None:
            try:
                message = self._life.messages.get_nowait()
            except queue.Empty:
                break
            changed |= self._apply(message)
        self._kill_if_deaf()
        self._start_next()
        return changed

    def close(self, timeout_s: float = 5.0) -> None:
        """Cancel everything and end the process: politely, then, after `timeout_s`, by force."""
        self.begin_close()
        life, self._life = self._life, None
        if life is None:
            return
        if not life.join(timeout_s):
            log.info("Worker %d didn't stop within %g s and is killed", life.pid, timeout_s)
            life.kill()
            life.join(5.0)

    def begin_close(self) -> None:
        """Cancel everything and ask the process to end, without waiting; `close` waits."""
        self._closed = True
        for task in [*self._queue, *([self._current] if self._current else [])]:
            task.job.cancel_asked = True
            task.job.state = JobState.CANCELLED
        self._queue.clear()
        self._current = None
        if self._life is not None:
            self._life.send("quit")

    def _start_next(self) -> None:
        if self._current is not None or not self._queue or self._closed:
            return
        task = self._queue.popleft()
        try:
            self.start()
        except OSError as error:
            log.exception("Can't start worker %s", self._name)
            self._fail(task.job, f"The worker process can't be started ({error}). Close other programs and try again.")
            return
        self._current = task
        if self._life is not None:
            self._life.send("run", task.job.id, task.target, task.kwargs)

    def _apply(self, message: tuple[Any, ...]) -> bool:
        kind = message[0]
        if kind == "log":
            _, level, name, text = message
            logging.getLogger(name).log(level, "%s", text)
            return False
        if kind == "gone":
            self._life_ended(message[1])
            return True
        task = self._current
        if kind == "unreadable":
            if task is not None:
                self._finish(JobState.FAILED, error="The worker's answer can't be read. Details are in the log file.")
            return True
        if task is None or task.job.id != message[1]:
            return False
        self._apply_to(task.job, kind, message[2:])
        return True

    def _apply_to(self, job: Job, kind: str, values: tuple[Any, ...]) -> None:
        match kind:
            case "running":
                job.state = JobState.RUNNING
            case "start":
                job.note_start(*values)
            case "progress":
                job.done, job.message = values
            case "emit":
                job.events.append((values[0], values[1]))
            case "done" if not job.cancel_asked:
                job.result = values[0]
                self._finish(JobState.DONE)
            case "failed" if not job.cancel_asked:
                self._finish(JobState.FAILED, error=values[0])
            case "done" | "failed" | "cancelled":
                self._finish(JobState.CANCELLED)

    def _finish(self, state: JobState, error: str | None = None) -> None:
        if self._current is not None:
            self._current.job.error = error
            self._current.job.state = state
            self._current = None

    def _fail(self, job: Job, error: str) -> None:
        job.error, job.state = error, JobState.FAILED

    def _life_ended(self, exitcode: int | None) -> None:
        self._life = None
        task = self._current
        if task is None:
            log.warning("Worker %s ended while idle (exit code %s)", self._name, exitcode)
        elif task.job.cancel_asked:
            self._finish(JobState.CANCELLED)
        else:
            log.error("Worker %s ended during %r (exit code %s)", self._name, task.job.title, exitcode)
            task.job.crashed = True
            self._finish(JobState.FAILED, error=_death_text(task.job.title, exitcode))

    def _kill_if_deaf(self) -> None:
        task = self._current
        if task is None or task.cancelled_s is None or self._life is None:
            return
        if time.monotonic() - task.cancelled_s > self._kill_after_s:
            log.warning(
                "Job %r didn't react to cancel for %g s; its worker is killed", task.job.title, self._kill_after_s
            )
            self._life.kill()
            task.cancelled_s = time.monotonic()


def _death_text(title: str, exitcode: int | None) -> str:
    reason = f"exit code {exitcode}"
    if exitcode is not None and exitcode < 0:
        try:
            reason = signal.Signals(-exitcode).name
        except ValueError:
            reason = f"signal {-exitcode}"
    hint = " Most often the machine ran out of memory: close other programs." if exitcode == -9 else ""
    return (
        f"{title}: the worker process stopped unexpectedly ({reason}).{hint} Try again; a new worker starts by itself."
    )
