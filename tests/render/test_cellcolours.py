"""Cells by colour of their own: by number, by value, by probability, and the one that is marked; against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.cellseg.cellvalues import NO_VALUE, ROW, CellValues, laid_out
from studio.document import COLORMAPS, FILL_BY_CELL
from studio.render import cellcolours, overlaylayer
from studio.render.cellcolours import MARK_RGB, NONE_RGB
from studio.render.colormaps import PROBABILITY_MAP, colormap
from tests.render.pictures import Stage, cell_labels, flat_slide, nearest, source_of
from tests.render.test_scene_overlay import assert_close, labels_in_view

PAPER = 160


def laid(staged: Stage, labels: np.ndarray, **more: Any) -> Any:
    source = source_of(labels, **more)
    staged.show(flat_slide(1400, 1400, PAPER, PAPER, PAPER))
    staged.overlay(source)
    return source


def by_number(labels: np.ndarray) -> np.ndarray:
    """RGB of labels by the golden ratio."""
    spread = labels.astype(np.uint32) * np.uint32(2654435769)
    hue = (spread >> 8).astype(np.float64) / 2**24
    shade = 1 - 0.2 * ((spread >> 4) % 3)
    sixths = ((hue[..., None] + np.array([0, 2, 1]) / 3) % 1) * 6
    rgb = np.clip(np.abs(sixths - 3) - 1, 0, 1)
    return (0.2 + 0.8 * rgb) * shade[..., None] * 255


@pytest.mark.parametrize(("alpha", "black"), [(1.0, False), (0.4, True)])
def test_each_cell_has_a_colour_of_its_own(staged: Stage, alpha: float, black: bool) -> None:
    source = laid(staged, cell_labels(1400, 1400, radius=14))
    staged.look(700.13, 600.17, 0.7, mask=True, alpha=alpha, black_bg=black, fill=FILL_BY_CELL)
    labels = labels_in_view(source, staged)
    under = PAPER * (1 - alpha) if black else PAPER
    wanted = np.where((labels > 0)[..., None], PAPER * (1 - alpha) + by_number(labels) * alpha, under)
    assert_close(staged.sharp(), wanted)


def test_touching_cells_look_different() -> None:
    """Numbers that follow each other are the rule for neighbours in a row; a row of cells apart for those below."""
    numbers = np.arange(1, 4000)
    colours = by_number(numbers)
    for apart in (1, 2, 3):
        assert np.abs(colours[apart:] - colours[:-apart]).max(axis=1).min() > 40


@pytest.mark.parametrize("name", COLORMAPS)
def test_cells_by_value(staged: Stage, name: str) -> None:
    labels = cell_labels(1400, 1400, radius=14)
    # Numbers up to seven digits, beyond the first rows of the table.
    spread = np.where(labels > 0, labels * np.uint32(2357), 0).astype(np.uint32)
    source = laid(staged, spread)
    ids = np.unique(spread)[1:]
    values = np.random.default_rng(0).normal(50, 20, len(ids)).astype(np.float32)
    values[::7] = np.nan
    staged.document.values = laid_out(source, "area_um2", ids, values)
    low, high = np.percentile(values[np.isfinite(values)], (2, 98))
    assert (staged.document.values.low, staged.document.values.high) == pytest.approx((low, high))
    for limits in (None, (30.0, 60.0)):
        staged.document.style.value_range = limits
        staged.look(700.13, 600.17, 0.7, mask=True, fill="area_um2", colormap=name, alpha=0.8)
        seen = labels_in_view(source, staged)
        value = np.zeros(int(spread.max()) + 1)
        value[ids] = values
        first, last = limits or (low, high)
        at = np.clip((value[seen] - first) / (last - first), 0, 1)
        rgb = colormap(name)[np.nan_to_num(np.floor(at * 255 + 0.5)).astype(int)].astype(float)
        rgb[np.isnan(value[seen])] = np.array(NONE_RGB) * 255
        wanted = np.where((seen > 0)[..., None], PAPER * 0.2 + rgb * 0.8, PAPER)
        picture = staged.settle()
        # A value may fall on either side of the border between two of 256 colours.
        assert_close(picture, wanted, 5.0)
        assert np.abs(picture - wanted).mean() < 0.5


def test_five_million_values_are_uploaded_once_in_parts_and_looked_up_right(staged: Stage) -> None:
    many = 5_000_000
    labels = np.zeros((1400, 1400), np.uint32)
    labels[500:600, 600:800], labels[600:700, 600:800] = many, 12345
    source = laid(staged, labels)
    ids = np.arange(1, many + 1, dtype=np.uint32)
    staged.document.values = laid_out(source, "x", ids, np.arange(many, dtype=np.float32))
    staged.look(700, 600, 1.0, mask=True, fill="x")
    plain = staged.scene.update(staged.document)
    assert plain
    frames = 1
    while staged.scene._overlay.colours.arriving:
        staged.scene.update(staged.document)
        frames += 1
    assert frames >= many / ROW / cellcolours.UPLOAD_ROWS
    picture = staged.sharp()
    first, last = colormap(COLORMAPS[0])[[0, 255]].astype(int)
    assert np.abs(picture[60, 160] - last).max() <= 2
    assert np.abs(picture[180, 160] - first).max() <= 4
    assert staged.scene._overlay.colours.held_bytes == pytest.approx(4 * many, rel=0.01)


def test_values_of_other_cells_are_not_used(staged: Stage) -> None:
    labels = np.zeros((1400, 1400), np.uint32)
    labels[500:700, 600:800] = 3
    source = laid(staged, labels)
    staged.document.values = laid_out(source, "a", np.array([3], np.uint32), [1.0])
    staged.look(700, 600, 1.0, mask=True, fill="a")
    middle = staged.settle()[120, 160]
    assert np.abs(middle - colormap(COLORMAPS[0])[128].astype(int)).max() <= 4
    staged.look(700, 600, 1.0, mask=True, fill="b")
    assert staged.settle()[120, 160].tolist() == [0, 255, 255]
    staged.look(700, 600, 1.0, mask=True, fill="a")
    staged.overlay(source_of(labels))
    assert staged.settle()[120, 160].tolist() == [0, 255, 255]


def test_far_out_values_are_seen_too(staged: Stage) -> None:
    labels = cell_labels(4000, 4000, radius=8)
    source = source_of(labels)
    staged.show(flat_slide(4000, 4000, PAPER, PAPER, PAPER))
    staged.overlay(source)
    ids = np.unique(labels)[1:]
    rows = np.zeros(int(ids.max()) + 1, np.float32)
    at = np.argwhere(labels > 0)
    rows[labels[at[:, 0], at[:, 1]]] = at[:, 0]
    staged.document.values = laid_out(source, "row", ids, rows[ids])
    staged.look(2000, 2000, 16.1, mask=True, fill="row")
    picture = staged.settle().astype(float)
    high, low = picture[20:40, 60:260].mean(axis=(0, 1)), picture[200:220, 60:260].mean(axis=(0, 1))
    first, last = colormap(COLORMAPS[0])[[20, 235]].astype(float)
    assert np.linalg.norm(high - first) < np.linalg.norm(high - last)
    assert np.linalg.norm(low - last) < np.linalg.norm(low - first)


@pytest.mark.parametrize(("black", "gradxy"), [(True, False), (False, False), (True, True)])
def test_cell_probability_in_colours(staged: Stage, black: bool, gradxy: bool) -> None:
    rng = np.random.default_rng(0)
    logit = np.repeat(np.repeat(rng.normal(0, 3, (70, 70)), 20, 0), 20, 1)
    flows = np.zeros((1400, 1400, 3), np.float16)
    flows[..., 2] = logit
    flows[..., 0] = 0.6
    flows[:, :650] = 0
    # Tiles without any flow.
    flows[:512] = 0
    laid(staged, np.zeros((1400, 1400), np.uint32), flows=flows)
    staged.look(700.13, 600.17, 1.0, mask=True, cellprob=True, gradxy=gradxy, black_bg=black, alpha=0.7)
    seen = nearest(flows.astype(float), (1.0, 1.0), (0.0, 0.0), staged.document.view)
    share = np.where(seen.any(axis=2), 1 / (1 + np.exp(-seen[..., 2])), 0)[..., None]
    rgb = colormap(PROBABILITY_MAP)[np.floor(share[..., 0] * 255 + 0.5).astype(int)].astype(float)
    cover = 1.0 if black else share
    wanted = PAPER * (1 - 0.7 * cover) + 0.7 * rgb * cover
    if gradxy:
        # Down is no red at all and half of green and blue; it lies over the probability as far as it is strong.
        strength = np.abs(np.round(seen[..., :1] * 127)) / 127
        hue = np.array([0.0, 255.0, 255.0])
        wanted = wanted * (1 - 0.7 * strength) + 0.7 * strength * hue
    picture = staged.sharp()
    assert_close(picture, wanted, 8.0)
    assert np.abs(picture - wanted).mean() < 1


def test_the_marked_cell_is_outlined_and_no_other(staged: Stage) -> None:
    labels = np.zeros((1400, 1400), np.uint32)
    labels[560:640, 640:700], labels[560:640, 700:760] = 8, 9
    laid(staged, labels)
    for style in ({"mask": True}, {}, {"outline": True, "outline_px": 1.0}):
        staged.document.selected_cell = 0
        staged.look(700, 600, 1.0, **style)
        plain = staged.sharp().astype(int)
        staged.document.selected_cell = 8
        picture = staged.sharp().astype(int)
        marked = np.abs(picture - np.array(MARK_RGB) * 255).max(axis=2) <= 2
        frame = np.zeros((240, 320), np.bool_)
        frame[80:160, 100:160] = True
        frame[83:157, 103:157] = False
        assert np.array_equal(marked, frame), style
        assert np.array_equal(picture[~marked], plain[~marked])
    staged.document.selected_cell = 0
    assert np.array_equal(staged.sharp(), plain)


def test_cells_without_probabilities_are_filled_instead(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of another program have directions alone; cell probability may still be on from other cells."""
    monkeypatch.setattr(overlaylayer, "has_probability", lambda source: False)
    labels = np.ones((1400, 1400), np.uint32)
    laid(staged, labels, flows=np.full((1400, 1400, 3), 0.5, np.float16))
    staged.look(700, 600, 1.0, mask=True, gradxy=True)
    flows = staged.sharp()
    staged.look(700, 600, 1.0, mask=True, gradxy=True, cellprob=True)
    assert np.array_equal(staged.sharp(), flows)
    staged.look(700, 600, 1.0, mask=True, cellprob=True)
    assert (staged.sharp() == (0, 255, 255)).all()


@pytest.mark.parametrize(
    ("scale", "ratio", "line_px", "wide"), [(0.5, 1.0, 1.0, 3), (1.0, 2.0, 1.0, 6), (1.0, 1.0, 4.0, 5)]
)
def test_the_mark_has_its_width_on_any_zoom_and_screen_and_more_than_other_lines(
    staged: Stage, scale: float, ratio: float, line_px: float, wide: int
) -> None:
    """Also where a label has more bits than a texel."""
    labels = np.zeros((1400, 1400), np.uint32)
    labels[560:640, 640:760] = (1 << 24) + 8
    laid(staged, labels)
    staged.scene.pixel_ratio, staged.document.selected_cell = ratio, (1 << 24) + 8
    staged.document.style.outline_px = line_px
    staged.look(700, 600, scale, outline=True)
    row = staged.sharp()[120].astype(int)
    marked = np.abs(row - np.array(MARK_RGB) * 255).max(axis=1) <= 2
    assert marked.sum() == pytest.approx(2 * wide, abs=2 / scale - 2)


def test_values_shown_again_while_others_arrive_are_there(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cellcolours, "UPLOAD_ROWS", 1)
    labels = np.zeros((1400, 1400), np.uint32)
    labels[500:700, 600:800] = 9000
    source = laid(staged, labels)
    ids = np.arange(1, 9001, dtype=np.uint32)
    first, second = (laid_out(source, name, ids, np.arange(9000.0)) for name in "ab")
    staged.document.values = first
    staged.look(700, 600, 1.0, mask=True, fill="a")
    before = staged.settle()
    assert before[120, 160].tolist() != [0, 255, 255]
    staged.document.values = second
    staged.scene.update(staged.document)
    assert staged.scene._overlay.colours.arriving
    staged.document.values = first
    assert np.array_equal(staged.settle(), before)


def test_values_say_what_a_cell_has() -> None:
    source = source_of(np.zeros((10, 10), np.uint32))
    values = laid_out(source, "area_um2", np.array([1, 5, 9000], np.uint32), [4.0, np.nan, 7.0])
    assert isinstance(values, CellValues)
    assert [values.of(n) for n in (1, 5, 2, 9000, 10**6)] == [4.0, None, None, 7.0, None]
    assert values.table.shape == (3, ROW)
    assert (values.table == NO_VALUE).sum() == 3 * ROW - 2
    flat = laid_out(source, "a", np.array([1, 2], np.uint32), [3.0, 3.0])
    assert flat.low < 3 < flat.high
    empty = laid_out(source, "a", np.zeros(0, np.uint32), [])
    assert empty.low < empty.high
