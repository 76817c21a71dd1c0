"""Several slides with the same parameters: the list, its order, failures, going on, opening."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.run import Request, run_slide
from studio.core.jobs import JobState
from studio.slide import open_slide
from tests.cellseg.conftest import dots_params, dots_path

__all__ = ["dots_params", "dots_path"]


@pytest.fixture
def slides(dots_path: Path, tmp_path: Path) -> list[Path]:
    """Three slides, the second of which is none."""
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in ("a.tiff", "c.tiff"):
        shutil.copy(dots_path, folder / name)
    (folder / "b.svs").write_bytes(b"no slide")
    return sorted(folder.iterdir())


@pytest.fixture
def listed(bench: Any, slides: list[Path]) -> Any:
    bench.session.open_many(slides)
    bench.wait()
    return bench


@pytest.fixture(scope="module")
def result(dots_path: Path, dots_params: SegmentParams, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells of the first slide."""
    out = tmp_path_factory.mktemp("result") / "dots.zip"
    with open_slide(dots_path) as slide:
        run_slide(slide, Request(dots_params, out), None, BlobNetwork())
    return out


def states(bench: Any) -> list[str]:
    return [str(item.status) for item in bench.session.batch.items]


def finish(bench: Any, **result: Any) -> None:
    bench.finish(bench.batch.calls[-1][0], result)


def fail(bench: Any, why: str) -> None:
    job = bench.batch.calls[-1][0]
    job.error, job.state = why, JobState.FAILED
    bench.wait()


def test_slides_dropped_together_are_listed_and_the_first_is_shown(listed: Any, slides: list[Path]) -> None:
    batch = listed.session.batch
    assert [item.slide for item in batch.items] == slides
    assert listed.session.document.slide.path == slides[0]
    assert listed.said("info", "All 3 slides are listed")
    assert batch.folder == slides[0].parent / "masks"
    assert batch.add(slides) == 0
    batch.clear()
    assert batch.items == []
    assert batch.why_not() is not None


def test_a_folder_is_its_slides(bench: Any, slides: list[Path]) -> None:
    bench.session.open_path(slides[0].parent)
    bench.wait()
    assert [item.slide for item in bench.session.batch.items] == slides


def test_one_after_the_other_and_a_failure_stops_nothing(listed: Any, slides: list[Path], tmp_path: Path) -> None:
    session, batch = listed.session, listed.session.batch
    batch.set_folder(tmp_path / "out")
    batch.start()
    listed.wait()
    # Changes meanwhile are for the next time.
    asked = session.document.params
    session.set_params(diam_um=33.0)
    assert states(listed) == ["running", "waiting", "waiting"]
    job, target, kwargs = listed.batch.calls[-1]
    assert target == "studio.cellseg.tasks:segment_task"
    assert (job.title, job.message) == ("Batch", "Slide 1 of 3: a")
    assert kwargs["out"] == str(tmp_path / "out" / "a-masks.zip")
    assert batch.why_not() is not None
    finish(listed, cells=12)
    assert states(listed) == ["done", "running", "waiting"]
    fail(listed, "b.svs is no slide.")
    assert listed.said("error", "b.svs is no slide")
    assert states(listed) == ["done", "failed", "running"]
    finish(listed, cells=7)
    assert states(listed) == ["done", "failed", "done"]
    assert {call[2]["params"]["diam_um"] for call in listed.batch.calls} == {asked.diam_um}
    assert [batch.status_text(item) for item in batch.items] == ["12 cells", "failed", "7 cells"]
    assert listed.said("warning", "Batch complete: 2 of 3 slides segmented, 1 failed")
    assert "1 failed" in session.take_attention()
    assert not batch.running


def test_stopping_and_going_on(listed: Any, slides: list[Path]) -> None:
    batch = listed.session.batch
    batch.start()
    listed.wait()
    job = listed.batch.calls[-1][0]
    listed.session.cancel(job)
    listed.wait()
    assert states(listed) == ["stopped"] * 3
    assert listed.said("info", "Batch stopped")
    batch.start()
    listed.wait()
    assert states(listed)[0] == "running"
    assert listed.batch.calls[-1][0] is not job
    batch.stop()
    assert listed.batch.calls[-1][0].state is JobState.CANCELLED


def test_what_is_there_already_is_passed_over(
    result: Path, listed: Any, slides: list[Path], dots_params: SegmentParams, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(result, out / "a-masks.zip")
    batch = listed.session.batch
    batch.set_folder(out)
    listed.session.document.params = dots_params.changed(workers=1, memory_gb=1.0)
    batch.start()
    listed.wait()
    assert states(listed) == ["done", "running", "waiting"]
    assert batch.items[0].cells > 300
    batch.stop()
    # With other parameters it is in the way, and stays.
    listed.session.set_params(diam_um=20.0)
    before = (out / "a-masks.zip").read_bytes()
    batch.start()
    listed.wait()
    assert states(listed) == ["failed", "running", "waiting"]
    assert "other parameters" in batch.items[0].error
    assert (out / "a-masks.zip").read_bytes() == before
    batch.stop()
    batch.items[0].out = out / "a-masks.zip"
    batch.open(0)
    listed.wait()
    assert listed.session.document.slide.path == slides[0]
    assert listed.session.document.overlay.path == out / "a-masks.zip"


def test_two_slides_of_one_name(bench: Any, tmp_path: Path) -> None:
    batch = bench.session.batch
    batch.add([tmp_path / "x" / "s.svs", tmp_path / "y" / "s.svs", tmp_path / "y" / "S.tif"])
    assert [item.name for item in batch.items] == ["s", "s-2", "S-3"]


def test_a_folder_that_cant_be_made_fails_each_slide_in_words(listed: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    listed.session.batch.set_folder(tmp_path / "file" / "sub")
    listed.session.batch.start()
    listed.wait()
    assert states(listed) == ["failed"] * 3
    assert listed.batch.calls == []
