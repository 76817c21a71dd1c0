"""Cells in the real window: hovering, clicking, colours by a measure; and the window's own bench."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg.madecells import write_made_cells
from studio.cellseg.result import Segmentation
from studio.slide import open_slide
from tests.e2e.window import StudioWindow
from tests.e2e.xserver import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MAGENTA = (255, 38, 191)


def test_a_cell_is_told_apart(screen: Screen, sample_slide: Path, tmp_path: Path) -> None:
    path = tmp_path / "made.zip"
    with open_slide(sample_slide) as slide:
        write_made_cells(path, 900, slide)
        with Segmentation.load(path) as made:
            points, areas = made.centroids(wsi_dim=True), made.cell_table["area_um2"]
    cell = int(np.argmin(np.hypot(*(points - (1100, 1500)).T)))
    x, y = points[cell]
    view = f"{x - 200},{y - 150},400,300"
    with StudioWindow(screen, tmp_path, "--cellpose", "--view", view, sample_slide, path, size=(1280, 1100)) as window:
        look_at(window, cell, float(areas[cell]))


def look_at(window: StudioWindow, cell: int, area_um2: float) -> None:
    """Hover, click, let go, and colour the cell that is in the middle."""
    window.wait("the cells", lambda p: p["overlay"])
    probe = window.wait_sharp()
    left, top, width, height = probe["view"]["area"]
    middle = (left + width / 2, top + height / 2)

    window.move_to(*middle)
    probe = window.wait("the cell under the pointer", lambda p: p["overlay"]["hovered"])
    assert probe["overlay"]["hovered"]["cell"] == cell + 1
    assert float(probe["overlay"]["hovered"]["measures"]["Area"].split()[0]) == pytest.approx(area_um2, abs=0.6)
    window.click_at(*middle)
    window.wait("the cell selected", lambda p: p["overlay"]["selected"] == cell + 1)
    window.move_to(left + 5, top + 5)
    picture = window.still_picture()
    marked = np.argwhere(np.abs(picture.astype(int) - MAGENTA).max(axis=2) <= 8)
    assert len(marked) > 100
    assert np.abs(marked.mean(axis=0) - middle[::-1]).max() < 12
    window.key("Escape")
    window.wait("nothing selected", lambda p: p["overlay"]["selected"] is None)
    # A press that moves the slide selects nothing.
    window.drag(middle, (middle[0] + 90, middle[1] + 20))
    assert window.wait_idle()["overlay"]["selected"] is None

    for section in ("Thresholds", "Whole-slide segmentation"):
        # Folded away: what is asked for here lies below them.
        window.click(section, "cellseg")
        window.wait("it is closed", lambda p, name=section: section_is_closed(p, name))
    window.click("Fill", "cellseg")
    window.click("Area")
    probe = window.wait("areas", lambda p: p["overlay"]["values"])
    assert probe["overlay"]["fill"] == "area_um2"
    assert probe["overlay"]["values"]["low"] < area_um2 < probe["overlay"]["values"]["high"]
    colours = {tuple(rgb) for rgb in window.still_picture()[::4, ::4].reshape(-1, 3).tolist()}
    assert (0, 255, 255) not in colours


def section_is_closed(probe: dict[str, Any], label: str) -> bool:
    return any(c["label"] == label and c["value"] is False for c in probe["controls"])


def test_bench_viewer(screen: Screen, sample_slide: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "studio", "bench", "viewer", sample_slide, "--json"]
    done = subprocess.run(
        [*command, "--cells", "0", "900", "--cycles", "4", "--size", "720x480", "--with-run"],
        env=screen.env(**{f"STUDIO_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CONFIG", "LOG", "CACHE")}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert [found["cells"] for found in said["rounds"]] == [0, 900]
    for found in said["rounds"]:
        assert 0 < found["frame_ms"]["p50"] <= found["frame_ms"]["p95"] <= found["frame_ms"]["p99"]
        assert 0 < found["jump_covered_ms"] <= found["jump_sharp_ms"]
        for key in ("bare_read_ms", "tiles_per_s", "bare_tiles_per_s", "rss_mb", "gpu_mb"):
            assert found[key] > 0
    assert said["cells"] == 900
    first, last = said["cycles"]["gl_objects"]
    assert first == last
    assert said["cycles"]["threads"][0] == said["cycles"]["threads"][1]
    assert said["cycles"]["files"][0] == said["cycles"]["files"][1]
    assert said["with_run"]["p95_ratio"] > 0
    # Nothing of it is remembered, and its run isn't offered to be gone on with.
    assert not (tmp_path / "config").exists()
    assert not (tmp_path / "cache" / "runs").exists()


def test_bench_viewer_without_a_screen(sample_slide: Path) -> None:
    command = [sys.executable, "-m", "studio", "bench", "viewer", sample_slide, "--cells", "0"]
    env = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "there is no display" in done.stderr
