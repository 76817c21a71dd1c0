"""The session with its real worker processes and the real engine: preview, run, crash, resume, export."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.core.jobs import Job, JobState
from studio.session import Session
from studio.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture
def session(sample_slide: Path) -> Iterator[Session]:
    session = Session(Settings())
    session.set_params(model="builtin", window=512)
    session.open_path(sample_slide)
    wait(session, lambda: session.document.slide is not None)
    yield session
    session.close()


def wait(session: Session, condition: Callable[[], bool], timeout_s: float = 300.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, [t.text for t in session.toasts]
        session.update()
        time.sleep(0.01)


def job_of(session: Session, title: str) -> Job:
    return next(job for job in reversed(session.jobs) if job.title == title)


def look_at(session: Session, x: float, y: float, side: int) -> None:
    view = session.document.view
    view.center_x, view.center_y, view.scale, view.viewport = x, y, 1.0, (side, side)


def test_auto_detect_then_preview_finds_cells_in_view(session: Session) -> None:
    look_at(session, 1100, 1500, 500)
    session.document.auto_diameter = True
    session.preview()
    wait(session, lambda: session.idle)
    assert job_of(session, "Preview").state is JobState.DONE, [t.text for t in session.toasts]
    diam_um = session.document.params.diam_um
    assert 2 < diam_um < 30
    assert diam_um != 10.0
    overlay = session.document.overlay
    assert overlay is not None
    assert overlay.source.cells > 10
    centroids = overlay.source.centroids(wsi_dim=True)
    # The view, which may end within a mask pixel.
    pixel = overlay.source.geometry.scale_x
    assert centroids[:, 0].min() >= 850 - pixel
    assert centroids[:, 0].max() <= 1350 + pixel
    assert overlay.source.has_flows


def test_thresholds_act_without_the_network_and_after_a_crash(session: Session) -> None:
    look_at(session, 1100, 1500, 300)
    session.set_params(diam_um=9.5)
    session.preview()
    wait(session, lambda: session.idle)
    overlay, tiles = session.document.overlay, session.live.times.tiles
    assert overlay is not None
    first = overlay.source.read_labels(0, 0, 0, *overlay.source.geometry.shape)
    session.set_params(cellprob_threshold=2.0)
    wait(session, lambda: session.idle)
    assert session.live.times.live_count == 1
    assert session.live.times.tiles == tiles
    assert 0 < overlay.source.cells < len(np.unique(first)) - 1

    # The worker takes its tiles along; a new one has them computed again, and nobody notices but the clock.
    pid = session._interactive.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait(session, lambda: session._interactive.pid != pid)
    session.set_params(cellprob_threshold=0.0)
    wait(session, lambda: session.idle and session.live.times.live_count == 2)
    assert session.document.overlay is overlay
    np.testing.assert_array_equal(overlay.source.read_labels(0, 0, 0, *overlay.source.geometry.shape), first)
    assert session.live.times.tiles > tiles

    # One that dies at work says so, and what was on screen stays.
    look_at(session, 1300, 1500, 400)
    session.preview()
    job = job_of(session, "Preview")
    wait(session, lambda: job.state is JobState.RUNNING and session._interactive.pid is not None)
    os.kill(session._interactive.pid or 0, signal.SIGKILL)
    wait(session, lambda: job.state.final)
    session.update()
    assert job.state is JobState.FAILED
    assert any("stopped unexpectedly" in toast.text for toast in session.toasts)
    assert session.document.overlay is overlay


def test_a_model_file_is_looked_into_before_it_is_taken(session: Session, tmp_path: Path) -> None:
    from studio.cellseg.models import resolve_model

    garbage, copied = tmp_path / "garbage.pt", tmp_path / "own.pt"
    garbage.write_bytes(b"no model" * 100)
    copied.write_bytes((resolve_model("builtin").path or Path()).read_bytes())
    session.use_model_file(garbage)
    wait(session, lambda: session.idle)
    assert session.document.params.model == "builtin"
    assert any("garbage.pt" in toast.text and toast.level == "error" for toast in session.toasts)
    session.use_model_file(copied)
    wait(session, lambda: session.idle)
    assert session.document.params.model == str(copied)


def test_a_run_killed_half_way_goes_on_by_itself_to_the_same_cells(session: Session, tmp_path: Path) -> None:
    from studio.cellseg.result import Segmentation

    look_at(session, 1100, 1500, 500)
    session.set_params(otsu=True)
    session.segment()
    job = job_of(session, "Segment")
    wait(session, lambda: job.done >= 2 or job.state.final)
    pid = session._batch.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait(session, lambda: job.state.final)
    assert job.state is JobState.FAILED
    assert any("started again" in toast.text for toast in session.toasts)
    assert session.segmenting
    wait(session, lambda: session.idle)
    overlay = session.document.overlay
    assert overlay is not None, [t.text for t in session.toasts]
    assert overlay.origin == "run"
    resumed = np.asarray(Segmentation.load(overlay.path or "").masks)

    session.export(tmp_path / "resumed.zip")
    session.segment()
    wait(session, lambda: session.idle)
    assert session.document.overlay is not None
    whole = Segmentation.load(session.document.overlay.path or "")
    np.testing.assert_array_equal(resumed, np.asarray(whole.masks))
    assert (tmp_path / "resumed.zip").read_bytes() == (session.document.overlay.path or Path()).read_bytes()


def test_closing_during_a_run_leaves_no_process(session: Session) -> None:
    session.segment()
    job = job_of(session, "Segment")
    wait(session, lambda: job.done >= 1 or job.state.final)
    pid = session._batch.pid
    assert pid is not None
    session.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert job.state is JobState.CANCELLED
