"""A cohort from slides to cells."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg import Segmentation, segment_slide
from studio.core.jobs import NullProgress
from studio.errors import JobCancelled, ModelError, ParameterError, ProjectError, RunError, SlideError, UsageError
from studio.extract import read_examples
from studio.project import Project
from studio.project.outcomes import load_outcome
from tests.permissions import read_only
from tests.project.conftest import CROPS, PARAMS


def states(report: Any) -> dict[str, str]:
    return {outcome.slide: outcome.status for outcome in report.outcomes}


def test_from_slides_to_records(done: Project) -> None:
    report = done.extract_cells(48, "20x")
    assert states(report) == dict.fromkeys(CROPS, "done")
    for name in CROPS:
        masks = done.segmentation(name)
        records = list(read_examples(done.root / "tfrecords" / f"{name}.tfrecords"))
        assert len(records) == masks.cells > 3
        assert {record["cell_id"][0] for record in records} == set(masks.ids.tolist())
        assert {record["slide"][0] for record in records} == {name.encode()}
    assert report.totals["extracted"] == report.totals["cells"] == sum(done.segmentation(n).cells for n in CROPS)


def test_the_cells_are_those_of_a_single_slide_call(done: Project, tmp_path: Path) -> None:
    alone = segment_slide(
        done.root / "slides" / "left.tif", out=tmp_path / "left.zip", **PARAMS | {"window": 256, "batch": 2}
    )
    assert np.array_equal(alone.masks, done.segmentation("left").masks)


def test_what_is_done_is_skipped_and_stays_as_it_was(done: Project) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.masks_dir.glob("*.zip")}
    report = done.cell_segmentation(**PARAMS | {"workers": 2}, mpp=0.5)
    assert states(report) == dict.fromkeys(CROPS, "skipped")
    assert {path: path.stat().st_mtime_ns for path in done.masks_dir.glob("*.zip")} == before
    assert report.totals["segmented"] == 3
    done.extract_cells(48, "20x", save_tiles=True)
    assert states(done.extract_cells(48, "20x", save_tiles=True)) == dict.fromkeys(CROPS, "skipped")


def test_other_parameters_never_replace_a_result_unasked(done: Project) -> None:
    before = (done.masks_dir / "left-masks.zip").read_bytes()
    report = done.cell_segmentation(**PARAMS | {"diam_um": 8}, mpp=0.5, filters={"slide": "left"})
    (failed,) = report.failed
    assert "diam_um 10 (now 8)" in failed.message
    assert (done.masks_dir / "left-masks.zip").read_bytes() == before
    # What is there is still known as done.
    assert next(row for row in report.rows if row.slide == "left").segmentation == "done"
    again = done.cell_segmentation(**PARAMS | {"diam_um": 8}, filters={"slide": "left"}, overwrite=True)
    assert states(again) == {"left": "done"}
    assert done.segmentation("left").meta["diam_um"] == 8


def test_other_tiles_never_replace_an_extraction_unasked(done: Project) -> None:
    done.extract_cells(48, "20x")
    left = done.root / "tfrecords" / "left.tfrecords"
    before = left.read_bytes()
    report = done.extract_cells(32, "20x")
    assert len(report.failed) == 3
    assert "other settings" in report.failed[0].message
    assert left.read_bytes() == before
    done.extract_cells(32, "20x", overwrite=True)
    assert left.read_bytes() != before


def test_one_bad_slide_never_stops_the_rest(project: Project, slides: Path, tmp_path: Path) -> None:
    (slides / "broken.svs").write_bytes(b"no slide")
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(slides / "left.tif", other / "LEFT.tif")
    project.add_slides(other)
    (project.root / "annotations.csv").write_text("slide,site\ngone,lung\nright edge,skin\n", encoding="utf-8")
    report = project.cell_segmentation(**PARAMS)
    assert states(report) == dict.fromkeys(("broken", "gone", "ünten", "LEFT"), "failed") | {"right edge": "done"}
    why = {outcome.slide: outcome.message for outcome in report.failed}
    assert "not a slide" in why["broken"]
    assert "no slide of that name" in why["gone"]
    assert "micrometres" in why["ünten"]
    assert "share the name" in why["LEFT"]
    assert "LEFT.tif" in why["LEFT"]
    assert "left.tif" in why["LEFT"]
    # With its pixel size known, the one that lacked it goes on; the others are told again.
    again = project.cell_segmentation(**PARAMS, mpp=0.5)
    assert states(again)["ünten"] == "done"
    assert states(again)["right edge"] == "skipped"
    extracted = states(project.extract_cells(48, "20x"))
    assert extracted["right edge"] == extracted["ünten"] == "done"
    assert extracted["broken"] == "failed"


def test_the_pixel_size_of_the_annotations_goes_before_the_file_s(done: Project) -> None:
    (done.root / "annotations.csv").write_text("slide,mpp\nleft,0.25\nünten,\nright edge,x\n", encoding="utf-8")
    report = done.cell_segmentation(**PARAMS, overwrite=True, mpp=0.5)
    assert states(report) == {"left": "done", "ünten": "done", "right edge": "failed"}
    assert "'x'" in report.failed[0].message
    assert done.segmentation("left").meta["slide"]["mpp"] == 0.25
    extracted = done.extract_cells(48, "40x", filters={"slide": "left"})
    assert states(extracted) == {"left": "done"}


def test_extraction_takes_the_pixel_size_from_the_masks(done: Project) -> None:
    assert states(done.extract_cells(48, 24, filters={"slide": "ünten"})) == {"ünten": "done"}


class StopAt(NullProgress):
    """Asks to stop at the n-th report of progress."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.messages: list[str] = []

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        self.messages.append(message)

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        self.left -= 1
        if self.left == 0:
            raise JobCancelled


def test_time_to_go_is_told_from_slides_that_were_done(monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.project import run

    clock = [0.0]
    monkeypatch.setattr(run.time, "monotonic", lambda: clock[0])
    told = StopAt(100)
    cohort = run.CohortProgress(told, [5, 40_000_000, 80_000_000, 3])
    cohort.begin(0)
    clock[0] += 500
    # It failed: nothing is known yet.
    for number in (1, 2):
        cohort.begin(number)
        cohort.start(9, f"Segmenting {number}")
        clock[0] += 60
        cohort.finish(number)
    cohort.begin(3)
    cohort.start(1, "Segmenting 3")
    assert told.messages == [
        "[2 of 4] Segmenting 1",
        "[3 of 4, about 2 min to go] Segmenting 2",
        "[4 of 4, about 10 s to go] Segmenting 3",
    ]


def test_a_stopped_run_goes_on_and_ends_with_the_same_cells(project: Project, done: Project) -> None:
    stop = StopAt(6)
    with pytest.raises(JobCancelled):
        project.cell_segmentation(**PARAMS, mpp=0.5, progress=stop)
    assert load_outcome(project.root, "left", "segment").status in ("done", "stopped")
    assert (project.root / "report" / "report.html").exists()
    assert any("[1 of 3] Segmenting left" in message for message in stop.messages)
    report = project.cell_segmentation(**PARAMS, mpp=0.5)
    assert not report.failed
    for name in CROPS:
        made, expected = (p.masks_dir / f"{name}-masks.zip" for p in (project, done))
        assert made.read_bytes() == expected.read_bytes()


def test_a_damaged_result_is_made_again(done: Project) -> None:
    path = done.masks_dir / "left-masks.zip"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "cut short" in done.extract_cells(48, 24, filters={"slide": "left"}).failed[0].message
    assert states(done.cell_segmentation(**PARAMS, filters={"slide": "left"})) == {"left": "done"}
    assert path.read_bytes() == whole


def test_masks_of_another_slide_are_refused(done: Project) -> None:
    shutil.copy(done.masks_dir / "left-masks.zip", done.masks_dir / "right edge-masks.zip")
    report = done.extract_cells(48, 24)
    assert [outcome.slide for outcome in report.failed] == ["right edge"]
    assert "made from left" in report.failed[0].message
    report = done.cell_segmentation(**PARAMS, mpp=0.5)
    assert [outcome.slide for outcome in report.failed] == ["right edge"]
    assert "right edge-masks.zip isn't of this slide: " in report.failed[0].message


def test_extraction_before_segmentation_says_so(project: Project) -> None:
    report = project.extract_cells(48, 24)
    assert len(report.failed) == 3
    assert "Segment it first" in report.failed[0].message


def test_regions_of_interest(done: Project, tmp_path: Path) -> None:
    rois = tmp_path / "rois"
    rois.mkdir()
    (rois / "left.csv").write_text("ROI_Name,X_base,Y_base\nA,0,0\nA,200,0\nA,200,360\nA,0,360\n")
    everywhere = done.segmentation("left").centroids(wsi_dim=True)
    inside = int((everywhere[:, 0] < 200).sum())
    assert 0 < inside < len(everywhere)
    report = done.extract_cells(48, 24, rois=rois)
    assert len(list(read_examples(done.root / "tfrecords" / "left.tfrecords"))) == inside
    assert states(report) == dict.fromkeys(CROPS, "done")
    refused = done.cell_segmentation(**PARAMS, mpp=0.5, rois=rois)
    assert [outcome.slide for outcome in refused.failed] == ["left"]
    assert "regions" in refused.failed[0].message
    done.cell_segmentation(**PARAMS, mpp=0.5, rois=rois, overwrite=True)
    # The engine asks where a cell's flows end, extraction where its centroid lies: a few at the line may differ.
    at_the_line = int((abs(everywhere[:, 0] - 200) < 10).sum())
    assert at_the_line < inside / 4
    assert abs(done.segmentation("left").cells - inside) <= at_the_line
    assert states(done.cell_segmentation(**PARAMS, mpp=0.5, rois=rois)) == dict.fromkeys(CROPS, "skipped")


def test_results_made_elsewhere_count_as_done(done: Project, crops: Path, tmp_path: Path) -> None:
    """Masks from the window or another machine, and Slideflow's that don't say how they were made."""
    shutil.rmtree(done.root / "outcomes")
    report = done.cell_segmentation(**PARAMS, mpp=0.5)
    assert states(report) == dict.fromkeys(CROPS, "skipped")
    assert {row.cells for row in report.rows} == {done.segmentation(name).cells for name in CROPS}


def test_an_unexpected_error_costs_one_slide(done: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import studio.project.work as work

    extract = work.extract_one

    def fails(progress: Any, **arguments: Any) -> Any:
        if "left" in arguments["slide_path"]:
            raise ZeroDivisionError("oops")
        return extract(progress, **arguments)

    monkeypatch.setattr(work, "extract_one", fails)
    report = done.extract_cells(48, 24)
    assert [outcome.slide for outcome in report.failed] == ["left"]
    assert "ZeroDivisionError: oops" in report.failed[0].message
    assert states(report)["right edge"] == "done"


def test_a_crash_costs_one_slide_when_isolated(done: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.project.steps import ExtractStep

    monkeypatch.setattr(ExtractStep, "target", "tests.project.crash:extract_or_die")
    said: list[tuple[int, int, str]] = []
    report = done.extract_cells(48, 24, isolate=True, progress=lambda *step: said.append(step))
    assert [outcome.slide for outcome in report.failed] == ["left"]
    assert "stopped unexpectedly" in report.failed[0].message
    # Each slide begins its own count.
    cells = done.segmentation("right edge").cells
    assert [message.partition("] ")[2] for _, _, message in said if message.endswith("extract right edge")]
    assert (cells, cells) in {(now, total) for now, total, message in said if "right edge" in message}
    assert states(report) == {"left": "failed", "right edge": "done", "ünten": "done"}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "/nope/x.pth"}, ModelError),
        ({"diam_um": -1}, ParameterError),
        ({"window_size": 100}, ParameterError),
        ({"nonsense": 1}, ParameterError),
        ({"filters": {"colour": "blue"}}, UsageError),
        ({"filters": {"slide": "nobody"}}, UsageError),
        ({"rois": "/nowhere"}, UsageError),
    ],
)
def test_what_would_fail_on_every_slide_fails_at_once(project: Project, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        project.cell_segmentation(**PARAMS | options)
    assert not project.masks_dir.exists()


@pytest.mark.parametrize(
    "options",
    [{"tile_px": 0}, {"tile_um": "40y"}, {"img_format": "gif"}, {"normalizer": "x"}, {"save_tfrecords": False}],
)
def test_extraction_options_that_can_not_be_used(project: Project, options: Any) -> None:
    with pytest.raises(UsageError):
        project.extract_cells(**{"tile_px": 48, "tile_um": 24} | options)


def test_arguments_of_older_scripts(done: Project) -> None:
    one = {"filters": {"slide": "left"}}
    assert states(done.cell_segmentation(**PARAMS, **one, save_flow=False, save_centroid=True)) == {"left": "skipped"}
    assert states(done.cell_segmentation(**PARAMS, **one, qc="otsu", force=True)) == {"left": "done"}
    assert done.segmentation("left").meta["params"]["otsu"]
    assert not done.extract_cells(tile_px=48, tile_um="40x", grayspace_fraction=1, **one).failed
    with pytest.raises(UsageError, match="only with qc='otsu'"):
        done.cell_segmentation(**PARAMS, qc="blur")
    with pytest.raises(UsageError, match="no argument 'nonsense'"):
        done.extract_cells(48, 24, nonsense=1)


def test_a_folder_that_is_no_project(tmp_path: Path, project: Project) -> None:
    with pytest.raises(ProjectError, match=r"Project\.create"):
        Project(tmp_path / "none")
    with pytest.raises(ProjectError, match="is a project already"):
        Project.create(project.root, tmp_path)
    (project.root / "settings.json").write_text("{")
    with pytest.raises(ProjectError, match="damaged"):
        Project(project.root)
    (project.root / "settings.json").write_text('{"studio_project": 99, "slides": []}')
    with pytest.raises(ProjectError, match="later version"):
        Project(project.root)


def test_an_empty_project(project: Project, slides: Path, tmp_path: Path) -> None:
    for path in slides.iterdir():
        path.unlink()
    (project.root / "annotations.csv").unlink()
    with pytest.raises(ProjectError, match="no slides"):
        project.cell_segmentation(**PARAMS)
    with pytest.raises(UsageError, match="no slides"):
        Project.create(tmp_path / "empty", slides)
    assert not (tmp_path / "empty").exists()


def test_a_folder_that_may_not_be_written_to_is_said_at_once(done: Project, slides: Path, tmp_path: Path) -> None:
    before = sorted(done.root.rglob("*"))
    with read_only(done.root):
        with pytest.raises(RunError, match=r"tfrecords can't be written.*another folder"):
            done.extract_cells(48, 24)
        # The masks may go elsewhere, the outcomes lie in a folder that is there.
        assert states(done.cell_segmentation(**PARAMS, mpp=0.5)) == dict.fromkeys(CROPS, "skipped")
    with read_only(done.masks_dir), pytest.raises(RunError, match=r"masks can't be written"):
        done.cell_segmentation(**PARAMS, mpp=0.5, overwrite=True)
    with read_only(tmp_path), pytest.raises(RunError, match="can't be written"):
        Project.create(tmp_path / "new", slides)
    assert not (tmp_path / "new").exists()
    assert sorted(done.root.rglob("*")) == before


def test_a_full_disk_costs_what_does_not_fit(done: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.extract import sinks

    write, records = sinks.write_record, iter(range(100_000))
    fits = done.segmentation("left").cells

    def until_full(*arguments: Any) -> None:
        if next(records) > fits:
            raise OSError(28, "No space left on device")
        write(*arguments)

    monkeypatch.setattr(sinks, "write_record", until_full)
    report = done.extract_cells(48, 24)
    assert states(report) == {"left": "done", "right edge": "failed", "ünten": "failed"}
    assert all("disk is full" in outcome.message for outcome in report.failed)
    assert [path.name for path in (done.root / "tfrecords").iterdir()] == ["left.tfrecords"]
    monkeypatch.undo()
    assert states(done.extract_cells(48, 24)) == {"left": "skipped", "right edge": "done", "ünten": "done"}


def test_a_project_with_its_slides_inside_can_be_moved(done: Project, tmp_path: Path) -> None:
    moved = shutil.move(done.root, tmp_path / "new place")
    assert [slide.name for slide in Project(moved).slides()] == sorted(CROPS)


def test_opening_by_the_names_of_the_package() -> None:
    import studio

    assert studio.Project is Project
    assert issubclass(SlideError, Exception)
    assert studio.Segmentation is Segmentation
