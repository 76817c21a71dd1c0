"""The results panel: what it says, sorts, narrows, and where a press on a cell leads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry
from studio.document import Overlay
from studio.slide import WSI
from studio.slide.roi import ROI
from studio.widgets.results import ResultsPanel

SIDES = (4, 10, 6, 8, 12)
"""Of square cells 1 to 5, in mask pixels of 2 slide pixels."""


@pytest.fixture
def panel() -> ResultsPanel:
    return ResultsPanel()


@pytest.fixture
def cells(ctx: Any, sample_slide: Any) -> WSI:
    slide = WSI(sample_slide)
    ctx.document.set_slide(slide)
    labels = np.zeros((400, 400), np.uint32)
    for number, side in enumerate(SIDES, 1):
        labels[number * 40 : number * 40 + side, 100 : 100 + side] = number
    source = ArraySource(labels, MaskGeometry((400, 400), 2.0, 2.0, 100.0, 200.0, mpp=2 * 0.499))
    ctx.document.set_overlay(Overlay(source, "preview", ctx.document.params))
    return slide


def until(ctx: Any, panel: ResultsPanel, holds: Callable[[], object]) -> None:
    end_s = time.monotonic() + 20
    while True:
        ctx.actions.update()
        ctx.draw(panel)
        if holds() and not ctx.actions.results.busy:
            return
        assert time.monotonic() < end_s, (ctx.ui.texts, [t.text for t in ctx.actions.toasts])
        time.sleep(0.005)


def rows(ctx: Any) -> list[str]:
    return [control.value[0] for label, control in ctx.ui.controls.items() if label.startswith("Cell ")]


def shown(ctx: Any, panel: ResultsPanel) -> None:
    until(ctx, panel, lambda: ctx.actions.results.found is not None)


def test_without_cells_it_says_how_to_get_some(ctx: Any, panel: ResultsPanel) -> None:
    ctx.draw(panel)
    assert "Make a preview" in ctx.ui.texts[0]
    assert not ctx.ui.controls


def test_counts_densities_and_the_table(ctx: Any, panel: ResultsPanel, cells: WSI) -> None:
    shown(ctx, panel)
    assert ctx.ui.texts[0] == "5 cells"
    area_mm2 = (800 * 0.499 / 1000) ** 2
    assert ctx.ui.controls["Area Segmented"].value == ["Segmented", "5", f"{area_mm2:.3g}", f"{5 / area_mm2:,.0f}"]
    assert rows(ctx) == ["1", "2", "3", "4", "5"]
    assert sum(ctx.ui.controls["Histogram"].value) == 5
    assert float(ctx.ui.controls["Cell 2"].value[1]) == pytest.approx(100 * 0.998**2, rel=1e-3)


def test_each_region_has_its_own_line(ctx: Any, panel: ResultsPanel, cells: WSI) -> None:
    square = np.array([[280, 270], [380, 270], [380, 390], [280, 390.0]])
    ctx.document.set_rois([ROI("Tumour", square), ROI("Nothing", square + 900)])
    shown(ctx, panel)
    area_mm2 = 100 * 120 * (0.499 / 1000) ** 2
    assert ctx.ui.controls["Area Tumour"].value == ["Tumour", "2", f"{area_mm2:.3g}", f"{2 / area_mm2:,.0f}"]
    ctx.ui.press("Area Tumour")
    ctx.draw(panel)
    assert (ctx.document.view.center_x, ctx.document.view.center_y) == (330, 330)
    ctx.document.set_rois([])
    until(ctx, panel, lambda: "Area Tumour" not in ctx.ui.controls)


def test_sorting_narrowing_and_going_to_a_cell(ctx: Any, panel: ResultsPanel, cells: WSI) -> None:
    shown(ctx, panel)
    ctx.ui.press("Sort by Area µm²")
    ctx.draw(panel)
    until(ctx, panel, lambda: rows(ctx) == ["5", "2", "4", "3", "1"])
    assert ctx.ui.controls["Sort by Area µm²"].value
    ctx.ui.press("Sort by Area µm²")
    ctx.draw(panel)
    until(ctx, panel, lambda: rows(ctx) == ["1", "3", "4", "2", "5"])
    ctx.ui.enter("Only cells in a range", True)
    ctx.draw(panel)
    ctx.ui.enter("From", 50.0)
    ctx.ui.enter("To", 110.0)
    ctx.draw(panel)
    until(ctx, panel, lambda: rows(ctx) == ["4", "2"])
    assert "2 of them are listed." in ctx.ui.texts
    ctx.ui.press("Cell 2")
    ctx.draw(panel)
    view = ctx.document.view
    # The middle of a square of 10 mask pixels from row 80, column 100.
    assert (view.center_x, view.center_y) == (100 + 2 * 105, 200 + 2 * 85)
    assert 20 / view.scale > 30
    assert ctx.document.selected_cell == 2
    assert panel._line == 1


def test_another_measure(ctx: Any, panel: ResultsPanel, cells: WSI) -> None:
    shown(ctx, panel)
    titles = ctx.ui.controls["Measure"].items
    assert titles[ctx.ui.controls["Measure"].value] == "Area (µm²)"
    ctx.ui.enter("Measure", titles.index("Perimeter (µm)"))
    ctx.draw(panel)
    until(ctx, panel, lambda: "Sort by Perimeter µm" in ctx.ui.controls)


def test_other_cells_are_measured_anew_and_none_leave_nothing(ctx: Any, panel: ResultsPanel, cells: WSI) -> None:
    shown(ctx, panel)
    labels = np.zeros((400, 400), np.uint32)
    labels[5:9, 5:9] = 1
    geometry = MaskGeometry((400, 400), 2.0, 2.0)
    ctx.document.set_overlay(Overlay(ArraySource(labels, geometry), "preview"))
    until(ctx, panel, lambda: ctx.ui.texts[0] == "1 cell")
    assert "Sort by Area px²" in ctx.ui.controls
    ctx.document.set_overlay(Overlay(ArraySource(labels * 0, geometry), "preview"))
    until(ctx, panel, lambda: ctx.ui.texts[0] == "0 cells")
    assert not rows(ctx)
    ctx.document.set_overlay(None)
    ctx.draw(panel)
    assert ctx.actions.results.found is None
