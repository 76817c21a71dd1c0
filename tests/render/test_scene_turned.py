"""A view that is turned shows the picture of the upright view, turned."""

from __future__ import annotations

import numpy as np
import pytest

from tests.render.pictures import Stage, slide_of, source_of

SIDE = 240
"""Of a square view, which has the same sides however it is turned."""


def cells(step: int = 40) -> np.ndarray:
    """Labels of many small cells, larger to the right and below, so that no turn looks like another."""
    labels = np.zeros((400, 500), np.uint32)
    for number, (y, x) in enumerate(np.ndindex(400 // step, 500 // step), start=1):
        labels[y * step : y * step + 8 + 2 * y, x * step : x * step + 8 + x] = number
    return labels


def flows() -> np.ndarray:
    rows, cols = np.indices((400, 500))
    return np.stack([np.sin(rows / 40), np.cos(cols / 30), np.full((400, 500), 3.0)], axis=2).astype(np.float16)


@pytest.mark.parametrize("style", ["slide", "mask", "outline", "gradxy", "centroid", "density"])
def test_everything_turns_alike(staged: Stage, style: str) -> None:
    """At the slide's corner, so that what lies around the slide is seen too."""
    staged.document.view.viewport = (SIDE, SIDE)
    staged.show(slide_of(400, 500))
    scale = 3.0 if style == "density" else 1.0
    staged.look(60, 80, scale)
    bare = staged.settle()[:SIDE, :SIDE].astype(int)
    if style != "slide":
        staged.overlay(source_of(cells(8 if style == "density" else 40), flows=flows()))
    on = {} if style == "slide" else {"centroid" if style == "density" else style: True}
    staged.look(60, 80, scale, **on)
    upright = staged.settle()[:SIDE, :SIDE].astype(int)
    assert style == "slide" or (np.abs(upright - bare).max(axis=2) > 20).mean() > 0.005
    for rotation in (90, 180, 270):
        staged.document.view.rotation = rotation
        back = np.rot90(staged.settle()[:SIDE, :SIDE], rotation // 90).astype(int)
        off = np.abs(back - upright).max(axis=2)
        assert (off > 3).mean() < 0.005, f"{style} at {rotation}°: {(off > 3).sum()} pixels differ"


def test_a_view_that_is_not_square(staged: Stage) -> None:
    staged.show(slide_of(1100, 1300))
    staged.look(600, 500, 1.0)
    view = staged.document.view
    view.rotation = 90
    turned = staged.settle()
    x, y, width, height = view.rect_slide
    assert (width, height) == (240, 320)
    assert staged.scene.tiles[0] == 4
    level = staged.document.slide.levels[0]  # type: ignore[union-attr]
    wanted = level[int(y) : int(y + height), int(x) : int(x + width)]
    assert np.abs(np.rot90(turned, 1).astype(int) - wanted).max() <= 2
