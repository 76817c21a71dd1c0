"""The section Compare A/B: what it offers when, and what it says."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry
from studio.document import Overlay
from studio.slide import WSI
from studio.widgets.cellseg import CellSegPanel

VIEWS = {"A", "B", "Swipe A | B", "Blink A, B", "Differences", "Slide | cells"}


@pytest.fixture
def panel(ctx: Any, sample_slide: Any) -> CellSegPanel:
    ctx.document.set_slide(WSI(sample_slide))
    ctx.ui.open_sections.add("Compare A/B")
    return CellSegPanel()


def show(ctx: Any, *sides: int, rows: int = 200, **params: Any) -> None:
    labels = np.zeros((rows, 200), np.uint32)
    for number, side in enumerate(sides, 1):
        labels[number * 30 : number * 30 + side, 50 : 50 + side] = number
    source = ArraySource(labels, MaskGeometry(labels.shape, 2.0, 2.0, mpp=1.0))
    ctx.document.set_overlay(Overlay(source, "preview", ctx.document.params.changed(**params)))


def compared(ctx: Any, panel: CellSegPanel) -> None:
    end_s = time.monotonic() + 20
    while ctx.actions.compare.agreement is None:
        ctx.actions.update()
        assert time.monotonic() < end_s, [t.text for t in ctx.actions.toasts]
        time.sleep(0.005)
    ctx.draw(panel)


def test_without_cells_nothing_can_be_compared_and_each_control_says_why(ctx: Any, panel: CellSegPanel) -> None:
    ctx.draw(panel)
    for label in ("Keep as A", "Swap", "Let go of A", *VIEWS):
        assert not ctx.ui.controls[label].enabled
    assert "make a preview" in ctx.ui.controls["Keep as A"].tooltip
    assert "Next" not in ctx.ui.controls


def test_keep_change_compare_and_step(ctx: Any, panel: CellSegPanel) -> None:
    show(ctx, 10, 12, 14, flow_threshold=0.3)
    ctx.draw(panel)
    assert {label for label in VIEWS if ctx.ui.controls[label].enabled} == {"B", "Slide | cells"}
    ctx.ui.press("Keep as A")
    ctx.draw(panel)
    assert all(ctx.ui.controls[label].enabled for label in VIEWS)
    assert any("that becomes B" in text for text in ctx.ui.texts)
    show(ctx, 10, 9, flow_threshold=0.8)
    compared(ctx, panel)
    assert [text for text in ctx.ui.texts if text[:2] in ("A:", "B:")] == [
        "A: 3 cells, builtin, 10 µm", "B: 2 cells, builtin, 10 µm",
    ]  # fmt: skip
    assert "flow error 0.3 → 0.8" in ctx.ui.texts
    assert not any("Where both looked" in text for text in ctx.ui.texts)
    assert "F1 0.800 at IoU 0.5, median IoU 0.781" in ctx.ui.texts
    for text in ("Only in A: 1", "Only in B: 0", "Changed (IoU below 0.9): 1", "Equal: 1"):
        assert text in ctx.ui.texts
    assert ctx.ui.controls["No. 1"].value == ["1", "Only in A", "–", f"{(14 * 2 * 0.499) ** 2:.3g}"]
    assert ctx.ui.controls["No. 2"].value[1:3] == ["Changed", "0.56"]
    ctx.ui.press("Next")
    ctx.draw(panel)
    assert ctx.actions.compare.index == 0
    assert ctx.document.comparison.view == "differences"
    ctx.ui.press("Previous")
    ctx.draw(panel)
    assert ctx.actions.compare.index == 1
    ctx.ui.press("No. 1")
    ctx.draw(panel)
    assert ctx.document.comparison.selected_a == 3


def test_cells_that_only_one_of_them_could_find_are_no_difference(ctx: Any, panel: CellSegPanel) -> None:
    show(ctx, 10, 12, 14)
    ctx.actions.compare.keep()
    show(ctx, 10, 12, rows=80)
    compared(ctx, panel)
    assert "Where both looked: 2 of A, 2 of B" in ctx.ui.texts
    assert "Only in A: 0" in ctx.ui.texts


def test_views_are_chosen_and_blinking_has_its_pace(ctx: Any, panel: CellSegPanel) -> None:
    show(ctx, 10)
    ctx.actions.compare.keep()
    ctx.ui.press("Swipe A | B")
    ctx.draw(panel)
    assert ctx.document.comparison.divided
    assert "Blink every" not in ctx.ui.controls
    ctx.ui.press("Blink A, B")
    ctx.draw(panel)
    ctx.ui.enter("Blink every", 1.5)
    ctx.draw(panel)
    assert ctx.actions.compare.blink_s == 1.5


def test_swap_and_let_go(ctx: Any, panel: CellSegPanel) -> None:
    show(ctx, 10, 10)
    ctx.actions.compare.keep()
    show(ctx, 10)
    ctx.draw(panel)
    ctx.ui.press("Swap")
    ctx.draw(panel)
    assert (ctx.document.overlay.source.cells, ctx.document.comparison.kept.source.cells) == (2, 1)
    ctx.ui.press("Let go of A")
    ctx.draw(panel)
    assert ctx.document.comparison.kept is None
    assert not ctx.ui.controls["Swap"].enabled
