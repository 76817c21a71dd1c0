"""The cell segmentation panel: its controls, what enables them, and what they do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry
from studio.core.jobs import Job, JobState
from studio.document import Overlay
from studio.session.batch import Status
from studio.session.estimating import Contract
from studio.session.runcounts import RunCounts
from studio.session.unfinished import Leftover, Run
from studio.slide import WSI
from studio.widgets.cellseg import CellSegPanel

MAIN = {
    "Model", "Auto-detect diameter", "Manual", "Diameter", "Preview", "Auto-preview", "Preview ROI",
    "Cell probability", "Flow error", "Min size", "Otsu threshold", "Save flows", "Segment",
    "Export", "Mask", "Outline", "Centroid", "gradXY", "Black BG", "Alpha", "Reset",
}  # fmt: skip
FORECAST = {
    "seconds": 123.0, "memory_mb": 1500.0, "disk_mb": 250.0, "fits_disk": True, "disk_free_mb": 9e4,
    "cells": 1000, "cells_low": 900, "cells_high": 1100,
}  # fmt: skip
DENSITY = {"fields": 12, "per_mm2": 2000.0, "low": 1900.0, "high": 2100.0, "cells_low": 950, "cells_high": 1050}
ADVANCED = {"Window", "Tile", "Downscale", "Workers"}


@pytest.fixture
def panel() -> CellSegPanel:
    return CellSegPanel()


@pytest.fixture
def calls(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the panel asks of the session instead of it being done."""
    made: list[str] = []
    for name in ("preview", "segment", "ask_export_path"):
        monkeypatch.setattr(type(ctx.actions), name, lambda _self, name=name: made.append(name))
    return made


@pytest.fixture
def slide(ctx: Any, sample_slide: Any) -> WSI:
    slide = WSI(sample_slide)
    ctx.document.set_slide(slide)
    return slide


def show_cells(ctx: Any, *, flows: bool) -> None:
    labels = np.zeros((1000, 1000), np.uint32)
    for cell in range(10):
        labels[cell * 10 : cell * 10 + 5, :5] = cell + 1
    geometry = MaskGeometry((1000, 1000), 2.0, 2.0, mpp=0.5)
    source = ArraySource(labels, geometry, flows=np.zeros((1000, 1000, 3), np.float16) if flows else None)
    ctx.document.set_overlay(Overlay(source, "preview", ctx.document.params))


def test_every_control_of_the_documentation_is_there(ctx: Any, panel: CellSegPanel) -> None:
    ctx.draw(panel)
    assert set(ctx.ui.controls) >= MAIN
    assert not ADVANCED & set(ctx.ui.controls)
    ctx.ui.open_sections.add("Advanced")
    ctx.draw(panel)
    assert set(ctx.ui.controls) >= MAIN | ADVANCED


def test_without_a_slide_nothing_can_be_run(ctx: Any, panel: CellSegPanel) -> None:
    ctx.draw(panel)
    for label in ("Preview", "Segment", "Export"):
        assert not ctx.ui.controls[label].enabled
    assert "Open a slide" in ctx.ui.controls["Preview"].tooltip


def test_the_model_list_says_what_is_here(ctx: Any, panel: CellSegPanel) -> None:
    ctx.draw(panel)
    assert ctx.ui.controls["Model"].items == ["Builtin (installed)", "From a file…", "Cyto2 (download, 26 MB)"]
    ctx.ui.enter("Model", 2)
    ctx.draw(panel)
    assert ctx.document.params.model == "cyto2"
    assert "About cyto2." in ctx.ui.texts


def test_a_model_by_path_stays_chosen(ctx: Any, panel: CellSegPanel) -> None:
    ctx.actions.set_params(model="/models/mine.pt")
    ctx.draw(panel)
    assert ctx.ui.controls["Model"].items[1:3] == ["/models/mine.pt", "From a file…"]
    assert ctx.document.params.model == "/models/mine.pt"
    ctx.ui.enter("Model", 2)
    ctx.draw(panel)
    assert ctx.document.params.model == "/models/mine.pt"
    assert ctx.actions.pending_dialog is not None


def test_auto_closes_the_whole_slide_section_and_manual_opens_it(
    ctx: Any, panel: CellSegPanel, slide: WSI, calls: list[str]
) -> None:
    ctx.draw(panel)
    assert ctx.ui.controls["Segment"].enabled
    ctx.ui.press("Auto-detect diameter")
    ctx.draw(panel)
    for label in ("Segment", "Otsu threshold", "Save flows", "Diameter"):
        assert not ctx.ui.controls[label].enabled
    assert any("Manual" in text for text in ctx.ui.texts)
    assert ctx.ui.controls["Preview"].enabled
    ctx.ui.press("Manual")
    ctx.draw(panel)
    ctx.ui.press("Segment")
    ctx.draw(panel)
    assert calls == ["segment"]


def test_preview_button(ctx: Any, panel: CellSegPanel, slide: WSI, calls: list[str]) -> None:
    ctx.ui.press("Preview")
    ctx.draw(panel)
    assert calls == ["preview"]


def test_diameter_takes_fractions_and_refuses_nonsense(ctx: Any, panel: CellSegPanel) -> None:
    ctx.ui.enter("Diameter", 8.35)
    ctx.draw(panel)
    assert ctx.document.params.diam_um == 8.35
    ctx.ui.enter("Diameter", -1.0)
    ctx.draw(panel)
    assert ctx.document.params.diam_um == 8.35
    assert [t.level for t in ctx.actions.toasts] == ["error"]
    assert ctx.ui.controls["Diameter"].value == 8.35


def test_advanced_controls_change_the_parameters(
    ctx: Any, panel: CellSegPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx.ui.open_sections.add("Advanced")
    wanted = {
        "Window": ("window", 512),
        "Tile": ("tile", False),
        "Downscale": ("downscale", 2.0),
        "Workers": ("workers", 1),
        "Iterations": ("niter", 400),
    }
    for label, (name, value) in wanted.items():
        ctx.ui.enter(label, value)
        ctx.draw(panel)
        assert getattr(ctx.document.params, name) == value
    monkeypatch.setattr(ctx.actions.channel, "meaning", lambda: ("fluorescence", "for its dark background"))
    ctx.draw(panel)
    assert "Fluorescence, for its dark background." in ctx.ui.texts
    ctx.ui.enter("Channel", 2)
    ctx.draw(panel)
    assert ctx.document.params.channel == "red"
    ctx.draw(panel)
    assert not any("background" in text for text in ctx.ui.texts)
    ctx.ui.press("Defaults")
    ctx.draw(panel)
    assert ctx.document.params.window == 1024
    assert ctx.actions.toasts == []


def test_thresholds_say_how_they_reach_a_whole_slide_with_flows(
    ctx: Any, panel: CellSegPanel, slide: WSI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(ctx.actions.reflowing), "possible", True)
    monkeypatch.setattr(type(ctx.actions.reflowing), "why_not", lambda _self: None)
    ctx.draw(panel)
    assert "Apply thresholds acts on the whole slide." in ctx.ui.texts
    assert ctx.ui.controls["Apply thresholds"].enabled


def test_thresholds_stand_open_and_change_the_parameters(ctx: Any, panel: CellSegPanel) -> None:
    ctx.draw(panel)
    assert any("act at once on the cells of a preview" in text for text in ctx.ui.texts)
    wanted = {
        "Cell probability": ("cellprob_threshold", -1.5),
        "Flow error": ("flow_threshold", 0.8),
        "Min size": ("min_size", 30.0),
    }
    for label, (name, value) in wanted.items():
        ctx.ui.enter(label, value)
        ctx.draw(panel)
        assert getattr(ctx.document.params, name) == value
    assert isinstance(ctx.document.params.min_size, int)
    ctx.ui.enter("Flow error", -0.5)
    ctx.draw(panel)
    assert ctx.document.params.flow_threshold == 0.8
    assert [t.level for t in ctx.actions.toasts] == ["error"]


def test_region_and_auto_preview(ctx: Any, panel: CellSegPanel, slide: WSI, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(type(ctx.actions), "preview_roi", lambda _self: made.append("roi"))
    ctx.draw(panel)
    assert not ctx.ui.controls["Preview ROI"].enabled
    assert "Draw a region" in ctx.ui.controls["Preview ROI"].tooltip
    assert ctx.actions.rois.add([(0, 0), (900, 0), (0, 900)])
    ctx.ui.press("Preview ROI")
    ctx.draw(panel)
    assert made == ["roi"]
    ctx.ui.enter("Auto-preview", True)
    ctx.draw(panel)
    assert ctx.actions.auto_preview.on
    ctx.document.view.scale = 50.0
    ctx.draw(panel)
    assert any("Zoom in" in text for text in ctx.ui.texts)


def test_evidence_for_the_diameter(ctx: Any, panel: CellSegPanel, slide: WSI) -> None:
    ctx.draw(panel)
    assert "Cell diameters" not in ctx.ui.controls
    ctx.ui.enter("Show ring", False)
    ctx.draw(panel)
    assert not ctx.actions.diameters.ring.on
    counts = [0, 0, 40, 60, 5, 2, 4, 50, 40, 0, 0, 0]
    estimate = {
        "diam_um": 7.25, "quartiles_um": (6.0, 7.25, 15.0), "cells": sum(counts), "histogram": counts,
        "edges_um": [2.0 * n for n in range(len(counts) + 1)], "why_default": "",
    }  # fmt: skip
    ctx.actions.diameters.note(estimate, "in view")
    ctx.draw(panel)
    assert ctx.ui.controls["Cell diameters"].value == counts
    assert any("Median 7.25 µm" in text and "in view" in text for text in ctx.ui.texts)
    assert any("Two sizes" in text for text in ctx.ui.texts)
    ctx.ui.press("Use median")
    ctx.draw(panel)
    assert ctx.document.params.diam_um == 7.25
    assert not ctx.ui.controls["Use median"].enabled
    ctx.ui.press("Hide diameters")
    ctx.draw(panel)
    assert "Cell diameters" not in ctx.ui.controls
    ctx.actions.diameters.note(estimate | {"why_default": "too few (3)"}, "in view")
    ctx.draw(panel)
    assert any("in view: too few (3)" in text for text in ctx.ui.texts)


def test_a_sweep_is_chosen_from_by_its_pictures(ctx: Any, panel: CellSegPanel, slide: WSI) -> None:
    from studio.session.sweep import Variant

    ctx.ui.open_sections.add("Side by side")
    ctx.draw(panel)
    assert ctx.ui.controls["Sweep"].enabled
    assert not ctx.ui.controls["Clear pictures"].enabled
    ctx.ui.enter("Vary", 2)
    ctx.draw(panel)
    assert ctx.actions.sweep.kind == "Cell probability"
    picture = np.zeros((20, 20, 3), np.uint8)
    ctx.actions.sweep._variants = [
        Variant("-1", {"cellprob_threshold": -1.0}, 40, picture),
        Variant("0", {"cellprob_threshold": 0.0}, 30, picture.copy()),
        Variant("1", {"cellprob_threshold": 1.0}, error="It can't be done."),
    ]
    ctx.actions.sweep._slide_version = ctx.document.slide_version
    ctx.draw(panel)
    assert ctx.ui.controls["0 (30)"].value
    assert "1: It can't be done." in ctx.ui.texts
    ctx.ui.press("Take -1")
    ctx.draw(panel)
    assert ctx.document.params.cellprob_threshold == -1.0
    ctx.ui.press("0 (30)")
    ctx.draw(panel)
    assert ctx.document.params.cellprob_threshold == 0.0
    ctx.ui.press("Clear pictures")
    ctx.draw(panel)
    assert "Take 0" not in ctx.ui.controls


def test_whole_slide_options(ctx: Any, panel: CellSegPanel) -> None:
    ctx.ui.enter("Otsu threshold", True)
    ctx.ui.enter("Save flows", True)
    ctx.draw(panel)
    assert ctx.document.params.otsu
    assert ctx.document.params.save_flows


def test_a_running_job_shows_its_progress_and_can_be_cancelled(
    ctx: Any, panel: CellSegPanel, slide: WSI, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[Job] = []
    monkeypatch.setattr(type(ctx.actions), "cancel", lambda _self, job=None: cancelled.append(job))
    ctx.draw(panel)
    assert "Cancel" not in ctx.ui.controls
    job = Job(1, "Segment", state=JobState.RUNNING, message="Segmenting x")
    job.note_start(40, "", 0)
    job.done = 10
    ctx.actions.jobs.append(job)
    ctx.ui.press("Cancel")
    ctx.draw(panel)
    assert cancelled == [job]
    assert "Segmenting x" in ctx.ui.texts
    assert any(text.startswith("25 %") and "left" in text for text in ctx.ui.texts)
    job.cancel_asked = True
    ctx.draw(panel)
    assert not ctx.ui.controls["Cancel"].enabled
    job.state = JobState.CANCELLED
    ctx.draw(panel)
    assert "Cancel" not in ctx.ui.controls


def test_preview_and_run_at_once_have_a_cancel_each(ctx: Any, panel: CellSegPanel, slide: WSI) -> None:
    run, preview = Job(1, "Segment", state=JobState.RUNNING), Job(2, "Preview", state=JobState.RUNNING)
    ctx.actions.jobs += [run, preview]
    ctx.actions._segment_job = run
    ctx.draw(panel)
    assert {"Cancel", "Cancel preview"} <= set(ctx.ui.controls)


def test_the_result_is_counted(ctx: Any, panel: CellSegPanel, slide: WSI) -> None:
    show_cells(ctx, flows=False)
    ctx.draw(panel)
    # 1000 x 1000 px of 0.5 µm are 0.25 mm².
    assert any("10 cells" in text and "40 per mm²" in text for text in ctx.ui.texts)
    assert ctx.ui.controls["Export"].enabled


def test_gradxy_needs_flows(ctx: Any, panel: CellSegPanel, slide: WSI) -> None:
    show_cells(ctx, flows=False)
    ctx.draw(panel)
    assert not ctx.ui.controls["gradXY"].enabled
    assert "Save flows" in ctx.ui.controls["gradXY"].tooltip
    show_cells(ctx, flows=True)
    ctx.ui.enter("gradXY", True)
    ctx.draw(panel)
    assert ctx.document.style.gradxy


def test_view_controls_begin_as_documented_and_reset(ctx: Any, panel: CellSegPanel) -> None:
    ctx.draw(panel)
    values = {label: ctx.ui.controls[label].value for label in ("Mask", "Outline", "Centroid", "gradXY", "Black BG")}
    assert values == {"Mask": True, "Outline": False, "Centroid": False, "gradXY": False, "Black BG": True}
    ctx.ui.enter("Centroid", True)
    ctx.ui.enter("Alpha", 0.4)
    ctx.draw(panel)
    ctx.ui.enter("Outline", True)
    ctx.draw(panel)
    assert ctx.document.style.layers == ["outline", "centroid"]
    assert ctx.document.style.alpha == 0.4
    assert not ctx.document.style.black_bg
    ctx.ui.press("Reset")
    ctx.draw(panel)
    assert ctx.document.style.layers == ["mask"]
    assert ctx.document.style.black_bg


def test_other_formats_are_a_menu_beside_export(
    ctx: Any, panel: CellSegPanel, slide: WSI, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx.draw(panel)
    assert not ctx.ui.controls["Export as"].enabled
    show_cells(ctx, flows=False)
    choices = list(ctx.actions.export_choices())
    choices[2] = replace(choices[2], why_not="Install it.")
    monkeypatch.setattr(type(ctx.actions), "export_choices", lambda _self: choices)
    asked: list[str] = []
    monkeypatch.setattr(type(ctx.actions), "ask_export_path", lambda _self, kind=None: asked.append(kind))
    for index in (0, 2):
        ctx.ui.enter("Export as", index)
        ctx.draw(panel)
    assert asked == ["geojson"]
    [entry] = [entry for entry in ctx.ui.entries["Export as"] if not entry.enabled]
    assert (entry.label, entry.tooltip) == (choices[2].title, "Install it.")


def a_run(ctx: Any, **changes: Any) -> Run:
    return replace(ctx.actions.requested_run(), blocks=10, blocks_done=4, **changes)


def test_a_run_is_paused_and_resumed(
    ctx: Any, panel: CellSegPanel, slide: WSI, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for name in ("pause", "resume", "discard_unfinished"):
        monkeypatch.setattr(type(ctx.actions), name, lambda _self, name=name: asked.append(name))
    ctx.draw(panel)
    assert not ctx.ui.controls["Pause"].enabled
    job = Job(1, "Segment", state=JobState.RUNNING)
    ctx.actions.jobs.append(job)
    ctx.actions._segment_job = job
    ctx.actions.run_counts = RunCounts()
    ctx.actions.run_counts.cells = 1234
    ctx.ui.press("Pause")
    ctx.draw(panel)
    assert "1,234 cells so far" in ctx.ui.texts
    job.state, ctx.actions.run_counts, ctx.actions.unfinished = JobState.CANCELLED, None, a_run(ctx)
    ctx.ui.press("Resume")
    ctx.ui.press("Discard unfinished run")
    ctx.draw(panel)
    assert "Pause" not in ctx.ui.controls
    assert any("4 of 10 blocks" in text for text in ctx.ui.texts)
    assert asked == ["pause", "resume", "discard_unfinished"]


def test_other_unfinished_runs_are_listed(
    ctx: Any, panel: CellSegPanel, slide: WSI, monkeypatch: pytest.MonkeyPatch
) -> None:
    leftovers = ctx.actions.leftovers
    run = a_run(ctx)
    lost = run.out.with_name("gone-0123-masks.zip")
    leftovers.take([Leftover(run.out, run, 12_000_000, 7200.0), Leftover(lost, None, 5000, 0.0)])
    chosen: list[Any] = []
    monkeypatch.setattr(type(leftovers), "choose", lambda _self, left: chosen.append(left.run))
    name = run.out.name.removesuffix("-masks.zip")
    ctx.ui.press(f"Run {name}")
    ctx.ui.press("Delete run gone-0123")
    ctx.draw(panel)
    assert chosen == [run]
    assert "gone-0123: 5 kB, just now" in ctx.actions.pending_question.text
    assert "40% done, builtin, 10 µm, 12 MB, 2 h ago" in ctx.ui.controls[f"Run {name}"].tooltip
    assert not ctx.ui.controls["Run gone-0123"].enabled
    assert "Unfinished runs, 12 MB:" in ctx.ui.texts
    ctx.actions.unfinished = run
    ctx.draw(panel)
    assert f"Run {name}" not in ctx.ui.controls


def test_regions_only_needs_regions(ctx: Any, panel: CellSegPanel, slide: WSI) -> None:
    ctx.draw(panel)
    assert "Regions only" not in ctx.ui.controls
    ctx.actions.rois.add([(0, 0), (500, 0), (500, 500)])
    ctx.ui.enter("Regions only", True)
    ctx.draw(panel)
    assert ctx.actions.rois_only
    assert ctx.ui.controls["Segment"].enabled
    ctx.actions.rois.clear()
    ctx.draw(panel)
    assert not ctx.ui.controls["Segment"].enabled
    assert "no regions" in ctx.ui.controls["Segment"].tooltip
    ctx.ui.enter("Regions only", False)
    ctx.draw(panel)
    assert ctx.ui.controls["Segment"].enabled


def test_the_estimate_stands_under_the_buttons(ctx: Any, panel: CellSegPanel, slide: WSI) -> None:
    ctx.draw(panel)
    assert ctx.ui.controls["Estimate"].enabled
    estimating = ctx.actions.estimating
    estimating._contract = Contract(estimating._about(), FORECAST, DENSITY)
    ctx.draw(panel)
    assert "About 2 min 3 s, 1.5 GB of memory, 250 MB of disk" in ctx.ui.texts
    assert "2,000 ± 100 cells per mm² of tissue (95 %)" in ctx.ui.texts
    assert "950 to 1,050 cells, from 12 fields" in ctx.ui.texts
    ctx.actions.set_params(diam_um=12.0)
    ctx.draw(panel)
    assert not any(text.startswith("About 2 min") for text in ctx.ui.texts)


def test_slides_of_a_batch_are_listed(
    ctx: Any, panel: CellSegPanel, slide: WSI, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx.draw(panel)
    assert "Start batch" not in ctx.ui.controls
    batch = ctx.actions.batch
    batch.add(["/slides/a.svs", "/slides/b.svs"])
    batch.items[0].status, batch.items[0].cells = Status.DONE, 12
    batch.items[1].error = "b is no slide."
    opened: list[int] = []
    monkeypatch.setattr(type(batch), "open", lambda _self, index: opened.append(index))
    ctx.ui.press("Slide b.svs")
    ctx.draw(panel)
    assert opened == [1]
    assert ctx.ui.controls["Slide a.svs"].value == ["a.svs", "12 cells"]
    assert "b is no slide." in ctx.ui.texts
    for label in ("Start batch", "Add slide", "Results folder", "Clear list"):
        assert ctx.ui.controls[label].enabled
    ctx.ui.press("Results folder")
    ctx.draw(panel)
    assert ctx.actions.pending_dialog.title == "Folder for the results"
    ctx.ui.press("Clear list")
    ctx.draw(panel)
    assert batch.items == []
