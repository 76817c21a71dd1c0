"""A window in which nothing happens draws nothing."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.window import StudioWindow
from tests.e2e.xserver import Screen

pytestmark = pytest.mark.e2e

WATCHED_S = 3.0


def test_an_idle_window_sleeps_and_wakes_for_input(screen: Screen, sample_slide: Path, tmp_path: Path) -> None:
    with StudioWindow(screen, tmp_path, sample_slide) as window:
        window.wait_sharp()
        width, height = window.probe()["window"]["size"]
        window.move_to(width * 0.7, height * 0.5)
        frame = window.wait_idle()["frame"]

        process = psutil.Process(window.pid)
        before = process.cpu_times()
        time.sleep(WATCHED_S)
        after = process.cpu_times()
        assert window.probe()["frame"] == frame
        # A loop that never sleeps takes a whole core; the target is 2 % of one.
        assert after.user + after.system - before.user - before.system < 0.1 * WATCHED_S

        window.key("1")
        window.wait("1:1", lambda p: p["view"]["scale"] == 1)
