"""By keyboard alone: the menu, a field's list; and the cells of a run under way under the pointer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.e2e.window import Probe, StudioWindow
from tests.e2e.xserver import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SIZE = (1280, 1000)


def labels(probe: Probe, panel: str) -> set[str]:
    return {control["label"] for control in probe["controls"] if control["panel"] == panel}


def test_menu_and_list_by_keyboard_and_cells_of_a_run_by_mouse(
    screen: Screen, sample_slide: Path, tmp_path: Path
) -> None:
    with StudioWindow(screen, tmp_path, "--cellpose", sample_slide, size=SIZE) as window:
        window.wait_sharp()
        menu_by_keyboard(window)
        list_by_keyboard(window)
        cells_of_a_run(window)


def menu_by_keyboard(window: StudioWindow) -> None:
    window.key("F10")
    window.wait("the first menu", lambda p: "Open recent" in labels(p, "menu"))
    window.key("Right")
    window.wait("the next one", lambda p: "Minimap" in labels(p, "menu") and "Open recent" not in labels(p, "menu"))
    window.key("Left", "Escape")
    window.wait("none", lambda p: "Open recent" not in labels(p, "menu"))
    # Help is the last one: Left of the first.
    window.key("Alt_L")
    window.wait("the first menu", lambda p: "Open recent" in labels(p, "menu"))
    window.key("Left", "Return")
    window.wait("the page of keys", lambda p: "Close" in labels(p, "dialog"))
    window.key("Escape")
    window.wait("no dialog", lambda p: not labels(p, "dialog"))


def list_by_keyboard(window: StudioWindow) -> None:
    window.click("Settings", "sidebar")
    window.control("Theme", "settings")
    field, before = {"panel": "settings", "label": "Theme"}, None
    while before != field:
        window.key("Tab")
        before = window.wait("the next control", lambda p, last=before: p["focus"] not in (None, last))["focus"]
    window.key("space")
    window.wait("its list", lambda p: {"Dark", "Light"} <= labels(p, "settings"))
    window.key("End", "Return")
    window.wait("the last of it", lambda p: value(p, "Theme", "settings") == "Light")
    window.key("Up")
    window.wait("the one before", lambda p: value(p, "Theme", "settings") == "Dark")
    window.key("Escape")
    window.click("Cell Segmentation", "sidebar")


def cells_of_a_run(window: StudioWindow) -> None:
    window.click("Segment", "cellseg")
    probe = window.wait("cells", lambda p: p["overlay"] and p["overlay"]["cells"] > 50, timeout_s=300)
    assert probe["overlay"]["source"] == "live"
    window.click("Pause", "cellseg")
    window.wait("no run", lambda p: not any(job["state"] == "running" for job in p["jobs"]), timeout_s=60)
    x, y = a_cell(window)
    window.move_to(x, y)
    hovered = window.wait("its card", lambda p: p["overlay"]["hovered"])["overlay"]["hovered"]
    assert "Area" in str(hovered["measures"])
    window.click_at(x, y)
    probe = window.wait("it to be selected", lambda p: p["overlay"]["selected"])
    assert probe["overlay"]["source"] == "live"
    # It stays selected while further blocks come, and in the result, under its number there.
    window.click("Resume", "cellseg")
    probe = window.wait("the result", lambda p: p["overlay"] and p["overlay"]["source"] == "run", timeout_s=600)
    probe = window.wait("the same cell", lambda p: p["overlay"]["selected"])
    assert 1 <= probe["overlay"]["selected"] <= probe["overlay"]["cells"]


def value(probe: Probe, label: str, panel: str) -> object:
    return next((c["value"] for c in probe["controls"] if (c["panel"], c["label"]) == (panel, label)), None)


def a_cell(window: StudioWindow) -> tuple[float, float]:
    """A point of the window inside a cell: the middle of a patch of its colour."""
    window.wait_sharp()
    picture = window.still_picture().astype(int)
    left, top, width, height = (round(value) for value in window.probe()["view"]["area"])
    part = picture[top + 60 : top + height - 120, left + 60 : left + width - 220]
    cyan = (part[..., 0] < 90) & (part[..., 1] > 150) & (part[..., 2] > 150)
    inside = cyan[1:-1, 1:-1] & cyan[:-2, 1:-1] & cyan[2:, 1:-1] & cyan[1:-1, :-2] & cyan[1:-1, 2:]
    rows, cols = np.nonzero(inside)
    assert len(rows), "cells are on the screen"
    k = len(rows) // 2
    return left + 61 + int(cols[k]), top + 61 + int(rows[k])
