"""A session whose worker is the test: jobs wait until the test finishes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg.models import ModelInfo
from studio.core.jobs import Job, JobState, NullProgress, new_job_id
from studio.core.workerproc import call_target
from studio.session import Session
from studio.settings import Settings

SIDE_PX = 64


class FakeWorker:
    """Same methods as `studio.core.worker.Worker`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Job, str, dict[str, Any]]] = []
        self.closed = False

    def submit(self, target: str, kwargs: dict[str, Any], *, title: str, stamp: int = 0) -> Job:
        job = Job(new_job_id(), title, stamp)
        job.state = JobState.RUNNING
        self.calls.append((job, target, kwargs))
        return job

    def cancel(self, job: Job) -> None:
        if any(known is job for known, _, _ in self.calls) and not job.state.final:
            job.cancel_asked = True
            job.state = JobState.CANCELLED

    def poll(self) -> bool:
        return False

    def begin_close(self) -> None:
        self.closed = True

    def close(self, timeout_s: float = 5.0) -> None:
        self.closed = True


def model(name: str, *, installed: bool = True, size_mb: float | None = None) -> ModelInfo:
    return ModelInfo(
        name=name,
        title=name.capitalize(),
        kind="builtin" if name == "builtin" else "cellpose",
        path=None,
        installed=installed,
        size_mb=size_mb,
        diam_mean=30.0,
        channels="auto",
        has_size_model=False,
        description=f"About {name}.",
    )


def labels_with(cells: int) -> np.ndarray:
    """Labels with so many 4-pixel squares."""
    labels = np.zeros((SIDE_PX, SIDE_PX), np.uint32)
    for cell in range(cells):
        row, col = divmod(cell, 8)
        labels[row * 8 + 2 : row * 8 + 6, col * 8 + 2 : col * 8 + 6] = cell + 1
    return labels


@dataclass
class Bench:
    """A session and its workers."""

    session: Session
    interactive: FakeWorker
    batch: FakeWorker
    exporter: FakeWorker

    def wait(self, condition: Callable[[], bool] | None = None, timeout_s: float = 60.0) -> None:
        """Run frames until a condition holds, or nothing is being opened or written."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.session.update()
            if condition() if condition else not self._threads_busy():
                return
            assert time.monotonic() < deadline, f"never got there; toasts: {self.texts}"
            time.sleep(0.005)

    def _threads_busy(self) -> bool:
        mine = {id(job) for worker in (self.interactive, self.batch, self.exporter) for job, _, _ in worker.calls}
        return any(id(watch.job) not in mine for watch in self.session._watches)

    def open(self, path: Path) -> None:
        self.session.open_path(path)
        self.wait()
        assert self.session.document.slide is not None, self.texts

    def work(self, worker: FakeWorker) -> Any:
        """Really do the last job a worker was given, here and now; what it returned."""
        job, target, kwargs = worker.calls[-1]
        result = call_target(target, NullProgress(), kwargs)
        self.finish(job, result)
        return result

    def finish(self, job: Job, result: dict[str, Any]) -> None:
        job.result, job.state = result, JobState.DONE
        self.wait()

    def preview_result(self, cells: int = 5, **params: Any) -> dict[str, Any]:
        labels = labels_with(cells)
        used = self.session.document.params.changed(**params)
        geometry = {
            "shape": labels.shape,
            "scale_x": 2.0,
            "scale_y": 2.0,
            "offset_x": 10.0,
            "offset_y": 20.0,
            "mpp": 1.0,
        }
        centroids = np.array([(r * 8 + 3.5, c * 8 + 3.5) for r, c in (divmod(i, 8) for i in range(cells))])
        return {
            "labels": labels,
            "flows": np.ones((*labels.shape, 3), np.float16),
            "geometry": geometry,
            "centroids": centroids.reshape(-1, 2),
            "cells": cells,
            "params": used.to_dict(),
            "diameter": None,
            "seconds": 1.0,
            "network_s": 0.5,
            "tiles": 9,
        }

    @property
    def texts(self) -> list[str]:
        return [f"{toast.level}: {toast.text}" for toast in self.session.toasts]

    def said(self, level: str, *words: str) -> bool:
        return any(t.level == level and all(w in t.text for w in words) for t in self.session.toasts)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> list[ModelInfo]:
    """The model list; a test may change it."""
    listed = [model("builtin"), model("cyto2", installed=False, size_mb=26.0)]
    monkeypatch.setattr("studio.cellseg.models.list_models", lambda: list(listed))
    monkeypatch.setattr("studio.cellseg.models.default_model", lambda: "builtin")
    return listed


@pytest.fixture
def bench(models: list[ModelInfo]) -> Iterator[Bench]:
    workers = interactive, batch, exporter = FakeWorker(), FakeWorker(), FakeWorker()
    bench = Bench(Session(Settings(), interactive=interactive, batch=batch, exporter=exporter), *workers)
    yield bench
    bench.session.close()
    assert all(worker.closed for worker in workers)
