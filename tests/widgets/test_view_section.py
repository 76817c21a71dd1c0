"""How cells are drawn: fills, lines and colours as the panel sets them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry
from studio.document import COLORMAPS, FILL_BY_CELL, PLAIN_FILL, Overlay, OverlayStyle
from studio.slide import WSI
from studio.widgets.cellseg import view


class Sections:
    """The two sections alone."""

    def draw(self, ctx: Any) -> None:
        view.draw(ctx)
        view.draw_colours(ctx)


@pytest.fixture
def panel(ctx: Any, sample_slide: Any) -> Sections:
    ctx.document.set_slide(WSI(sample_slide))
    labels = np.zeros((100, 100), np.uint32)
    for cell in range(1, 6):
        labels[10 * cell : 11 * cell, :cell] = cell
    flows = np.ones((100, 100, 3), np.float16)
    ctx.document.set_overlay(
        Overlay(ArraySource(labels, MaskGeometry((100, 100), 1.0, 1.0, mpp=0.5), flows), "preview")
    )
    return Sections()


def choose(ctx: Any, panel: Sections, label: str, item: str) -> None:
    ctx.draw(panel)
    ctx.ui.enter(label, ctx.ui.controls[label].items.index(item))
    ctx.draw(panel)


def test_masks_by_cell_and_by_measure(ctx: Any, panel: Sections) -> None:
    style = ctx.document.style
    style.mask = False
    choose(ctx, panel, "Fill", "By cell")
    assert (style.fill, style.mask) == (FILL_BY_CELL, True)
    assert not ctx.ui.controls["Colours"].enabled
    assert "Lowest" not in ctx.ui.controls
    choose(ctx, panel, "Fill", "Area")
    assert style.fill == "area_um2"
    end_s = time.monotonic() + 30
    while ctx.document.values is None:
        assert time.monotonic() < end_s
        ctx.actions.update()
    choose(ctx, panel, "Colours", "Magma")
    assert style.colormap == COLORMAPS[2]
    assert ctx.ui.controls["Lowest"].value == pytest.approx(ctx.document.values.low)
    assert not ctx.ui.controls["Full contrast"].enabled
    ctx.ui.enter("Highest", 3.5)
    ctx.draw(panel)
    assert style.value_range == pytest.approx((ctx.document.values.low, 3.5))
    ctx.ui.press("Full contrast")
    ctx.draw(panel)
    assert style.value_range is None
    choose(ctx, panel, "Fill", "Cyan")
    assert style.fill == PLAIN_FILL


def test_lines(ctx: Any, panel: Sections) -> None:
    choose(ctx, panel, "Line colour", "Red")
    ctx.ui.enter("Line width", 3.0)
    ctx.draw(panel)
    style = ctx.document.style
    assert (style.outline_px, style.outline_rgb) == (3.0, view.LINE_COLOURS["Red"])
    ctx.ui.press("Reset")
    ctx.draw(panel)
    assert ctx.document.style == OverlayStyle()


def test_probability_needs_flows(ctx: Any, panel: Sections) -> None:
    ctx.ui.enter("Cell prob.", True)
    ctx.draw(panel)
    assert ctx.document.style.cellprob
    labels = np.ones((10, 10), np.uint32)
    ctx.document.set_overlay(Overlay(ArraySource(labels, MaskGeometry((10, 10), 1.0, 1.0)), "preview"))
    ctx.draw(panel)
    assert not ctx.ui.controls["Cell prob."].enabled
    assert "no flows" in ctx.ui.controls["Cell prob."].tooltip


def test_a_measure_that_other_cells_lack_comes_back_with_cells_that_have_it(ctx: Any, panel: Sections) -> None:
    ctx.document.style.fill = "flow_error"
    ctx.draw(panel)
    fill = ctx.ui.controls["Fill"]
    assert fill.items[fill.value] == "Cyan"
    assert ctx.document.style.fill == "flow_error"
