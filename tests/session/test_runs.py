"""Whole-slide runs: paused, stopped, crashed, gone on with, restricted to regions, counted on the way."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from studio.cellseg.journal import run_dir
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.run import Request, run_slide
from studio.cellseg.runlock import RunLock
from studio.cellseg.source import MaskGeometry
from studio.cli.main import main
from studio.core.jobs import JobState
from studio.session import unfinished
from studio.session.leftovers import text_of
from studio.slide import open_slide
from tests.cellseg.conftest import dots_params, dots_path

__all__ = ["dots_params", "dots_path"]

SQUARE = [(100.0, 100.0), (900.0, 100.0), (900.0, 900.0), (100.0, 900.0)]


@pytest.fixture
def opened(bench: Any, sample_slide: Path) -> Any:
    bench.open(sample_slide)
    return bench


def begin(bench: Any, *, done: int, total: int = 10) -> Any:
    """A run under way with so many blocks on the disk; its job."""
    bench.session.segment()
    job, _, kwargs = bench.batch.calls[-1]
    blocks = run_dir(Path(kwargs["out"])) / "KEY" / "blocks"
    blocks.mkdir(parents=True)
    for number in range(done):
        (blocks / f"{number}.block").write_bytes(b"x")
    job.note_start(total, "", 0)
    job.done = done
    tell_of_blocks(bench, job, done)
    return job


def tell_of_blocks(bench: Any, job: Any, count: int) -> None:
    geometry = {"shape": (2000, 2000), "scale_x": 1.0, "scale_y": 1.0, "offset_x": 0.0, "offset_y": 0.0, "mpp": 0.5}
    assert MaskGeometry(**geometry)
    job.events.append(("plan", {"geometry": geometry, "mask": [0, 0, 2000, 2000], "downscale": 1.0, "flows": False}))
    for number in range(count):
        mask = [0, number * 200, 1000, number * 200 + 200]
        job.events.append(("block", {"file": "/nowhere/x.block", "mask": mask, "cells": 25}))
    bench.wait()


def test_cells_are_counted_on_the_way(opened: Any) -> None:
    assert opened.session.progress_text is None
    job = begin(opened, done=4)
    job.state = JobState.RUNNING
    counts = opened.session.run_counts
    assert (counts.cells, round(counts.area_mm2, 6)) == (100, 0.2)
    assert counts.text == "100 cells so far, 500 per mm²"
    # For the window's title.
    assert opened.session.progress_text.startswith("40 %")


def test_a_paused_run_goes_on_where_it_was(opened: Any) -> None:
    job = begin(opened, done=4)
    asked = opened.batch.calls[-1][2]
    opened.session.pause()
    opened.wait()
    assert job.state is JobState.CANCELLED
    assert opened.said("info", "Segmentation paused", "Resume")
    assert not opened.session.segmenting
    run = opened.session.unfinished
    assert (run.blocks_done, run.blocks, run.share) == (4, 10, 0.4)
    # What the panel says meanwhile doesn't matter: the run is the one that was paused.
    opened.session.set_params(diam_um=25.0)
    opened.session.resume()
    assert opened.batch.calls[-1][2] == asked
    assert opened.session.segmenting
    assert opened.session.unfinished is None


def test_a_run_is_offered_when_its_slide_is_opened_again(opened: Any, sample_slide: Path, tmp_path: Path) -> None:
    opened.session.rois.add(SQUARE)
    opened.session.rois_only = True
    begin(opened, done=3)
    asked = opened.batch.calls[-1][2]
    opened.session.cancel()
    opened.wait()
    opened.session.close_slide()
    opened.session.toasts.clear()
    opened.open(sample_slide)
    assert opened.said("info", "not finished", "30%", "Resume")
    assert not opened.session.rois_only
    opened.session.resume()
    again = opened.batch.calls[-1][2]
    assert {k: v for k, v in again.items() if k != "rois"} == {k: v for k, v in asked.items() if k != "rois"}
    assert [(r.name, r.outline.tolist()) for r in again["rois"]] == [
        (r.name, r.outline.tolist()) for r in asked["rois"]
    ]


def test_the_run_under_way_is_not_offered(opened: Any, sample_slide: Path) -> None:
    begin(opened, done=3)
    opened.open(sample_slide)
    assert opened.session.unfinished is None
    opened.session.resume()
    assert opened.said("warning", "no unfinished run")


def test_discarding_deletes_what_was_done(opened: Any, sample_slide: Path) -> None:
    begin(opened, done=3)
    out = Path(opened.batch.calls[-1][2]["out"])
    opened.session.cancel()
    opened.wait()
    assert opened.session.document.overlay.origin == "live"
    opened.session.discard_unfinished()
    assert opened.session.document.overlay is None
    opened.wait()
    assert list(out.parent.iterdir()) == []
    opened.open(sample_slide)
    assert opened.session.unfinished is None


def test_a_finished_run_is_no_longer_offered(opened: Any, tmp_path: Path) -> None:
    begin(opened, done=3)
    opened.finish(opened.batch.calls[-1][0], {"out": str(tmp_path / "x.zip"), "cells": 3})
    opened.session.leftovers.look()
    opened.wait()
    assert opened.session.leftovers.of(opened.session.document.slide.fingerprint) == []
    assert "complete: 3 cells" in opened.session.attention


def crash(bench: Any, done: int) -> None:
    job = bench.batch.calls[-1][0]
    job.note_start(10, "", done)
    job.done, job.crashed, job.error, job.state = done, True, "Segment: the worker process stopped.", JobState.FAILED
    bench.wait()


def test_a_crashed_worker_is_started_again(opened: Any) -> None:
    opened.session.segment()
    asked = opened.batch.calls[-1][2]
    for done in (3, 5, 5):
        crash(opened, done)
        assert opened.said("warning", "started again")
        assert opened.session.segmenting
        assert opened.batch.calls[-1][2] == asked
    assert len(opened.batch.calls) == 4
    crash(opened, 5)
    assert not opened.session.segmenting
    assert opened.said("error", "worker process stopped", "Resume")
    assert "failed" in opened.session.attention


def test_an_error_isnt_tried_again(opened: Any) -> None:
    opened.session.segment()
    job = opened.batch.calls[-1][0]
    job.error, job.state = "The disk of /x is full. Free some space.", JobState.FAILED
    opened.wait()
    assert len(opened.batch.calls) == 1
    assert opened.said("error", "disk of /x is full", "Resume")


def test_regions_only(opened: Any) -> None:
    session = opened.session
    whole = session.requested_run()
    session.rois_only = True
    assert "no regions" in session.why_not_segment()
    session.rois.add(SQUARE)
    run = session.requested_run()
    assert [roi.outline.tolist() for roi in run.rois] == [[list(point) for point in SQUARE]]
    assert run.out != whole.out
    session.rois.add([(0, 0), (50, 0), (50, 50)])
    assert session.requested_run().out not in (run.out, whole.out)
    session.segment()
    assert len(opened.batch.calls[-1][2]["rois"]) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fingerprint": 3}'])
def test_notes_that_cant_be_read_are_passed_over(opened: Any, text: str) -> None:
    begin(opened, done=3)
    out = Path(opened.batch.calls[-1][2]["out"])
    out.with_name(out.name + unfinished.SUFFIX).write_text(text)
    [left] = unfinished.leftovers()
    assert left.run is None
    opened.session.cancel()
    opened.wait()
    assert opened.session.unfinished is None
    # It can't be gone on with, but deleted.
    assert [item.out for item in opened.session.leftovers.items] == [out]
    opened.session.leftovers.choose(left)
    opened.session.leftovers.delete(out)
    opened.wait()
    assert list(out.parent.iterdir()) == []


def stopped(bench: Any, done: int, **params: Any) -> Path:
    """A run of the open slide that was begun and stopped; its result file."""
    bench.session.set_params(**params)
    begin(bench, done=done)
    out = Path(bench.batch.calls[-1][2]["out"])
    bench.session.cancel()
    bench.wait()
    return out


def test_all_unfinished_runs_are_listed_with_what_they_take(opened: Any, sample_slide: Path) -> None:
    session = opened.session
    first, second = stopped(opened, 3, diam_um=9.0), stopped(opened, 4, diam_um=12.0)
    for block in run_dir(first).glob("*/blocks/*.block"):
        block.write_bytes(b"x" * 100_000)
        os.utime(block, (time.time() - 3 * 86400 - 60,) * 2)
    session.leftovers.look()
    opened.wait()
    assert session.unfinished.out == second
    [left] = session.leftovers.items
    assert (left.out, left.bytes) == (first, 300_000)
    assert text_of(left) == "30% done, builtin, 9 µm, 300 kB, 3 days ago"
    session.leftovers.choose(left)
    assert session.unfinished.out == first
    assert [item.out for item in session.leftovers.items] == [second]
    # The run under way is no leftover.
    session.resume()
    assert {item.out for item in session.leftovers.items} == {second}
    session.leftovers.ask_delete(session.leftovers.items[0])
    assert "40% done" in session.pending_question.text
    session.answer(False)
    assert run_dir(second).exists()
    shown = session.document.overlay
    assert shown.origin == "live"
    session.leftovers.ask_delete(session.leftovers.items[0])
    session.answer(True)
    opened.wait()
    assert session.leftovers.items == []
    # On screen are the cells of the other run.
    assert session.document.overlay is shown
    assert not run_dir(second).exists()
    assert run_dir(first).exists()
    # From elsewhere its slide is opened, and it is offered there.
    session.cancel()
    session.close_slide()
    opened.wait()
    [left] = session.leftovers.items
    session.leftovers.choose(left)
    opened.wait()
    assert session.unfinished.out == first


def test_a_run_whose_result_is_there_is_dropped(opened: Any) -> None:
    done, again = stopped(opened, 3, diam_um=9.0), stopped(opened, 3, diam_um=12.0)
    now_s = time.time()
    for out, ago_s in ((done, -10), (again, 3600)):
        out.write_bytes(b"a result")
        os.utime(out, (now_s - ago_s, now_s - ago_s))
    # The second has done blocks since, for another time.
    assert [left.out for left in unfinished.leftovers()] == [again]
    assert not run_dir(done).exists()
    assert done.exists()


def test_a_run_of_another_process_is_not_deleted(opened: Any) -> None:
    out = stopped(opened, 3)
    lock = RunLock(run_dir(out), out)
    opened.session.leftovers.delete(out)
    opened.wait()
    assert opened.said("error", "Another run", "is writing")
    assert len(list(run_dir(out).glob("*/blocks/*.block"))) == 3
    lock.release()


def test_the_command_line_lists_and_deletes_them(opened: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out = stopped(opened, 3, diam_um=9.0)
    name = out.name.removesuffix("-masks.zip")
    assert main(["runs"]) == 0
    assert f"{name}  {opened.session.document.slide.name}" in capsys.readouterr().out
    assert main(["runs", "--delete", "nope"]) == 2
    assert "`python -m studio runs` lists them" in capsys.readouterr().err
    assert main(["runs", "--json"]) == 0
    [run] = json.loads(capsys.readouterr().out)["runs"]
    assert (run["name"], run["blocks_done"], run["blocks"], run["diam_um"]) == (name, 3, 10, 9.0)
    assert main(["runs", "--delete", name]) == 0
    assert not run_dir(out).exists()
    capsys.readouterr()
    assert main(["runs"]) == 0
    assert capsys.readouterr().out == "No unfinished runs.\n"


def test_an_estimate_gets_better_and_gives_way_to_the_run(opened: Any) -> None:
    session = opened.session
    assert session.estimating.lines() == []
    session.estimating.start()
    job, target, kwargs = opened.batch.calls[-1]
    assert target == "studio.cellseg.survey:survey_task"
    assert kwargs["params"] == session.document.params.to_dict()
    assert session.estimating.why_not() == "An estimate is being made."
    forecast = {
        "seconds": 40.0, "memory_mb": 800.0, "disk_mb": 90.0, "fits_disk": False, "disk_free_mb": 12.0,
        "cells_low": 900, "cells_high": 1100,
    }  # fmt: skip
    job.events.append(("forecast", forecast))
    session.update()
    assert session.estimating.lines() == [
        "About 40 s, 0.8 GB of memory, 90 MB of disk (only 12 MB free!)",
        "900 to 1,100 cells",
    ]
    for half in (200.0, 50.0):
        density = {
            "per_mm2": 1000.0,
            "low": 1000 - half,
            "high": 1000 + half,
            "fields": 6,
            "cells_low": 1,
            "cells_high": 2,
        }
        job.events.append(("density", density))
        session.update()
        assert f"1,000 ± {half:.0f} cells per mm²" in session.estimating.lines()[1]
    session.segment()
    assert job.state is JobState.CANCELLED
    assert opened.batch.calls[-1][1] == "studio.cellseg.tasks:segment_task"
    assert session.estimating.lines()
    session.set_params(diam_um=12.0)
    assert session.estimating.lines() == []


@pytest.fixture
def with_flows(opened: Any, dots_result: Path, dots_path: Path) -> Any:
    """A session with a result with flows on screen."""
    opened.open(dots_path)
    opened.session.load_result(dots_result)
    opened.wait()
    opened.session.document.params = opened.session.document.overlay.params
    return opened


@pytest.fixture(scope="module")
def dots_result(dots_path: Path, dots_params: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("flows") / "dots.zip"
    with open_slide(dots_path) as slide:
        run_slide(slide, Request(dots_params.changed(save_flows=True), out), None, BlobNetwork())
    return out


def test_thresholds_of_a_whole_slide(with_flows: Any, dots_result: Path) -> None:
    session = with_flows.session
    assert session.reflowing.possible
    assert "with these thresholds" in session.reflowing.why_not()
    session.set_params(cellprob_threshold=-3.0)
    assert "lower threshold" in session.reflowing.why_not()
    session.set_params(cellprob_threshold=1.0, min_size=200, diam_um=99.0)
    assert session.reflowing.why_not() is None
    before = session.document.overlay.source.cells
    session.reflowing.start()
    job, _, kwargs = with_flows.batch.calls[-1]
    assert job.title == "Apply thresholds"
    assert kwargs["changes"] == {"cellprob_threshold": 1.0, "min_size": 200}
    assert "being applied" in session.reflowing.why_not()
    with_flows.work(with_flows.batch)
    overlay = session.document.overlay
    assert (overlay.origin, overlay.path) == ("run", Path(kwargs["out"]))
    assert 0 < overlay.source.cells < before
    assert overlay.params.diam_um != 99.0
    # And down again, as far as flows are stored.
    session.set_params(cellprob_threshold=0.0)
    assert session.reflowing.why_not() is None


def test_a_preview_or_a_result_without_flows_has_none_to_apply(opened: Any) -> None:
    assert not opened.session.reflowing.possible
    opened.session.reflowing.start()
    assert opened.said("warning", "Save flows")


@pytest.mark.parametrize(("begin", "worker"), [("segment", "batch"), ("preview", "interactive")])
def test_what_a_job_has_to_say_is_said(opened: Any, begin: str, worker: str) -> None:
    getattr(opened.session, begin)()
    getattr(opened, worker).calls[-1][0].events.append(("notice", {"text": "The graphics card ran out of memory."}))
    opened.session.update()
    assert opened.said("warning", "ran out of memory")
    assert opened.session.document.overlay is None
