"""A cohort on a Dask cluster: the same bytes as on one machine, also when workers die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.cellseg import SegmentParams
from studio.cellseg.share import SharedRun
from studio.core.jobs import NullProgress
from studio.errors import JobCancelled, RunError, UsageError
from studio.extract import read_examples
from studio.project import Project, cluster
from studio.project.steps import SegmentStep
from tests.project.conftest import CROPS, PARAMS

distributed = pytest.importorskip("distributed", reason="Dask (pip install 'studio-wsi[distributed]')")

SMALL = PARAMS | {"window_size": 256}
"""Blocks of 256 working pixels: four a slide."""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as local,
        distributed.Client(local, timeout=60) as client,
    ):
        yield client


@pytest.fixture
def ranges_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "RANGE_BLOCKS", 2)


def same_results(made: Project, expected: Project) -> bool:
    return all(
        (made.masks_dir / f"{name}-masks.zip").read_bytes() == (expected.masks_dir / f"{name}-masks.zip").read_bytes()
        for name in CROPS
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, crops: Path) -> Project:
    project = Project.create(tmp_path_factory.mktemp("alone") / "project", crops)
    assert not project.cell_segmentation(**SMALL, mpp=0.5).failed
    return project


@pytest.mark.slow
@pytest.mark.usefixtures("ranges_of_two")
def test_the_same_bytes_though_a_worker_is_killed_in_the_middle(project: Project, alone: Project, client: Any) -> None:
    def kill_one() -> None:
        """Wait for finished blocks, then take away a worker that is at work."""
        while not list(project.masks_dir.glob(".*/*/blocks/*.block")):
            threading.Event().wait(0.01)
        busy = [address for address, keys in client.processing().items() if keys]
        pids = client.run(os.getpid)
        killed.append(pids[(busy or list(pids))[0]])
        os.kill(killed[0], signal.SIGKILL)

    killed: list[int] = []
    thread = threading.Thread(target=kill_one, daemon=True)
    thread.start()
    report = project.cell_segmentation(**SMALL, mpp=0.5, scheduler=client)
    thread.join(10)
    assert killed
    assert not report.failed
    assert same_results(project, alone)
    assert list(project.masks_dir.glob(".*")) == []
    # All blocks were there when the last task of each slide began.
    for row in report.outcomes:
        assert row.values["resumed_blocks"] == 4


@pytest.mark.slow
def test_extraction_and_bad_slides(done: Project, client: Any, capfd: pytest.CaptureFixture[str]) -> None:
    (done.root / "slides" / "bad.svs").write_bytes(b"no slide")
    report = done.cell_segmentation(**PARAMS, mpp=0.5, scheduler=client)
    assert {outcome.slide: outcome.status for outcome in report.outcomes} == {
        **dict.fromkeys(CROPS, "skipped"),
        "bad": "failed",
    }
    assert "not a slide" in report.failed[0].message
    report = done.extract_cells(48, "20x", scheduler="local")
    assert [outcome.slide for outcome in report.failed] == ["bad"]
    # Workers of this machine share the terminal, and leave it alone.
    assert "Traceback" not in capfd.readouterr().err
    for name in CROPS:
        records = list(read_examples(done.root / "tfrecords" / f"{name}.tfrecords"))
        assert len(records) == done.segmentation(name).cells


@pytest.mark.slow
@pytest.mark.usefixtures("ranges_of_two")
def test_stopping_keeps_blocks_and_the_same_call_goes_on(project: Project, alone: Project, client: Any) -> None:
    class Stop(NullProgress):
        def advance(self, steps: int = 1, message: str | None = None) -> None:
            if message and "blocks" in message and "0 of" not in message:
                raise JobCancelled

    with pytest.raises(JobCancelled):
        project.cell_segmentation(**SMALL, mpp=0.5, scheduler=client, progress=Stop())
    while any(client.processing().values()):
        threading.Event().wait(0.05)
    assert not project.cell_segmentation(**SMALL, mpp=0.5, scheduler=client).failed
    assert same_results(project, alone)


@pytest.mark.slow
@pytest.mark.usefixtures("ranges_of_two")
def test_a_scheduler_that_dies_in_the_middle(project: Project, alone: Project, tmp_path: Path) -> None:
    address = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(address), "--no-dashboard"]
    head = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny"]
    running: list[subprocess.Popen[bytes]] = []
    waited: list[str] = []

    def go_on(done: int, total: int, message: str) -> None:
        """Start a worker once somebody waits for one, and kill the scheduler once there are blocks."""
        if "waiting for workers" in message and len(running) == 1:
            waited.append(message)
            running.append(subprocess.Popen([*worker, *common]))
        if "blocks" in message and "0 of" not in message:
            running[0].kill()

    try:
        running.append(subprocess.Popen([*head, *common]))
        while not address.exists():
            assert running[0].poll() is None
            threading.Event().wait(0.05)
        where = json.loads(address.read_text())["address"]
        with pytest.raises(RunError, match="what was finished stays"):
            project.cell_segmentation(**SMALL, mpp=0.5, scheduler=where, progress=go_on)
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert waited
    assert (project.root / "report" / "report.html").exists()
    # The same call, on another cluster or on none, goes on from the blocks that are there.
    report = project.cell_segmentation(**SMALL, mpp=0.5)
    assert sum(outcome.values["resumed_blocks"] for outcome in report.outcomes) >= 2
    assert same_results(project, alone)


@pytest.mark.slow
def test_workers_that_offer_gpus_get_one_task_each(done: Project) -> None:
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0", resources={"GPU": 1}
        ) as local,
        distributed.Client(local, timeout=60) as client,
    ):
        assert client.run_on_scheduler(cluster.offers_gpus)
        assert not done.extract_cells(48, "20x", scheduler=client).failed


def test_all_tasks_of_a_slide_use_the_back_end_that_counted(project: Project) -> None:
    """Else workers on which `auto` is something else would do each other's blocks again."""

    class Submits:
        """A client that keeps what it is given."""

        def __init__(self) -> None:
            self.sent: list[tuple[str, dict[str, Any]]] = []

        def run_on_scheduler(self, function: Any) -> bool:
            return False

        def submit(self, call: Any, target: str, arguments: dict[str, Any], **how: Any) -> distributed.Future:
            self.sent.append((target.partition(":")[2], arguments))
            return SimpleNamespace(add_done_callback=lambda told: None)

    step = SegmentStep(project.root, project.masks_dir, SegmentParams(window=256))
    client = Submits()
    running = cluster._Running(client, step, NullProgress())
    slide = cluster._Slide(next(slide for slide in project.slides() if slide.name == "left"))
    running.begin(slide)
    running._send_ranges(slide, 40, 40, "openvino-bf16")
    running._finish(slide)
    asked = [(name, (sent["run"].params if "run" in sent else sent["params"])["backend"]) for name, sent in client.sent]
    assert asked == [
        ("count_blocks", "auto"),
        ("do_blocks", "openvino-bf16"),
        ("do_blocks", "openvino-bf16"),
        ("segment_one", "openvino-bf16"),
    ]


def test_a_scheduler_that_is_not_there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 1)
    with pytest.raises(RunError, match="No Dask scheduler answers"):
        project.cell_segmentation(**PARAMS, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(UsageError, match="leave the buffer out"):
        project.cell_segmentation(**PARAMS, scheduler="local", buffer="x")


def test_workers_use_their_own_threads_unless_told() -> None:
    run = SharedRun("s", None, None, {"workers": 0}, None, "o")
    assert cluster.with_threads({"run": run}, 3)["run"].params == {"workers": 3}
    assert cluster.with_threads({"params": {"workers": 2}}, 3)["params"] == {"workers": 2}
    assert cluster.with_threads({"options": {}}, 3)["options"] == {"workers": 3}


def test_what_a_task_refuses_is_its_value(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it isn't tried again, and no worker logs it."""
    monkeypatch.setattr(cluster, "_threads", lambda: 1)
    (tmp_path / "bad.svs").write_bytes(b"no slide")
    run = SharedRun(str(tmp_path / "bad.svs"), None, None, SegmentParams().to_dict(), None, str(tmp_path / "o.zip"))
    refusal = cluster.call_on_worker("studio.cellseg.share:count_blocks", {"run": run})
    assert "not a slide" in refusal.message
    with pytest.raises(TypeError):
        cluster.call_on_worker("studio.cellseg.share:count_blocks", {})


def test_helpers_skip_what_is_done(project: Project, alone: Project) -> None:
    from studio.cellseg.share import count_blocks, do_blocks

    step = {"params": {**alone.segmentation("left").meta["params"], "workers": 1, "window": 256, "backend": "torch"}}
    left = next(slide for slide in project.slides() if slide.name == "left")
    out = project.masks_dir / "left-masks.zip"
    project.masks_dir.mkdir()
    run = SharedRun(str(left.path), None, None, step["params"], None, str(out))
    todo, total, backend = count_blocks(NullProgress(), run=run)
    assert todo == total == 4
    assert backend == "torch"
    assert do_blocks(NullProgress(), run=run, first=0, stop=2) == 2
    assert count_blocks(NullProgress(), run=run)[:2] == (2, 4)
    assert do_blocks(NullProgress(), run=run, first=1, stop=3) == 1
    shutil.rmtree(project.masks_dir)
