"""Preview, whole slide, export and models, with a worker that the test plays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.core.jobs import JobState
from studio.errors import ModelError
from studio.session.files import prune_runs, run_path, runs_dir


@pytest.fixture
def opened(bench: Any, sample_slide: Path) -> Any:
    bench.open(sample_slide)
    return bench


def run_file(bench: Any, path: Path, cells: int) -> dict[str, Any]:
    """What a whole-slide run leaves: its file, written through a preview's export, and its answer."""
    bench.session.preview()
    bench.finish(bench.interactive.calls[-1][0], bench.preview_result(cells))
    bench.session.export(path)
    bench.wait()
    bench.session.clear_overlay()
    bench.session.toasts.clear()
    return {"out": str(path), "cells": cells}


def test_without_a_slide_everything_says_so(bench: Any, tmp_path: Path) -> None:
    for act in (bench.session.preview, bench.session.segment, lambda: bench.session.export(tmp_path / "x.zip")):
        bench.session.toasts.clear()
        act()
        assert len(bench.session.toasts) == 1
    assert bench.interactive.calls == bench.batch.calls == []


def test_preview_asks_for_exactly_what_is_in_view(opened: Any) -> None:
    view = opened.session.document.view
    view.center_x, view.center_y, view.scale, view.viewport = 1000.5, 800.0, 0.5, (640, 400)
    opened.session.preview()
    job, target, kwargs = opened.interactive.calls[-1]
    assert target == "studio.cellseg.tunetasks:view_task"
    assert kwargs["rect_slide"] == (840.5, 700.0, 320.0, 200.0)
    assert kwargs["params"] == opened.session.document.params.to_dict()
    assert kwargs["auto_diameter"] is False
    assert (job.title, job.message) == ("Preview", "Segmenting current view")
    assert job in opened.session.jobs


def test_preview_is_clipped_to_the_slide(opened: Any) -> None:
    width, height = opened.session.document.slide.size
    opened.session.preview()
    assert opened.interactive.calls[-1][2]["rect_slide"] == (0, 0, width, height)


def test_preview_beside_the_slide_is_refused(opened: Any) -> None:
    opened.session.document.view.center_x = -1e6
    opened.session.preview()
    assert opened.said("warning", "out of view")
    assert opened.interactive.calls == []


def test_a_view_too_large_for_a_preview_is_refused(opened: Any) -> None:
    opened.session.set_params(diam_um=2.0)
    opened.session.preview()
    assert opened.said("warning", "Zoom in")
    assert opened.interactive.calls == []


def test_preview_shows_cells(opened: Any) -> None:
    opened.session.preview()
    opened.finish(opened.interactive.calls[-1][0], opened.preview_result(5))
    overlay = opened.session.document.overlay
    assert (overlay.source.cells, overlay.origin, overlay.path) == (5, "preview", None)
    assert overlay.source.has_flows
    assert not opened.session.previewing


def test_the_latest_preview_wins(opened: Any) -> None:
    opened.session.preview()
    opened.session.preview()
    first, second = (call[0] for call in opened.interactive.calls)
    assert first.state is JobState.CANCELLED
    opened.finish(second, opened.preview_result(3))
    assert opened.session.document.overlay.source.cells == 3
    assert opened.texts == []


def test_a_preview_of_a_slide_no_longer_open_is_dropped(opened: Any, sample_slide: Path) -> None:
    opened.session.preview()
    job = opened.interactive.calls[-1][0]
    result = opened.preview_result(5)
    opened.open(sample_slide)
    assert job.state is JobState.CANCELLED
    opened.session.preview()
    job = opened.interactive.calls[-1][0]
    opened.session.document.slide_version += 1
    opened.finish(job, result)
    assert opened.session.document.overlay is None


def test_auto_detect_fills_in_the_diameter(opened: Any) -> None:
    opened.session.document.auto_diameter = True
    opened.session.preview()
    assert opened.interactive.calls[-1][2]["auto_diameter"] is True
    opened.finish(opened.interactive.calls[-1][0], opened.preview_result(5, diam_um=7.43))
    assert opened.session.document.params.diam_um == 7.43
    assert opened.said("success", "7.43 µm")


def test_auto_detect_doesnt_overwrite_a_diameter_typed_meanwhile(opened: Any) -> None:
    opened.session.document.auto_diameter = True
    opened.session.preview()
    result = opened.preview_result(5, diam_um=7.43)
    opened.session.document.auto_diameter = False
    opened.session.set_params(diam_um=12.0)
    opened.finish(opened.interactive.calls[-1][0], result)
    assert opened.session.document.params.diam_um == 12.0


@pytest.mark.parametrize("diam_um", [0.0, -1.0, float("nan")])
def test_an_impossible_diameter_is_refused_in_words(opened: Any, diam_um: float) -> None:
    opened.session.set_params(diam_um=diam_um)
    assert [t.level for t in opened.session.toasts] == ["error"]
    assert opened.session.document.params.diam_um == 10.0


def test_no_cells_says_what_to_try(opened: Any) -> None:
    opened.session.preview()
    opened.finish(opened.interactive.calls[-1][0], opened.preview_result(0))
    assert opened.said("warning", "No cells", "diameter")
    assert opened.session.document.overlay.source.cells == 0


def test_a_failed_preview_keeps_the_cells_on_screen(opened: Any) -> None:
    opened.session.preview()
    opened.finish(opened.interactive.calls[-1][0], opened.preview_result(5))
    opened.session.preview()
    job = opened.interactive.calls[-1][0]
    job.error, job.state = "The worker process stopped.", JobState.FAILED
    opened.wait()
    assert opened.said("error", "The worker process stopped.")
    assert opened.session.document.overlay.source.cells == 5


def test_segment_waits_for_a_manual_diameter(opened: Any) -> None:
    opened.session.document.auto_diameter = True
    opened.session.segment()
    assert opened.batch.calls == []
    assert opened.said("warning", "Manual")


def test_segment_runs_over_the_whole_slide_from_the_view(opened: Any) -> None:
    opened.session.document.view.center_x, opened.session.document.view.center_y = 700.0, 300.0
    opened.session.segment()
    job, target, kwargs = opened.batch.calls[-1]
    assert target == "studio.cellseg.tasks:segment_task"
    assert kwargs["focus"] == (700.0, 300.0)
    assert kwargs["params"] == opened.session.document.params.to_dict()
    assert Path(kwargs["out"]).parent == runs_dir()
    assert job.title == "Segment"
    assert opened.session.why_not_segment() is not None
    opened.session.segment()
    assert len(opened.batch.calls) == 1


def test_a_finished_run_is_shown_and_exports_as_it_is(opened: Any, tmp_path: Path) -> None:
    result = run_file(opened, runs_dir() / "x-masks.zip", 6) if runs_dir().mkdir(parents=True) is None else {}
    opened.session.segment()
    opened.finish(opened.batch.calls[-1][0], result)
    overlay = opened.session.document.overlay
    assert (overlay.origin, overlay.source.cells) == ("run", 6)
    assert opened.said("success", "Segmentation complete: 6 cells")
    opened.session.export(tmp_path / "out")
    opened.wait()
    assert (tmp_path / "out.zip").read_bytes() == Path(result["out"]).read_bytes()
    assert opened.said("success", "out.zip")


def test_a_run_never_lands_on_another_slide(opened: Any, tmp_path: Path) -> None:
    result = run_file(opened, tmp_path / "run-masks.zip", 6)
    opened.session.segment()
    opened.session.close_slide()
    opened.finish(opened.batch.calls[-1][0], result)
    assert opened.session.document.overlay is None
    assert opened.said("success", "no longer open", str(tmp_path / "run-masks.zip"))


def test_a_run_lands_on_its_slide_opened_again(opened: Any, sample_slide: Path, tmp_path: Path) -> None:
    result = run_file(opened, tmp_path / "run-masks.zip", 6)
    opened.session.segment()
    opened.open(sample_slide)
    opened.finish(opened.batch.calls[-1][0], result)
    assert opened.session.document.overlay.origin == "run"


def test_the_same_run_has_the_same_file_and_another_another(opened: Any) -> None:
    slide, params = opened.session.document.slide, opened.session.document.params
    path = run_path(slide, params)
    assert run_path(slide, params.changed(workers=1, batch=8, memory_gb=1.0)) == path
    assert run_path(slide, params.changed(diam_um=9.5)) != path
    assert run_path(slide, params.changed(save_flows=True)) != path


def test_old_runs_are_pruned_and_resumable_ones_kept() -> None:
    runs_dir().mkdir(parents=True)
    for age in range(5):
        path = runs_dir() / f"{age}-masks.zip"
        path.write_bytes(b"x")
        os.utime(path, (1000 - age, 1000 - age))
    (runs_dir() / "half.journal").mkdir()
    assert prune_runs(keep=2) == 3
    assert sorted(p.name for p in runs_dir().iterdir()) == ["0-masks.zip", "1-masks.zip", "half.journal"]


def test_cancel_stops_the_run_first(opened: Any) -> None:
    opened.session.preview()
    opened.session.segment()
    opened.session.cancel()
    assert opened.batch.calls[-1][0].state is JobState.CANCELLED
    assert opened.session.previewing
    opened.session.update()
    assert opened.said("info", "Segmentation stopped", "go on from there")
    assert opened.session.why_not_segment() is None


def test_export_of_a_preview_keeps_every_label(opened: Any, tmp_path: Path) -> None:
    from studio.cellseg.result import Segmentation

    opened.session.preview()
    result = opened.preview_result(7)
    expected = result["labels"].copy()
    opened.finish(opened.interactive.calls[-1][0], result)
    opened.session.export(tmp_path / "seven.zip")
    opened.wait()
    loaded = Segmentation.load(tmp_path / "seven.zip")
    np.testing.assert_array_equal(np.asarray(loaded.masks), expected)
    assert loaded.cells == 7
    assert loaded.has_flows
    loaded.close()


def test_export_to_a_bad_place_says_so_and_leaves_nothing(opened: Any, tmp_path: Path) -> None:
    run_file(opened, tmp_path / "run.zip", 3)
    opened.session.load_result(tmp_path / "run.zip")
    opened.wait()
    opened.session.export(tmp_path / "missing" / "x.zip")
    opened.wait()
    assert opened.said("error", "missing", "another place")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.zip"]


def test_export_onto_its_own_file_is_harmless(opened: Any, tmp_path: Path) -> None:
    run_file(opened, tmp_path / "run.zip", 3)
    opened.session.load_result(tmp_path / "run.zip")
    opened.wait()
    before = (tmp_path / "run.zip").read_bytes()
    opened.session.export(tmp_path / "run.zip")
    opened.wait()
    assert (tmp_path / "run.zip").read_bytes() == before


def test_export_asks_the_window_for_a_place(opened: Any, tmp_path: Path) -> None:
    opened.session.ask_export_path()
    assert opened.session.pending_dialog is None
    opened.session.preview()
    opened.finish(opened.interactive.calls[-1][0], opened.preview_result(2))
    opened.session.ask_export_path()
    dialog = opened.session.pending_dialog
    assert dialog.kind == "save"
    assert dialog.suggested.name == "CMU-1-Small-Region-masks.zip"
    dialog.on_path(tmp_path / "chosen.zip")
    opened.wait()
    assert (tmp_path / "chosen.zip").is_file()


def test_a_missing_model_is_downloaded_and_then_used(
    opened: Any, models: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    def fetch(info: Any, progress: Any) -> Path:
        progress.start(10, "Downloading")
        progress.advance(10)
        models[1] = replace(models[1], installed=True)
        return Path("cyto2")

    monkeypatch.setattr("studio.cellseg.models.ensure_weights", fetch)
    opened.session.set_params(model="cyto2")
    opened.session.preview()
    assert opened.interactive.calls == []
    assert [job.title for job in opened.session.jobs] == ["Download"]
    opened.wait()
    assert opened.said("success", "Downloaded Cyto2")
    assert opened.interactive.calls[-1][2]["params"]["model"] == "cyto2"


def test_no_network_is_one_clear_message(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(info: Any, progress: Any) -> Path:
        raise ModelError("No network: cyto2 can't be downloaded. Use the built-in model.")

    monkeypatch.setattr("studio.cellseg.models.ensure_weights", offline)
    opened.session.set_params(model="cyto2")
    opened.session.preview()
    opened.wait()
    assert opened.texts == ["error: No network: cyto2 can't be downloaded. Use the built-in model."]
    assert opened.interactive.calls == []


def test_an_unknown_model_is_refused(opened: Any) -> None:
    opened.session.set_params(model="no-such-model")
    opened.session.preview()
    opened.wait()
    assert opened.said("error", "no-such-model")
    assert opened.interactive.calls == []


def test_toasts_repeat_once_and_expire(bench: Any) -> None:
    bench.session.notify("info", "Hello")
    bench.session.notify("info", "Hello")
    assert len(bench.session.toasts) == 1
    bench.session.toasts[0].born_s -= 1000
    assert bench.session.update()
    assert bench.session.toasts == []
    assert not bench.session.update()


def test_warming_up_is_asked_for_once_and_is_no_visible_job(bench: Any) -> None:
    bench.session.warm_up()
    bench.session.warm_up()
    [(_, target, kwargs)] = bench.interactive.calls
    assert target == "studio.session.warm:warm_up"
    assert kwargs == {"model": "builtin"}
    assert bench.session.jobs == []
    assert bench.session.idle


def test_what_draws_cells_is_loaded_once_the_worker_has_compiled_it(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr("studio.session.models.warm_window", lambda _progress: loaded.append("here"))
    bench.session.warm_up()
    bench.session.update()
    assert loaded == []
    bench.finish(bench.interactive.calls[-1][0], {})
    bench.wait()
    assert loaded == ["here"]
    assert bench.session.idle


def test_a_preview_that_waits_for_the_engine_says_so(opened: Any) -> None:
    opened.session.warm_up()
    warming = opened.interactive.calls[-1][0]
    opened.session.preview()
    assert "Getting ready" in opened.interactive.calls[-1][0].message
    opened.finish(warming, {})
    opened.session.preview()
    assert opened.interactive.calls[-1][0].message == "Segmenting current view"
