"""Ending the program while it works: nothing stays behind, and the run can go on later."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.window import StudioWindow
from tests.e2e.xserver import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def start_run(window: StudioWindow) -> None:
    """Segment in small blocks, so that there are several to stop between."""
    window.wait_sharp()
    window.click("Advanced", "cellseg")
    window.type_into("Window", "512", "cellseg")
    window.click("Segment", "cellseg")


def family(window: StudioWindow) -> list[psutil.Process]:
    process = psutil.Process(window.pid)
    return [process, *process.children(recursive=True)]


def test_quit_during_a_run_then_resume(screen: Screen, sample_slide: Path, tmp_path: Path) -> None:
    with StudioWindow(screen, tmp_path, "--cellpose", sample_slide) as window:
        start_run(window)
        probe = window.wait("blocks done", lambda p: any(j["done"] >= 2 for j in p["jobs"]), timeout_s=300)
        done = next(job["done"] for job in probe["jobs"] if job["title"] == "Segment")
        processes = family(window)
        assert len(processes) > 1
        window.key("ctrl+q")
        assert window.wait_closed() == 0
        _, alive = psutil.wait_procs(processes, timeout=10)
        assert not alive
        assert "Traceback" not in window.output

    with StudioWindow(screen, tmp_path, "--cellpose", sample_slide) as window:
        start_run(window)
        first = window.wait("the run under way", lambda p: any(j["total"] for j in p["jobs"]), timeout_s=300)
        job = next(job for job in first["jobs"] if job["title"] == "Segment")
        assert job["done"] >= done
        window.wait_job("Segment", timeout_s=600)
        window.wait("the slide's cells", lambda p: p["overlay"] and p["overlay"]["cells"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals_end_it_in_order(
    number: signal.Signals, code: int, screen: Screen, sample_slide: Path, tmp_path: Path
) -> None:
    with StudioWindow(screen, tmp_path, sample_slide) as window:
        window.wait_sharp()
        processes = family(window)
        processes[0].send_signal(number)
        assert window.wait_closed() == code
        _, alive = psutil.wait_procs(processes, timeout=10)
        assert not alive
        assert "Traceback" not in window.output


@pytest.mark.parametrize("close", [lambda w: w.key("ctrl+q"), lambda w: w.close_by_window_manager()])
def test_both_ways_to_close(close: Callable[[StudioWindow], None], screen: Screen, tmp_path: Path) -> None:
    with StudioWindow(screen, tmp_path) as window:
        close(window)
        assert window.wait_closed() == 0
