"""Presets, and what the panel shows as a command."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from studio.cellseg.models import ModelInfo
from studio.cellseg.params import SegmentParams
from studio.session import parameters
from tests.session.conftest import Bench, model


def test_a_preset_is_saved_and_taken_over(bench: Bench, tmp_path: Path) -> None:
    session = bench.session
    session.set_params(diam_um=7.5, flow_threshold=0.7)
    session.ask_save_preset()
    dialog = session.pending_dialog
    assert dialog is not None
    assert dialog.kind == "save"
    dialog.on_path(tmp_path / "mine")
    assert bench.said("success", "mine.json")

    session.reset_params()
    assert session.document.params == SegmentParams()
    session.document.auto_diameter = True
    session.load_preset(tmp_path / "mine.json")
    bench.wait()
    assert session.document.params == SegmentParams(diam_um=7.5, flow_threshold=0.7)
    assert not session.document.auto_diameter


def test_a_file_that_is_no_preset_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text("[]")
    bench.session.set_params(diam_um=7.5)
    bench.session.load_preset(tmp_path / "odd.json")
    bench.wait()
    assert bench.said("error", "odd.json", "no parameters")
    assert bench.session.document.params.diam_um == 7.5


def test_saving_a_preset_where_nothing_can_be_written_says_so(bench: Bench, tmp_path: Path) -> None:
    bench.session.save_preset(tmp_path / "missing" / "p.json")
    assert bench.said("error", "can't be written")


def test_the_command_names_slide_parameters_and_a_pixel_size_set_by_hand(bench: Bench, sample_slide: Path) -> None:
    assert bench.session.recipe("command") is None
    assert bench.said("warning", "Open a slide")
    bench.open(sample_slide)
    bench.session.set_params(diam_um=8.5)
    words = shlex.split(bench.session.recipe("command") or "")
    assert str(sample_slide) in words
    assert "--diam-um=8.5" in words
    assert not any(word.startswith("--mpp") for word in words)
    bench.session.set_mpp(0.25)
    assert "--mpp=0.25" in shlex.split(bench.session.recipe("command") or "")
    assert "diam_um=8.5" in (bench.session.recipe("python") or "")


def test_a_model_trained_elsewhere_shows_up_in_the_open_window(
    bench: Bench, models: list[ModelInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLPOSE_LOCAL_MODELS_PATH", str(tmp_path))
    monkeypatch.setattr(parameters, "LOOK_EVERY_S", -1.0)
    before = bench.session.models()
    assert [info.name for info in before] == ["builtin", "cyto2"]
    assert bench.session.models() is before
    models.append(model("mine.pt"))
    (tmp_path / "gui_models.txt").write_text("mine.pt\n")
    assert [info.name for info in bench.session.models()] == ["builtin", "cyto2", "mine.pt"]


def test_recipes_of_the_view_and_of_regions(bench: Bench, sample_slide: Path) -> None:
    session = bench.session
    bench.open(sample_slide)
    view = session.document.view
    view.center_x, view.center_y, view.scale, view.viewport = 300.2, 200.0, 1.0, (400, 300)
    words = shlex.split(session.recipe("command", "view") or "")
    assert "--region=100,50,400,300" in words
    assert "region=(100, 50, 400, 300)" in (session.recipe("python", "view") or "")
    view.center_x = -5000.0
    assert session.recipe("command", "view") is None
    assert bench.said("warning", "out of view")
    assert session.recipe("command", "regions") is None
    assert bench.said("warning", "no regions")
    session.rois.add([(0, 0), (900, 0), (0, 900)])
    words = shlex.split(session.recipe("command", "regions") or "")
    assert f"--rois={sample_slide.stem}-regions.geojson" in words
    assert bench.said("info", "regions.geojson", "save them")


def test_a_dropped_preset_and_the_parameters_of_cells_on_screen(
    bench: Bench, sample_slide: Path, tmp_path: Path
) -> None:
    session = bench.session
    session.set_params(diam_um=6.5)
    session.save_preset(tmp_path / "mine.json")
    (tmp_path / "regions.json").write_text('{"type": "FeatureCollection", "features": []}')
    assert not session.drop_preset(tmp_path / "regions.json")
    assert not session.drop_preset(tmp_path / "gone.json")
    session.reset_params()
    assert session.drop_preset(tmp_path / "mine.json")
    bench.wait()
    assert session.document.params.diam_um == 6.5

    assert "no cells" in (session.why_not_take_params() or "")
    bench.open(sample_slide)
    session.preview()
    bench.finish(bench.interactive.calls[-1][0], bench.preview_result(4, diam_um=9.25, niter=300))
    session.document.auto_diameter = True
    session.take_params()
    assert (session.document.params.diam_um, session.document.params.niter) == (9.25, 300)
    assert not session.document.auto_diameter
    assert "already" in (session.why_not_take_params() or "")
