"""The worker process: results, cancel, crash, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.core.jobs import Job, JobState
from studio.core.worker import Worker
from studio.errors import WorkerError

HERE = Path(__file__).parent


def wait_for(worker: Worker, condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the worker never got there"
        worker.poll()
        time.sleep(0.005)


def finish(worker: Worker, job: Job) -> Job:
    wait_for(worker, lambda: job.state.final)
    return job


def segments() -> set[str]:
    return {p.name for p in Path("/dev/shm").glob("studio_*")} if Path("/dev/shm").is_dir() else set()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.syspath_prepend(str(HERE))
    before = segments()
    worker = Worker("test", threads=1, kill_after_s=0.3)
    yield worker
    worker.close(timeout_s=5.0)
    assert segments() <= before


def submit(worker: Worker, function: str, **kwargs: object) -> Job:
    return worker.submit(f"worker_targets:{function}", kwargs, title=function.title(), stamp=7)


def test_result_progress_and_stamp(worker: Worker) -> None:
    job = finish(worker, submit(worker, "echo", text="µm", numbers=(1, 2.5)))
    assert job.state is JobState.DONE
    assert job.result == {"text": "µm", "numbers": (1, 2.5)}
    assert (job.done, job.total, job.message, job.stamp) == (2, 2, "Echoed", 7)


def test_arrays_arrive_whole_from_any_nesting(worker: Worker) -> None:
    job = finish(worker, submit(worker, "arrays", side=400))
    expected = np.arange(160_000, dtype=np.uint32).reshape(400, 400)
    big, (flipped,) = job.result["list"]
    np.testing.assert_array_equal(big, expected)
    np.testing.assert_array_equal(flipped, expected[:, ::-1])
    np.testing.assert_array_equal(job.result["box"].values, (expected % 1000).astype(np.float16))
    assert big.flags.owndata
    assert big.flags.writeable
    [(kind, payload)] = job.events
    assert kind == "block"
    np.testing.assert_array_equal(payload["big"], expected[::2, ::2])


def test_one_process_runs_all_jobs_in_order_niced_and_capped(worker: Worker) -> None:
    jobs = [submit(worker, "describe") for _ in range(3)]
    assert jobs[2].state is JobState.PENDING
    for job in jobs:
        finish(worker, job)
    assert len({job.result["pid"] for job in jobs}) == 1
    assert jobs[0].result["nice"] >= min(19, os.nice(0) + 5)
    assert jobs[0].result["omp"] == "1"


def test_cancel_stops_a_running_job_and_keeps_the_process(worker: Worker) -> None:
    job = submit(worker, "patient")
    wait_for(worker, lambda: job.done > 0)
    pid = worker.pid
    worker.cancel(job)
    finish(worker, job)
    assert job.state is JobState.CANCELLED
    assert finish(worker, submit(worker, "describe")).result["pid"] == pid


def test_cancel_takes_a_waiting_job_out_of_the_queue(worker: Worker) -> None:
    running = submit(worker, "patient")
    waiting = submit(worker, "echo")
    worker.cancel(waiting)
    assert waiting.state is JobState.CANCELLED
    worker.cancel(running)
    finish(worker, running)
    worker.poll()
    assert not worker.busy
    assert waiting.result is None


def test_a_job_of_another_worker_is_left_alone(worker: Worker) -> None:
    """A session asks each of its workers; one that knows nothing of the job must not say that it has stopped."""
    job = submit(worker, "patient")
    wait_for(worker, lambda: job.done > 0)
    Worker("another").cancel(job)
    assert (job.state, job.cancel_asked) == (JobState.RUNNING, False)
    worker.cancel(job)
    assert job.state is JobState.RUNNING
    finish(worker, job)
    assert job.state is JobState.CANCELLED


def test_a_deaf_job_is_killed_and_the_next_one_runs(worker: Worker) -> None:
    job = submit(worker, "deaf")
    wait_for(worker, lambda: job.message == "Not listening")
    worker.cancel(job)
    finish(worker, job)
    assert job.state is JobState.CANCELLED
    assert finish(worker, submit(worker, "echo")).state is JobState.DONE


def test_a_killed_worker_fails_its_job_with_words_and_restarts(worker: Worker) -> None:
    job = submit(worker, "patient")
    wait_for(worker, lambda: job.done > 0)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    finish(worker, job)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "SIGKILL" in job.error
    assert "memory" in job.error
    assert finish(worker, submit(worker, "echo")).state is JobState.DONE


def test_a_crash_doesnt_take_the_waiting_jobs_with_it(worker: Worker) -> None:
    first, second = submit(worker, "die"), submit(worker, "echo", text="still here")
    assert finish(worker, first).state is JobState.FAILED
    assert "exit code 3" in str(first.error)
    assert finish(worker, second).result == {"text": "still here"}


def test_a_crash_leaves_no_shared_memory(worker: Worker) -> None:
    before = segments()
    assert finish(worker, submit(worker, "segments_then_die", side=400)).state is JobState.FAILED
    assert segments() <= before


def test_errors_of_ours_are_shown_as_they_are_and_others_name_the_log(worker: Worker) -> None:
    assert finish(worker, submit(worker, "refuse")).error == "No such model; choose another."
    odd = finish(worker, submit(worker, "stumble"))
    assert "ValueError: oops" in str(odd.error)
    assert "log" in str(odd.error)
    missing = finish(worker, worker.submit("no_such_module:f", {}, title="X"))
    assert missing.state is JobState.FAILED


def test_a_result_that_cant_be_sent_fails_the_job_only(worker: Worker) -> None:
    assert finish(worker, submit(worker, "unpicklable")).state is JobState.FAILED
    assert finish(worker, submit(worker, "echo")).state is JobState.DONE


def test_close_cancels_and_leaves_no_process(worker: Worker) -> None:
    job, waiting = submit(worker, "patient"), submit(worker, "echo")
    wait_for(worker, lambda: job.done > 0)
    pid = worker.pid
    assert pid is not None
    worker.close(timeout_s=5.0)
    assert job.state is JobState.CANCELLED
    assert waiting.state is JobState.CANCELLED
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(WorkerError):
        submit(worker, "echo")


def test_close_kills_a_deaf_worker(worker: Worker) -> None:
    job = submit(worker, "deaf")
    wait_for(worker, lambda: job.message == "Not listening")
    pid = worker.pid
    assert pid is not None
    worker.close(timeout_s=0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_worker_ends_when_its_window_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "window.py"
    script.write_text(
        textwrap.dedent(f"""
        import os, signal, sys, time
        sys.path.insert(0, {str(HERE)!r})
        from studio.core.worker import Worker

        if __name__ == "__main__":
            worker = Worker("test", threads=1)
            job = worker.submit("worker_targets:deaf", {{}}, title="Deaf")
            while job.message != "Not listening":
                worker.poll()
                time.sleep(0.01)
            print(worker.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    pid = int(done.stdout)
    deadline = time.monotonic() + 20
    while _running(pid):
        assert time.monotonic() < deadline, "the orphan lives on"
        time.sleep(0.05)


def _running(pid: int) -> bool:
    """Whether a process runs; one that ended but that nobody reaps (a container without init) doesn't."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_whole_life_prints_nothing(tmp_path: Path) -> None:
    """No resource tracker's warning about leaked segments, no traceback at exit."""
    script = tmp_path / "window.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(HERE)!r})
        from studio.core.worker import Worker

        if __name__ == "__main__":
            worker = Worker("test", threads=1)
            jobs = [worker.submit("worker_targets:arrays", {{"side": 400}}, title="A") for _ in range(3)]
            while not jobs[1].state.final:
                worker.poll()
                time.sleep(0.01)
            worker.close()
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
