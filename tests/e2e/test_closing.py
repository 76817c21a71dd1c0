"""Ending the program: nothing stays behind. While a run is under way: `test_whole_slide.py`."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.window import StudioWindow
from tests.e2e.xserver import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def family(window: StudioWindow) -> list[psutil.Process]:
    process = psutil.Process(window.pid)
    return [process, *process.children(recursive=True)]


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
