"""The inside of the worker process: take a job, run it, report.

Nothing heavy is imported before the thread caps are in the environment,
because the numeric libraries read them once, when they load.
"""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import queue
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from studio.errors import JobCancelled, StudioError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

REPORT_EVERY_S = 0.05
"""Progress messages closer together than this are merged."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")

log = logging.getLogger(__name__)


class _Link:
    """The pipe to the window: sends from any thread, reads commands on its own."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._lock = threading.Lock()
        self.jobs: queue.SimpleQueue[tuple[int, str, dict[str, Any]] | None] = queue.SimpleQueue()
        self.cancelled: set[int] = set()
        self.stopping = False
        threading.Thread(target=self._read, name="commands", daemon=True).start()

    def send(self, *message: Any) -> None:
        """Hand a message to the window; big arrays go through shared memory."""
        from studio.core import shm

        with self._lock:
            try:
                self._conn.send_bytes(shm.dumps(message))
            except (BrokenPipeError, ConnectionError):
                os._exit(1)

    def _read(self) -> None:
        while True:
            try:
                kind, *rest = pickle.loads(self._conn.recv_bytes())
            except (EOFError, OSError):
                # The window is gone, perhaps killed: nobody wants this work, and the run's journal is durable.
                os._exit(1)
            if kind == "run":
                self.jobs.put((rest[0], rest[1], rest[2]))
            elif kind == "cancel":
                self.cancelled.add(rest[0])
            elif kind == "quit":
                self.stopping = True
                self.jobs.put(None)


class _LinkProgress:
    """`Progress` of a job in this process. Any of its threads may call it."""

    def __init__(self, link: _Link, job_id: int) -> None:
        self._link = link
        self._job_id = job_id
        self._lock = threading.Lock()
        self._done = 0
        self._message = ""
        self._sent_s = 0.0
        self._unsent = False

    def _check(self) -> None:
        if self._link.stopping or self._job_id in self._link.cancelled:
            raise JobCancelled

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        self._check()
        with self._lock:
            self._done, self._message = done, message or self._message
            self._unsent = False
        self._link.send("start", self._job_id, total, message, done)

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        self._check()
        with self._lock:
            self._done += steps
            changed = message is not None and message != self._message
            self._message = self._message if message is None else message
            now_s = time.monotonic()
            self._unsent = not changed and now_s - self._sent_s < REPORT_EVERY_S
            if self._unsent:
                return
            self._sent_s = now_s
        self._link.send("progress", self._job_id, self._done, self._message)

    def flush(self) -> None:
        """Send what `advance` held back."""
        if self._unsent:
            self._link.send("progress", self._job_id, self._done, self._message)

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        self._check()
        self._link.send("emit", self._job_id, kind, payload)


class _LinkHandler(logging.Handler):
    """Sends log records to the window's process, which owns the log file."""

    def __init__(self, link: _Link) -> None:
        super().__init__(logging.INFO)
        self._link = link
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("studio") or record.levelno >= logging.WARNING:
            self._link.send("log", record.levelno, record.name, self.format(record))


def _be_modest(threads: int, nice: int) -> None:
    """Leave the window its share of the machine."""
    if threads > 0:
        for variable in _THREAD_VARIABLES:
            os.environ[variable] = str(threads)
    # Idle compute threads that spin burn ten times the CPU on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    if nice and hasattr(os, "nice"):
        os.nice(nice)


def call_target(target: str, progress: Any, kwargs: dict[str, Any]) -> Any:
    """Import `package.module:function` and call it as `function(progress, **kwargs)`."""
    module_name, _, function_name = target.partition(":")
    function = getattr(importlib.import_module(module_name), function_name)
    return function(progress, **kwargs)


def describe_error(error: Exception) -> str:
    """What a person reads about a job that failed. Logs the traceback of an unexpected one."""
    if isinstance(error, StudioError):
        return str(error)
    log.error("Unexpected error in a job", exc_info=error)
    if isinstance(error, MemoryError):
        return "Out of memory. Close other programs, or lower Window or raise Downscale under Advanced."
    return f"Unexpected error ({type(error).__name__}: {error}). Details are in the log file."


def _run_job(link: _Link, job_id: int, target: str, kwargs: dict[str, Any]) -> None:
    progress = _LinkProgress(link, job_id)
    try:
        result = call_target(target, progress, kwargs)
        progress.flush()
        link.send("done", job_id, result)
    except JobCancelled:
        link.send("cancelled", job_id)
    except Exception as error:  # noqa: BLE001 - the job runner is one of the three boundaries
        link.send("failed", job_id, describe_error(error))
    finally:
        link.cancelled.discard(job_id)


def serve(conn: Connection, threads: int, nice: int) -> None:
    """Body of the worker process: runs jobs one at a time until told to quit. Never returns."""
    # Ctrl+C in the terminal reaches the whole process group; the window decides what stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _be_modest(threads, nice)
    link = _Link(conn)
    logging.getLogger().addHandler(_LinkHandler(link))
    logging.getLogger("studio").setLevel(logging.INFO)
    while (job := link.jobs.get()) is not None:
        link.send("running", job[0])
        _run_job(link, *job)
    # Not sys.exit: threads and destructors of the numeric libraries could hold the process up.
    os._exit(0)
