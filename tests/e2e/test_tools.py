"""Drawing, measuring, turning, exact zoom by mouse and keyboard in the real window; what the next start knows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.e2e.window import StudioWindow
from tests.e2e.xserver import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def slide_at(view: dict[str, Any], point: tuple[float, float]) -> tuple[float, float]:
    """The slide pixel under a point of the window while the view is upright."""
    left, top, _, _ = view["rect"]
    x, y, _, _ = view["area"]
    return left + (point[0] - x) * view["scale"], top + (point[1] - y) * view["scale"]


def middle(window: StudioWindow) -> tuple[float, float]:
    x, y, w, h = window.probe()["view"]["area"]
    return round(x + w / 2), round(y + h / 2)


def test_tools_of_the_viewer(screen: Screen, sample_slide: Path, tmp_path: Path) -> None:
    with StudioWindow(screen, tmp_path, sample_slide) as window:
        window.wait_sharp()
        look_closer(window)
        draw_and_change_a_region(window)
        measure(window)
        save_and_load_regions(window, tmp_path)
        turn(window)
        page_of_shortcuts(window)
        by_keyboard_alone(window)
        picture(window, tmp_path)
        window.key("ctrl+b")
        window.wait("a bookmark", lambda p: p["annotations"]["bookmarks"] == ["View 1"])
    with StudioWindow(screen, tmp_path, sample_slide) as window:
        window.wait("the slide and its bookmark", lambda p: p["annotations"] and p["annotations"]["bookmarks"])
        window.key("ctrl+1")
        window.wait("the bookmarked view", lambda p: p["view"]["rotation"] == 90 and abs(p["view"]["mpp"] - 1) < 1e-6)
        window.click("Settings", "sidebar")
        assert window.control("Theme", "settings")["value"] == "Light"


def close_panel(window: StudioWindow) -> None:
    window.click("Close panel", "sidebar")
    window.wait("the slide's whole area", lambda p: p["view"]["area"][0] < 100)


def look_closer(window: StudioWindow) -> None:
    window.click("10×", "view")
    window.wait("10×", lambda p: abs(p["view"]["mpp"] - 1) < 1e-9)
    window.key("ctrl+g")
    window.type_into("Screen pixel", "0.6", "dialog", commit=False)
    window.click("Go", "dialog")
    window.wait("0.6 µm", lambda p: abs(p["view"]["mpp"] - 0.6) < 1e-9)
    window.key("alt+5")
    window.wait("20×", lambda p: abs(p["view"]["mpp"] - 0.5) < 1e-9)


def draw_and_change_a_region(window: StudioWindow) -> None:
    x, y = middle(window)
    window.move_to(x, y)
    window.key("r")
    view = window.wait("the tool", lambda p: p["annotations"]["tool"] == "rectangle")["view"]
    window.drag((x - 150, y - 100), (x + 50, y + 20))
    probe = window.wait("a region", lambda p: p["annotations"]["regions"] == 1)
    left, top = slide_at(view, (x - 150, y - 100))
    scale = view["scale"]
    assert probe["annotations"]["selected"]["rect"] == pytest.approx([left, top, 200 * scale, 120 * scale], abs=1)
    assert probe["annotations"]["tool"] == ""
    assert probe["view"]["rect"] == view["rect"], "the slide stayed where it is"
    window.drag((x + 50, y + 20), (x + 90, y + 60))
    window.wait("a moved corner", lambda p: abs(p["annotations"]["selected"]["rect"][2] - 240 * scale) < 1)
    window.key("ctrl+z")
    window.wait("the old corner", lambda p: abs(p["annotations"]["selected"]["rect"][2] - 200 * scale) < 1)
    window.move_to(x, y)
    window.key("p")
    for point in ((x, y + 150), (x + 100, y + 150), (x + 100, y + 250)):
        window.click_at(*point)
    window.key("Return")
    window.wait("a polygon", lambda p: p["annotations"]["regions"] == 2)
    window.key("Delete")
    window.wait("it is gone", lambda p: p["annotations"]["regions"] == 1)


def measure(window: StudioWindow) -> None:
    x, y = middle(window)
    window.key("l")
    window.wait("the tool", lambda p: p["annotations"]["tool"] == "measure")
    window.drag((x - 60, y - 80), (x + 60, y + 80))
    scale = window.probe()["view"]["scale"]
    probe = window.wait("a line", lambda p: p["annotations"]["lines_px"])
    assert probe["annotations"]["lines_px"] == pytest.approx([math.hypot(120, 160) * scale], abs=1.5)
    window.key("Escape")
    window.wait("no line", lambda p: not p["annotations"]["lines_px"])
    window.key("Escape")
    window.wait("no tool", lambda p: p["annotations"]["tool"] == "")


def save_and_load_regions(window: StudioWindow, folder: Path) -> None:
    window.click("Annotations", "sidebar")
    window.click("Save…", "annotations")
    window.choose(folder / "regions.geojson")
    window.wait_toast("Saved 1 region")
    (feature,) = json.loads((folder / "regions.geojson").read_text(encoding="utf-8"))["features"]
    assert feature["properties"]["name"] == "Region 1"
    window.click("Load…", "annotations")
    window.choose(folder / "regions.geojson")
    window.wait("both", lambda p: p["annotations"]["regions"] == 2)
    close_panel(window)


def turn(window: StudioWindow) -> None:
    at = middle(window)
    window.move_to(*at)
    before = window.probe()["view"]["rect"]
    window.key("bracketright")
    view = window.wait("turned", lambda p: p["view"]["rotation"] == 90)["view"]
    x, y, width, height = view["rect"]
    assert (x + width / 2, y + height / 2) == pytest.approx((before[0] + before[2] / 2, before[1] + before[3] / 2))
    assert width / height == pytest.approx(before[3] / before[2], rel=0.01)
    window.key("alt+4")
    window.wait("10×", lambda p: abs(p["view"]["mpp"] - 1) < 1e-6)
    window.wait_sharp()


def page_of_shortcuts(window: StudioWindow) -> None:
    window.key("F1")
    window.control("Close", "dialog")
    window.key("F1")
    window.wait("no help", lambda p: not any(c["panel"] == "dialog" for c in p["controls"]))


def by_keyboard_alone(window: StudioWindow) -> None:
    """Light controls, without the mouse but for opening the panel."""
    window.click("Settings", "sidebar")
    assert window.control("Theme", "settings")["value"] == "Dark"
    before = None
    for _ in range(12):
        window.key("Tab")
        before = window.wait("the next control", lambda p, last=before: p["focus"] not in (None, last))["focus"]
        if before == {"panel": "settings", "label": "Theme"}:
            break
    window.key("Down")
    window.wait("light controls", lambda p: any(c["label"] == "Theme" and c["value"] == "Light" for c in p["controls"]))
    close_panel(window)


def picture(window: StudioWindow, folder: Path) -> None:
    window.move_to(*middle(window))
    window.key("ctrl+p")
    suggested = window.control("File name", "dialog")["value"]
    assert suggested.startswith("CMU-1-Small-Region-x")
    assert suggested.endswith("-10x-90deg.png")
    window.choose(folder / "view.png")
    window.wait_toast("view.png")
    with Image.open(folder / "view.png") as saved:
        pixels = np.asarray(saved)
    area = window.probe()["view"]["area"]
    assert pixels.shape[:2] == (round(area[3]), round(area[2]))
    assert (pixels == (255, 219, 51)).all(axis=2).sum() > 200, "the region is on it"
