"""Tuning as a person does it: a preview, a slider that acts at once, a view that previews itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.window import StudioWindow, rests
from tests.e2e.xserver import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

VIEW = "930,820,460,330"
"""A place of the sample with many cells."""


def test_thresholds_act_at_once_and_the_preview_follows_the_view(
    screen: Screen, sample_slide: Path, tmp_path: Path
) -> None:
    with StudioWindow(screen, tmp_path, "--cellpose", "--view", VIEW, sample_slide, size=(1280, 860)) as window:
        window.wait_sharp()
        window.type_into("Diameter", "9.5", "cellseg")
        window.wait("the typed diameter", lambda p: p["cellseg"]["diam_um"] == 9.5)
        window.click("Preview", "cellseg")
        first = window.wait("a preview", rests, timeout_s=180)
        cells, tiles = first["overlay"]["cells"], first["cellseg"]["network_tiles"]
        assert cells > 30
        assert tiles > 0
        assert first["cellseg"]["network_ms"] > 0
        assert first["cellseg"]["live_count"] == 0

        x, y, width, height = window.control("Cell probability", "cellseg")["rect"]
        window.drag((x + width / 2, y + height / 2), (x + 0.75 * width, y + height / 2))
        moved = window.wait("other cells", lambda p: p["cellseg"]["live_count"] > 0 and rests(p))
        assert moved["cellseg"]["thresholds"]["cellprob_threshold"] > 2
        assert 0 < moved["overlay"]["cells"] < cells
        assert moved["overlay"]["source"] == "preview"
        window.type_into("Min size value", "100000", "cellseg")
        window.wait("no cell at all", lambda p: p["overlay"]["cells"] == 0 and rests(p))
        assert not any(toast["level"] in ("warning", "error") for toast in window.probe()["toasts"])
        # Back at the usual values all is as it was, and the network has had nothing to do all the while.
        window.type_into("Min size value", "15", "cellseg")
        window.type_into("Cell probability value", "0", "cellseg")
        back = window.wait("the first cells again", lambda p: p["overlay"]["cells"] == cells and rests(p))
        assert back["cellseg"]["network_tiles"] == tiles
        assert back["cellseg"]["live_ms"] > 0
        window.wait_sharp()

        window.click("Auto-preview", "cellseg")
        window.wait("auto-preview", lambda p: p["cellseg"]["auto_preview"])
        left, top, across, down = window.probe()["view"]["area"]
        window.drag((left + 0.8 * across, top + 0.8 * down), (left + 0.1 * across, top + 0.2 * down))
        probe = window.wait("another place", lambda p: p["view"]["rect"] != first["view"]["rect"])
        probe = window.wait("its cells", lambda p: p["cellseg"]["network_tiles"] > tiles and rests(p), timeout_s=180)
        assert probe["overlay"]["cells"] > 0
        assert not any(job["state"] in ("pending", "running") for job in probe["jobs"])
