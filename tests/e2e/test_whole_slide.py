"""A whole slide from the panel: estimated, crashed, paused, closed, resumed, tuned, exported."""

from __future__ import annotations

import csv
from pathlib import Path

import psutil
import pytest

from studio.core.worker import BATCH_NICE
from tests.e2e.window import Probe, StudioWindow
from tests.e2e.xserver import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SIZE = (1280, 1000)


def blocks_done(probe: Probe) -> int:
    """Of the run under way."""
    runs = [job for job in probe["jobs"] if job["title"] == "Segment" and job["state"] == "running"]
    return max((job["done"] for job in runs), default=0)


def test_from_the_estimate_to_the_table(screen: Screen, sample_slide: Path, tmp_path: Path) -> None:
    with StudioWindow(screen, tmp_path, "--cellpose", sample_slide, size=SIZE) as window:
        window.wait_sharp()
        window.click("Estimate", "cellseg")
        window.wait_job("Estimate", timeout_s=300)
        window.click("Save flows", "cellseg")
        window.click("Segment", "cellseg")
        window.wait("a block done", lambda p: blocks_done(p) >= 1, timeout_s=300)
        # The process at work dies; another takes over what it has done.
        children = psutil.Process(window.pid).children(recursive=True)
        [worker] = [child for child in children if child.nice() == BATCH_NICE]
        worker.kill()
        window.wait_toast("started again")
        probe = window.wait("on again", lambda p: blocks_done(p) >= 2, timeout_s=300)
        assert "%" in probe["window"]["title"]
        window.click("Pause", "cellseg")
        window.click("Resume", "cellseg")
        probe = window.wait("on once more", lambda p: blocks_done(p) >= 2, timeout_s=300)
        done = blocks_done(probe)
        processes = [psutil.Process(window.pid), *psutil.Process(window.pid).children(recursive=True)]
        window.key("ctrl+q")
        assert window.wait_closed() == 0
        _, alive = psutil.wait_procs(processes, timeout=10)
        assert not alive
        assert "Traceback" not in window.output

    with StudioWindow(screen, tmp_path, "--cellpose", sample_slide, size=SIZE) as window:
        window.wait_toast("not finished")
        window.click("Resume", "cellseg")
        first = window.wait("the run under way", lambda p: blocks_done(p) >= 1, timeout_s=300)
        assert blocks_done(first) >= done
        probe = window.wait("its cells", lambda p: p["overlay"] and p["overlay"]["source"] == "run", timeout_s=600)
        cells = probe["overlay"]["cells"]
        assert cells > 1000
        assert "%" not in window.probe()["window"]["title"]

        # Other thresholds for all of it, without the network.
        window.type_into("Cell probability value", "2", "cellseg")
        window.click("Apply thresholds", "cellseg")
        window.wait_job("Apply thresholds", timeout_s=300)
        probe = window.wait("fewer cells", lambda p: 0 < p["overlay"]["cells"] < cells)
        cells = probe["overlay"]["cells"]

        window.click("Export as", "cellseg")
        window.click("Table as CSV", "cellseg")
        window.choose(tmp_path / "cells.csv")
        window.wait_toast("Exported")
        rows = list(csv.DictReader((tmp_path / "cells.csv").read_text().splitlines()))
        assert len(rows) == cells
        assert all(float(row["hematoxylin_od"]) > -1 for row in rows)
