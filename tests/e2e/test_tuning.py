"""Tuning as a person does it: a preview, a slider that acts at once, a view that previews itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.cellseg.tunebench import MOVES
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
        # Cells of where the slider was on its way may be there before.
        moved = window.wait(
            "other cells",
            lambda p: p["cellseg"]["thresholds"]["cellprob_threshold"] > 2 and p["cellseg"]["live_count"] and rests(p),
        )
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


def test_bench_tune_in_the_window(screen: Screen, sample_slide: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "studio", "bench", "tune", sample_slide, "--region", VIEW, "--model", "builtin"]
    done = subprocess.run(
        [*command, "--rounds", "1", "--on-screen", "720x480", "--json"],
        env=screen.env(STUDIO_CONFIG_DIR=str(tmp_path / "config"), STUDIO_LOG_DIR=str(tmp_path / "log")),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert said["cells"] > 30
    assert said["network_ms"] > 0
    assert said["steps"]["all"]["n"] == sum(len(values) for values in MOVES.values())
    for step in said["steps"].values():
        assert 0 < step["least_ms"] <= step["p50_ms"] <= step["p95_ms"] <= step["max_ms"]
        assert step["parts_ms"]["dynamics"] < step["p50_ms"]
        assert min(step["parts_ms"].values()) >= 0
        assert step["frames"] >= 1
    # Nothing of it is remembered.
    assert not (tmp_path / "config").exists()
