"""Looking around: drag, wheel, keys, buttons, minimap; and what the overlay's controls do to the picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.conftest import Cells
from tests.e2e.window import StudioWindow
from tests.e2e.xserver import Screen

pytestmark = pytest.mark.e2e

SLIDE = (2220, 2967)
CELLS_AT = (1150, 1000)
"""A place of the slide with many cells."""
NOTCH = 1.25


@pytest.fixture(scope="module")
def shown(screen: Screen, sample_slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioWindow]:
    """One window on the sample for all tests of this file."""
    with StudioWindow(screen, tmp_path_factory.mktemp("window"), "--cellpose", sample_slide) as running:
        yield running


@pytest.fixture
def window(shown: StudioWindow) -> StudioWindow:
    """The window with the whole slide in view, sharp, the pointer over the slide's middle."""
    shown.wait("the slide", lambda p: p["slide"])
    shown.move_to(*middle(shown))
    shown.key("Home")
    shown.wait("a fitted slide", lambda p: fits(p["view"]))
    shown.wait_sharp()
    return shown


def fits(view: dict[str, Any]) -> bool:
    x, y, w, h = view["rect"]
    return bool(x <= 0 and y <= 0 and x + w >= SLIDE[0] and y + h >= SLIDE[1] and (w < 2400 or h < 3200))


def middle(window: StudioWindow) -> tuple[float, float]:
    """The middle of the slide's area, in window coordinates."""
    x, y, w, h = window.probe()["view"]["area"]
    return round(x + w / 2), round(y + h / 2)


def slide_at(view: dict[str, Any], point: tuple[float, float]) -> tuple[float, float]:
    """The slide pixel under a point of the window."""
    left, top, _, _ = view["rect"]
    x, y, _, _ = view["area"]
    return left + (point[0] - x) * view["scale"], top + (point[1] - y) * view["scale"]


def test_a_slide_opens_fitted(window: StudioWindow) -> None:
    view = window.probe()["view"]
    x, y, w, h = view["rect"]
    assert (x + w / 2, y + h / 2) == pytest.approx((SLIDE[0] / 2, SLIDE[1] / 2))
    assert view["mpp"] == pytest.approx(view["scale"] * 0.499)


def test_the_wheel_zooms_at_the_pointer(window: StudioWindow) -> None:
    at = (middle(window)[0] + 150, middle(window)[1] - 100)
    before = window.probe()["view"]
    window.wheel(*at, 4)
    after = window.wait("4 notches", lambda p: abs(p["view"]["scale"] * NOTCH**4 / before["scale"] - 1) < 0.01)["view"]
    assert slide_at(after, at) == pytest.approx(slide_at(before, at), abs=0.5)
    window.wait_sharp()
    window.wheel(*at, -4)
    window.wait("back", lambda p: p["view"]["rect"] == pytest.approx(before["rect"]))


def test_a_drag_takes_the_slide_along(window: StudioWindow) -> None:
    start = middle(window)
    end = (start[0] - 120, start[1] + 60)
    window.key("1")
    before = window.wait("1:1", lambda p: p["view"]["scale"] == 1)["view"]
    held = slide_at(before, start)
    window.drag(start, end)
    window.wait("the drag", lambda p: slide_at(p["view"], end) == pytest.approx(held, abs=0.5))
    window.wait_sharp()


def test_a_double_click_comes_closer(window: StudioWindow) -> None:
    at = middle(window)
    before = window.probe()["view"]
    window.double_click_at(*at)
    after = window.wait("closer", lambda p: p["view"]["scale"] == pytest.approx(before["scale"] / 2))["view"]
    assert slide_at(after, at) == pytest.approx(slide_at(before, at), abs=0.5)


def test_keys(window: StudioWindow) -> None:
    fitted = window.probe()["view"]
    window.key("plus", "plus")
    closer = window.wait("closer", lambda p: p["view"]["scale"] == pytest.approx(fitted["scale"] / NOTCH**2))["view"]
    window.key("minus")
    window.wait("one step back", lambda p: p["view"]["scale"] == pytest.approx(fitted["scale"] / NOTCH))
    for key, axis, sign in (("Right", 0, 1), ("Left", 0, -1), ("Down", 1, 1), ("Up", 1, -1)):
        before = window.probe()["view"]["rect"][axis]
        window.key(key)
        window.wait(key, lambda p, a=axis, s=sign, b=before: (p["view"]["rect"][a] - b) * s > 1)
    assert closer["rect"] != window.probe()["view"]["rect"]
    window.key("1")
    window.wait("1:1", lambda p: p["view"]["scale"] == 1)
    window.key("0")
    window.wait("fitted", lambda p: fits(p["view"]))


def test_keys_typed_into_a_field_dont_move_the_view(window: StudioWindow) -> None:
    before = window.probe()["view"]["rect"]
    window.type_into("Diameter", "11", "cellseg")
    window.wait("the diameter", lambda p: p["cellseg"]["diam_um"] == 11)
    assert window.probe()["view"]["rect"] == before
    window.click("Defaults", "cellseg") if window.state("Defaults", "cellseg") else None


@pytest.mark.parametrize(("button", "scale"), [("1:1", 1.0), ("Fit", None)])
def test_buttons_over_the_slide(button: str, scale: float | None, window: StudioWindow) -> None:
    window.wheel(*middle(window), 2)
    window.click(button, "view")
    if scale is None:
        window.wait("fitted", lambda p: fits(p["view"]))
    else:
        window.wait("the scale", lambda p: p["view"]["scale"] == scale)


def test_the_minimap_is_clicked_and_dragged(window: StudioWindow) -> None:
    window.key("1")
    window.wait("1:1", lambda p: p["view"]["scale"] == 1)
    x, y, w, h = window.control("Minimap", "view")["rect"]
    window.click_at(x + w / 4, y + h / 4)
    window.wait("a quarter in", lambda p: near(p["view"], (SLIDE[0] / 4, SLIDE[1] / 4)))
    window.drag((x + w / 4, y + h / 4), (x + w / 2, y + 3 * h / 4))
    window.wait("further down", lambda p: near(p["view"], (SLIDE[0] / 2, 3 * SLIDE[1] / 4)))
    window.wait_sharp()


def near(view: dict[str, Any], point: tuple[float, float]) -> bool:
    x, y, w, h = view["rect"]
    return abs(x + w / 2 - point[0]) < SLIDE[0] / 20 and abs(y + h / 2 - point[1]) < SLIDE[1] / 20


def test_fullscreen_and_back(window: StudioWindow) -> None:
    size = window.probe()["window"]["size"]
    window.key("F11")
    window.wait("fullscreen", lambda p: p["window"]["size"] == [1600, 1200])
    window.key("Escape")
    window.wait("a window again", lambda p: p["window"]["size"] == size)
    window.wait_sharp()


def test_help_opens_and_closes(window: StudioWindow) -> None:
    before = window.still_picture()
    window.key("F1")
    window.wait("the page of shortcuts", lambda p: any(c["panel"] == "dialog" for c in p["controls"]))
    assert np.abs(window.still_picture().astype(int) - before).mean() > 1
    window.key("Escape")
    window.wait("no page", lambda p: not any(c["panel"] == "dialog" for c in p["controls"]))


@pytest.fixture
def cells(window: StudioWindow, sample_cells: Cells) -> StudioWindow:
    """The window close to a place with many cells, the controls as they begin."""
    overlay = window.probe()["overlay"]
    if not overlay or overlay["source"] != str(sample_cells.path):
        window.drop(sample_cells.path)
        window.wait("cells", lambda p: p["overlay"] and p["overlay"]["cells"] == sample_cells.count)
    window.click("Reset", "cellseg")
    window.key("1")
    window.wait("1:1", lambda p: p["view"]["scale"] == 1)
    x, y, w, h = window.control("Minimap", "view")["rect"]
    window.click_at(x + w * CELLS_AT[0] / SLIDE[0], y + h * CELLS_AT[1] / SLIDE[1])
    window.wait("the place", lambda p: near(p["view"], CELLS_AT))
    window.move_to(*middle(window))
    window.wait_sharp()
    return window


def slide_part(window: StudioWindow) -> NDArray[np.int16]:
    """The middle of the slide's area as it is on the screen, away from what floats at its edges."""
    x, y, w, h = (round(v) for v in window.probe()["view"]["area"])
    picture = window.still_picture()[y : y + h, x : x + w]
    return picture[h // 4 : -h // 4, w // 4 : -w // 4].astype(np.int16)


def share(picture: NDArray[np.int16], color: tuple[int, int, int]) -> float:
    """Share of pixels of about a colour."""
    return float((np.abs(picture - np.array(color)).max(-1) < 30).mean())


CYAN, BLACK, YELLOW, GREEN = (0, 255, 255), (0, 0, 0), (255, 230, 0), (0, 230, 51)


def test_masks_are_cyan_on_black(cells: StudioWindow) -> None:
    picture = slide_part(cells)
    assert share(picture, CYAN) + share(picture, BLACK) > 0.95
    assert 0.02 < share(picture, CYAN) < 0.8


def test_without_black_bg_the_slide_is_under_the_masks(cells: StudioWindow) -> None:
    cyan = share(slide_part(cells), CYAN)
    cells.click("Black BG", "cellseg")
    cells.wait("no black", lambda p: not p["overlay"]["black_bg"])
    picture = slide_part(cells)
    assert share(picture, BLACK) < 0.02
    assert share(picture, CYAN) == pytest.approx(cyan, abs=0.05)


def test_outlines_leave_the_slide_visible(cells: StudioWindow) -> None:
    masks = share(slide_part(cells), CYAN)
    cells.click("Outline", "cellseg")
    cells.wait("outlines", lambda p: p["overlay"]["layers"] == ["outline"])
    picture = slide_part(cells)
    assert share(picture, BLACK) < 0.02
    assert share(picture, CYAN) < 0.001
    assert 0.002 < share(picture, YELLOW) < masks


def test_centroids_are_green_dots(cells: StudioWindow) -> None:
    assert share(slide_part(cells), GREEN) < 0.0005
    cells.click("Centroid", "cellseg")
    cells.wait("dots", lambda p: "centroid" in p["overlay"]["layers"])
    assert share(slide_part(cells), GREEN) > 0.001


def test_gradxy_is_colourful(cells: StudioWindow) -> None:
    masks = slide_part(cells)
    cells.click("gradXY", "cellseg")
    cells.wait("gradXY", lambda p: "gradxy" in p["overlay"]["layers"])
    picture = slide_part(cells)
    assert np.abs(picture - masks).mean() > 2
    # Directions lie all around the circle of hues: each of the primary ones comes up.
    strongest = picture.argmax(-1)[picture.max(-1) - picture.min(-1) > 80]
    assert {0, 1, 2} <= set(strongest.tolist())


def test_alpha_fades_the_overlay_into_the_slide(cells: StudioWindow) -> None:
    x, y, w, h = cells.control("Alpha", "cellseg")["rect"]
    full = slide_part(cells)
    cells.drag((x + 0.9 * w, y + h / 2), (x - 40, y + h / 2))
    cells.wait("alpha 0", lambda p: p["overlay"]["alpha"] == 0)
    cells.move_to(*middle(cells))
    bare = slide_part(cells)
    assert share(bare, CYAN) < 0.001
    assert share(bare, BLACK) < 0.02
    assert np.abs(full - bare).mean() > 40
    cells.click("Reset", "cellseg")
    cells.wait("reset", lambda p: p["overlay"]["alpha"] == 1 and p["overlay"]["layers"] == ["mask"])
    cells.move_to(*middle(cells))
    np.testing.assert_array_equal(slide_part(cells), full)


@pytest.mark.parametrize(("key", "layer"), [("m", "mask"), ("c", "centroid"), ("o", "outline"), ("g", "gradxy")])
def test_keys_of_the_layers(key: str, layer: str, cells: StudioWindow) -> None:
    before = layer in cells.probe()["overlay"]["layers"]
    cells.key(key)
    cells.wait(layer, lambda p: (layer in p["overlay"]["layers"]) != before)


def test_close_takes_slide_and_cells_away(cells: StudioWindow, sample_slide: Path) -> None:
    cells.key("ctrl+w")
    cells.wait("nothing open", lambda p: p["slide"] is None and p["overlay"] is None)
    cells.drop(sample_slide)
    cells.wait("the slide again", lambda p: p["slide"])
