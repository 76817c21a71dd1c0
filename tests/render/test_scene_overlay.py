"""Cells on the screen, in every style, against the same picture computed with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.cellseg.memory import ArraySource
from studio.document import OverlayStyle
from studio.render import points as points_module
from studio.render.colormaps import PROBABILITY_MAP, colormap
from tests.render.pictures import (
    FILL,
    GREEN,
    LINE,
    PAPER,
    Stage,
    assert_close,
    cell_labels,
    flat_slide,
    gray_slide,
    labels_in_view,
    nearest,
    positions,
    slide_of,
    source_of,
)

LINE_PX = OverlayStyle().outline_px


def mixed(under: np.ndarray, over: np.ndarray, alpha: float, where: np.ndarray) -> np.ndarray:
    return np.where(where[..., None], under * (1 - alpha) + over * alpha, under)


@pytest.mark.parametrize(("alpha", "black"), [(0.0, True), (0.35, False), (0.35, True), (1.0, True)])
@pytest.mark.parametrize(
    ("x", "y", "scale", "level"),
    [(700.13, 600.17, 1.0, 0), (700.13, 600.17, 0.11, 0), (80.13, 50.17, 1.2, 0), (700.13, 700.17, 4.1, 2)],
)
def test_fill_is_blended_over_the_slide(
    staged: Stage, alpha: float, black: bool, x: float, y: float, scale: float, level: int
) -> None:
    slide, source = slide_of(1400, 1400), source_of(cell_labels(1100, 1000), (1.25, 1.2), (3.3, 4.4))
    staged.show(slide)
    staged.look(x, y, scale)
    under = staged.sharp().astype(float)
    staged.overlay(source)
    staged.look(x, y, scale, mask=True, alpha=alpha, black_bg=black)
    labels = labels_in_view(source, staged, level)
    px, py = positions(staged.document.view)
    covered = ((py >= 4.4) & (py < 4.4 + 1100 * 1.2))[:, None] & ((px >= 3.3) & (px < 3.3 + 1000 * 1.25))[None]
    wanted = mixed(under, np.zeros(3), alpha, covered) if black else under
    wanted = np.where((covered & (labels > 0))[..., None], under * (1 - alpha) + FILL * alpha, wanted)
    assert_close(staged.sharp(), wanted)
    assert (labels[covered] > 0).any()


@pytest.mark.parametrize("style", [{"mask": True}, {"outline": True}, {"mask": True, "black_bg": True, "alpha": 0.6}])
def test_from_far_away_cells_are_shown_by_how_much_they_cover(staged: Stage, style: dict[str, Any]) -> None:
    """Not as whichever pixels were sampled; in the mean, nothing gets lighter or darker."""
    labels = cell_labels(4000, 4000, radius=8)
    labels[:, 2000:] = 0
    source = source_of(labels)
    staged.show(flat_slide(4000, 4000, PAPER, PAPER, PAPER))
    staged.overlay(source)
    staged.look(2000, 2000, 16.1, **style)
    picture = staged.sharp().astype(float)
    x, y = positions(staged.document.view)
    left = picture[(y > 100) & (y < 3900)][:, (x > 100) & (x < 1900)]
    right = picture[(y > 100) & (y < 3900)][:, (x > 2100) & (x < 3900)]
    alpha, share = style.get("alpha", 1.0), (labels[:, :2000] > 0).mean()
    under = PAPER * (1 - alpha) if style.get("black_bg") else PAPER
    over = PAPER * (1 - alpha) + (FILL if style.get("mask") else LINE) * alpha
    assert left.mean(axis=(0, 1)) == pytest.approx(under + (over - under) * share, abs=4)
    assert np.abs(right - under).max() <= 2
    sampled = np.where((labels[::16, ::16] > 0)[6:240, 6:118, None], over, under)
    assert left.std(axis=(0, 1)).max() < 0.5 * sampled.std(axis=(0, 1)).max()


@pytest.mark.parametrize("black", [False, True])
@pytest.mark.parametrize("layer", ["gradxy", "cellprob"])
def test_from_far_away_flows_are_means(staged: Stage, layer: str, black: bool) -> None:
    """Not whichever pixels were sampled: gray where flows of one strength go in all directions."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, (500, 500))
    flow = np.stack([0.8 * np.sin(angle), 0.8 * np.cos(angle), 2.0 * np.sign(angle - np.pi)], axis=-1)
    flows = np.tile(flow.astype(np.float16), (8, 8, 1))
    flows[:, 2000:3000] = 0
    staged.show(flat_slide(4000, 4000, PAPER, PAPER, PAPER))
    staged.overlay(source_of(np.zeros((4000, 4000), np.uint32), flows=flows))
    staged.look(2000, 2000, 16.1, black_bg=black, **{layer: True})
    picture = staged.sharp().astype(float)
    x, _ = positions(staged.document.view)
    bare, busy = picture[20:220, (x > 2100) & (x < 2900)], picture[20:220, (x > 3100) & (x < 3900)]
    under = 0.0 if black else PAPER
    share = 0.8 if layer == "gradxy" else 0.5
    over = 0.5 * 0.8 * 255 if layer == "gradxy" else colormap(PROBABILITY_MAP)[128] * (1.0 if black else share)
    # The map begins with a trace of blue.
    assert np.abs(bare - under).max() <= 4
    assert busy.mean(axis=(0, 1)) == pytest.approx(np.zeros(3) + under * (1 - share) + over, abs=8)
    assert busy.std(axis=(0, 1)).max() < 40


def border_distance(source: ArraySource, staged: Stage, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Screen pixels from each pixel of the picture to the nearest other label, and the label under it."""
    view, step = staged.document.view, 1 << level
    labels = np.pad(source.labels[::step, ::step], 1)
    x, y = (position / step for position in positions(view))
    col, row = np.floor(x).astype(int), np.floor(y).astype(int)
    here = labels[row + 1][:, col + 1]
    away = np.full(here.shape, np.inf)
    reach = 8
    padded = np.pad(labels, reach, mode="edge")
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            other = padded[row + 1 + reach + dy][:, col + 1 + reach + dx]
            # The nearest point of that texel.
            near_y = np.clip(y, row + dy, row + dy + 1) - y
            near_x = np.clip(x, col + dx, col + dx + 1) - x
            distance = np.hypot(near_y[:, None], near_x[None])
            away = np.where(other != here, np.minimum(away, distance), away)
    return away * step / view.scale, here


@pytest.mark.parametrize(
    ("scale", "width"), [(1.0, 1.75), (0.71, 3.0), (0.29, 1.75), (0.13, 4.0), (1.6, 5.0), (2.7, 2)]
)
def test_outlines_run_inside_cells_along_their_borders(staged: Stage, scale: float, width: float) -> None:
    """As wide as asked for to half a texel, whatever the zoom."""
    source = source_of(cell_labels(1400, 1400, radius=14))
    staged.show(gray_slide())
    staged.overlay(source)
    staged.document.style.outline_px, staged.document.style.outline_rgb = width, (0.0, 0.2, 1.0)
    staged.look(700.13, 600.17, scale, outline=True)
    level = 1 if scale == 2.7 else 0
    away, labels = border_distance(source, staged, level)
    texel = (1 << level) / scale
    picture = staged.sharp().astype(float)
    line = np.abs(picture - (0, 51, 255)).max(axis=2) <= 2
    bare = np.abs(picture - PAPER).max(axis=2) <= 2
    assert (line | bare).all()
    assert not line[labels == 0].any()
    slack = 0.75 * texel
    if width < texel:
        # Within a texel the line is exact: a square around each place reaches another label.
        slack = 0.0
        assert line[(labels > 0) & (away < width * 0.99)].all()
        assert bare[away > width * 1.42].all()
    assert line[(labels > 0) & (away < width - slack)].all()
    assert bare[away > width * 1.42 + slack].all()
    assert 0.01 < line.mean() < 0.8


def test_touching_cells_have_a_line_between_them_and_parts_of_one_cell_none(staged: Stage) -> None:
    """Also where two tiles meet, at 512."""
    labels = np.zeros((600, 1100), np.uint32)
    labels[200:300, 480:512] = 1
    labels[200:300, 512:545] = 2
    labels[480:540, 480:545] = 3
    staged.show(gray_slide())
    staged.overlay(source_of(labels))
    staged.look(512.01, 250.01, 0.25, outline=True)
    row = staged.sharp()[120]
    lines = np.abs(row - LINE).max(axis=1) <= 2
    # 160 is x = 512; a line on either side of it.
    assert np.flatnonzero(lines)[[0, -1]].tolist() == pytest.approx(
        [(480 - 512) * 4 + 160, (545 - 512) * 4 + 159], abs=1
    )
    assert lines[158:162].sum() == pytest.approx(2 * LINE_PX, abs=1)
    assert not lines[60:150].any()
    staged.look(512.01, 512.01, 0.25, outline=True)
    picture = staged.sharp()
    lines = np.abs(picture - LINE).max(axis=2) <= 2
    assert not lines[20:220, 60:260].any()


def test_mask_and_outline_together(staged: Stage) -> None:
    source = source_of(cell_labels(1400, 1400, radius=14))
    staged.show(gray_slide())
    staged.overlay(source)
    staged.look(700.13, 600.17, 0.3, outline=True)
    lines = np.abs(staged.sharp() - LINE).max(axis=2) <= 2
    staged.look(700.13, 600.17, 0.3, mask=True, outline=True, alpha=0.5, black_bg=True)
    labels = labels_in_view(source, staged)
    wanted = np.full((240, 320, 3), PAPER / 2)
    wanted[labels > 0] = PAPER / 2 + FILL / 2
    wanted[lines] = PAPER / 2 + LINE / 2
    assert_close(staged.sharp(), wanted)


def flow_colours(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """RGB of a flow (…, 2: dY, dX) by the HSV wheel with red up, and its strength."""
    strength = np.hypot(flow[..., 0], flow[..., 1])
    angle = np.arctan2(-flow[..., 1], -flow[..., 0])
    shades = [np.clip(0.5 + np.cos(angle + turn), 0, 1) for turn in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    return np.stack(shades, axis=-1) * 255, np.minimum(strength, 1.0)


@pytest.mark.parametrize("black", [False, True])
@pytest.mark.parametrize("alpha", [0.4, 1.0])
def test_gradxy_shows_direction_as_hue_and_strength_as_brightness(staged: Stage, black: bool, alpha: float) -> None:
    y, x = np.mgrid[:400, :400] - 199.5
    away = np.hypot(y, x)
    flow = np.zeros((400, 400, 3), np.float16)
    flow[..., 0], flow[..., 1] = y / away * np.minimum(away / 150, 1), x / away * np.minimum(away / 150, 1)
    flow[away > 190] = 0
    source = source_of((away < 190).astype(np.uint32), at=(500.0, 500.0), flows=flow)
    staged.show(gray_slide())
    staged.overlay(source)
    staged.look(700.13, 700.17, 1.7, gradxy=True, mask=True, black_bg=black, alpha=alpha)
    px, py = positions(staged.document.view)
    covered = ((py >= 500) & (py < 900))[:, None] & ((px >= 500) & (px < 900))[None]
    seen = nearest(flow.astype(float), (1.0, 1.0), (500.0, 500.0), staged.document.view)
    colours, strength = flow_colours(seen[..., :2])
    weight = alpha * (1.0 if black else strength[..., None])
    wanted = np.where(covered[..., None], PAPER * (1 - weight) + alpha * colours * strength[..., None], PAPER)
    picture = staged.sharp()
    assert_close(picture, wanted, 3.0)
    if black and alpha == 1.0:
        # Red is up, and Cellpose's order of colours goes on from there.
        up, right_down, left_down = picture[40, 160], picture[155, 230], picture[155, 90]
        assert up.argmax() == 0
        assert right_down.argmax() == 1
        assert left_down.argmax() == 2


def test_outlines_over_gradxy_leave_the_fill_out(staged: Stage) -> None:
    labels = np.zeros((1400, 1400), np.uint32)
    labels[560:640, 640:760] = 1
    flows = np.zeros((1400, 1400, 3), np.float16)
    flows[labels > 0] = (-1.0, 0.0, 3.0)
    staged.show(gray_slide())
    staged.overlay(source_of(labels, flows=flows))
    staged.look(700, 600, 1.0, mask=True, outline=True, gradxy=True, black_bg=True)
    picture = staged.sharp()
    red = (picture == (255, 0, 0)).all(axis=2)
    line = np.abs(picture - LINE).max(axis=2) <= 2
    assert red[84:156, 104:216].all()
    assert line[80, 100:220].all()
    assert (picture[~red & ~line] == 0).all()


def test_gradxy_without_flows_shows_the_mask_instead(staged: Stage) -> None:
    source = source_of(cell_labels(1400, 1400))
    staged.show(gray_slide())
    staged.overlay(source)
    staged.look(700.13, 600.17, 1.0, mask=True)
    mask = staged.sharp()
    staged.look(700.13, 600.17, 1.0, mask=True, gradxy=True)
    assert np.array_equal(staged.sharp(), mask)
    staged.look(700.13, 600.17, 1.0, gradxy=True, black_bg=True)
    assert (staged.sharp() == PAPER).all()


def test_centroids_are_dots_where_the_cells_are(staged: Stage) -> None:
    centroids = np.array([[600.0, 700.0], [620.5, 660.25], [500.0, 100.0], [560.0, 760.0]])
    source = source_of(np.zeros((1400, 1400), np.uint32), centroids=centroids)
    staged.show(gray_slide())
    staged.overlay(source)
    staged.look(700.13, 600.17, 0.5, centroid=True)
    picture = staged.sharp()
    dots = np.abs(picture - GREEN).max(axis=2) <= 2
    px, py = positions(staged.document.view)
    away = np.full(dots.shape, np.inf)
    for row, col in centroids + 0.5:
        away = np.minimum(away, np.hypot(py[:, None] - row, px[None, :] - col) * 2)
    assert dots[away < points_module.RADIUS_PX - 0.6].all()
    assert (np.abs(picture.astype(int) - PAPER).max(axis=2) <= 2)[away > points_module.RADIUS_PX + 0.6].all()
    assert 3 * 16 < dots.sum() < 3 * 32
    staged.look(700.13, 600.17, 0.5, centroid=True, alpha=0.5)
    half = staged.sharp()
    inside = away < points_module.RADIUS_PX - 0.6
    assert_close(half[inside][None], np.broadcast_to(PAPER / 2 + GREEN / 2, (1, inside.sum(), 3)))


def test_a_million_centroids_far_out_are_a_map_of_density(staged: Stage) -> None:
    """Where there are twice as many, it is greener; where there are none, it is bare; close up, there are dots."""
    rng = np.random.default_rng(0)
    left, right = rng.uniform((0, 0), (14000, 4000), (200_000, 2)), rng.uniform((0, 9000), (14000, 14000), (60_000, 2))
    source = source_of(np.zeros((140, 140), np.uint32), (100.0, 100.0))
    source._centroids = np.concatenate([left, right]) / 100 - 0.5
    staged.show(flat_slide(14000, 14000, PAPER, PAPER, PAPER, PAPER, PAPER))
    staged.overlay(source)
    staged.look(7000, 7000, 60.0, centroid=True)
    picture = staged.sharp().astype(float)
    x, y = positions(staged.document.view)
    rows = (y > 1000) & (y < 13000)

    def green(low: float, high: float) -> float:
        columns = picture[rows][:, (x > low) & (x < high)]
        return float((PAPER - columns[..., 0]).mean() / PAPER)

    assert green(500, 3500) > 1.3 * green(9500, 13500) > 0.2
    assert green(5000, 8000) == pytest.approx(0, abs=0.02)
    # No noise: the eye sees even colour where cells lie evenly.
    assert picture[rows][:, (x > 500) & (x < 3500), 0].std() < 25
    staged.look(7000, 7000, 60.0, centroid=True, alpha=0.5)
    on_slide = np.ix_(rows, (x > 500) & (x < 13500))
    assert_close(staged.sharp()[on_slide], (picture[on_slide] + PAPER) / 2)
    staged.look(2000, 7000, 1.0, centroid=True)
    close = staged.sharp()
    dots = np.abs(close - GREEN).max(axis=2) <= 2
    shown = ((np.abs(left - (7000, 2000)) < (115, 155)).all(axis=1)).sum()
    assert dots.sum() == pytest.approx(shown * 25, rel=0.4)


def test_only_dots_in_view_are_drawn(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    real = points_module.GL.glMultiDrawArrays

    def counting(mode: int, firsts: Any, counts: Any, number: int) -> None:
        drawn.append(sum(counts))
        real(mode, firsts, counts, number)

    monkeypatch.setattr(points_module.GL, "glMultiDrawArrays", counting)
    source = source_of(np.zeros((140, 140), np.uint32), (100.0, 100.0))
    source._centroids = np.random.default_rng(0).uniform(0, 140, (100_000, 2))
    staged.show(flat_slide(14000, 14000, PAPER, PAPER, PAPER))
    staged.overlay(source)
    staged.look(7000, 7000, 1.0, centroid=True)
    staged.sharp()
    assert 0 < drawn[-1] < 8_000


def test_the_black_background_reaches_as_far_as_the_masks_do(staged: Stage) -> None:
    """A preview blackens what it looked at, not the rest of the slide."""
    source = source_of(np.zeros((90, 110), np.uint32), at=(650.0, 550.0))
    staged.show(gray_slide())
    staged.overlay(source)
    staged.look(700, 600, 1.0, mask=True, black_bg=True, centroid=True)
    picture = staged.sharp()
    x, y = positions(staged.document.view)
    black = ((y > 550) & (y < 640))[:, None] & ((x > 650) & (x < 760))[None]
    assert (picture[black] == 0).all()
    assert (picture[~black] == PAPER).all()


def test_line_and_dot_size_follow_the_screen(staged: Stage) -> None:
    labels = np.zeros((1400, 1400), np.uint32)
    labels[560:640, 660:740] = 1
    source = source_of(labels, centroids=np.array([[599.5, 699.5]]))
    staged.show(gray_slide())
    staged.overlay(source)
    for ratio in (1.0, 2.0):
        staged.scene.pixel_ratio = ratio
        staged.look(700, 600, 0.4, outline=True, centroid=True)
        row = staged.sharp()[120]
        assert (np.abs(row - LINE).max(axis=1) <= 2).sum() == pytest.approx(2 * LINE_PX * ratio, abs=2)
        assert (np.abs(row - GREEN).max(axis=1) <= 2).sum() == pytest.approx(6 * ratio - 1, abs=1)
