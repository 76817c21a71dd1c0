"""The annotations panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.slide import WSI
from studio.widgets.annotations import AnnotationsPanel

SQUARE = [(100.0, 100.0), (300.0, 100.0), (300.0, 300.0), (100.0, 300.0)]


def once(ctx: Any, panel: AnnotationsPanel) -> None:
    """One frame, for what would be undone by a second press or is gone in the next."""
    ctx.ui.begin()
    panel.draw(ctx)
    ctx.ui.end()


@pytest.fixture
def panel(ctx: Any, sample_slide: Path) -> AnnotationsPanel:
    ctx.document.set_slide(WSI(sample_slide))
    return AnnotationsPanel()


def test_without_a_slide(ctx: Any) -> None:
    ctx.draw(AnnotationsPanel())
    assert ctx.ui.controls == {}


def test_tools_are_chosen_and_put_back(ctx: Any, panel: AnnotationsPanel) -> None:
    ctx.ui.press("Polygon")
    once(ctx, panel)
    assert ctx.document.tool == "polygon"
    ctx.ui.press("Polygon")
    once(ctx, panel)
    assert ctx.document.tool == ""


def test_regions_are_listed_named_and_deleted(ctx: Any, panel: AnnotationsPanel) -> None:
    ctx.draw(panel)
    assert not ctx.ui.controls["Save…"].enabled
    ctx.actions.rois.add(SQUARE)
    ctx.actions.rois.add(SQUARE)
    ctx.ui.press("Region 1 #1")
    once(ctx, panel)
    assert ctx.document.selected_roi == 0
    ctx.ui.enter("Name", "Tumour")
    ctx.ui.enter("Class", "tumor")
    ctx.draw(panel)
    assert (ctx.document.rois[0].name, ctx.document.rois[0].label) == ("Tumour", "tumor")
    assert "Tumour · tumor #1" in ctx.ui.controls
    ctx.ui.press("Zoom to region")
    ctx.draw(panel)
    assert (ctx.document.view.center_x, ctx.document.view.center_y) == (200, 200)
    ctx.ui.press("Delete region")
    ctx.draw(panel)
    assert [roi.name for roi in ctx.document.rois] == ["Region 2"]
    ctx.ui.press("Undo")
    ctx.draw(panel)
    assert len(ctx.document.rois) == 2


def test_files_are_asked_for(ctx: Any, panel: AnnotationsPanel) -> None:
    ctx.actions.rois.add(SQUARE)
    ctx.ui.press("Save…")
    ctx.draw(panel)
    assert ctx.actions.pending_dialog.suggested.name == "CMU-1-Small-Region-regions.geojson"
    ctx.ui.press("Load…")
    ctx.draw(panel)
    assert ctx.actions.pending_dialog.kind == "open"


def test_lines_are_copied_and_cleared(ctx: Any, panel: AnnotationsPanel) -> None:
    ctx.document.lines.append((0.0, 0.0, 300.0, 400.0))
    ctx.ui.press("Line 1")
    ctx.draw(panel)
    assert ctx.ui.copied == "249.5 µm"
    ctx.document.lines.append((0.0, 0.0, 30.0, 40.0))
    ctx.ui.press("Clear line 1")
    once(ctx, panel)
    assert ctx.document.lines == [(0.0, 0.0, 30.0, 40.0)]
    ctx.ui.press("Clear lines")
    once(ctx, panel)
    assert ctx.document.lines == []


def test_bookmarks(ctx: Any, panel: AnnotationsPanel) -> None:
    ctx.document.view.center_x = 500.0
    ctx.ui.enter("View name", "Margin")
    ctx.draw(panel)
    ctx.ui.press("Add bookmark")
    ctx.draw(panel)
    ctx.document.view.center_x = 0.0
    ctx.ui.press("Margin #1")
    ctx.draw(panel)
    assert ctx.document.view.center_x == 500
    ctx.ui.press("Rename Margin #1")
    once(ctx, panel)
    ctx.ui.enter("Name of bookmark 1", "Invasive front")
    once(ctx, panel)
    once(ctx, panel)
    assert [mark.name for mark in ctx.actions.bookmarks.all] == ["Invasive front"]
    assert "Name of bookmark 1" not in ctx.ui.controls
    ctx.ui.press("Forget Invasive front #1")
    once(ctx, panel)
    assert ctx.actions.bookmarks.all == ()
