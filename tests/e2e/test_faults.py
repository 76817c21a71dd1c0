"""What goes wrong while tuning: said clearly, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from studio.core.worker import INTERACTIVE_NICE
from tests.e2e.window import StudioWindow, rests
from tests.e2e.xserver import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_killed_worker_files_that_are_no_model_and_no_cells(
    screen: Screen, sample_slide: Path, tmp_path: Path
) -> None:
    args = ("--cellpose", "--view", "930,820,460,330", sample_slide)
    with StudioWindow(screen, tmp_path, *args, size=(1280, 860)) as window:
        window.wait_sharp()
        window.type_into("Diameter", "9.5", "cellseg")
        window.click("Preview", "cellseg")
        cells = window.wait("a preview", rests, timeout_s=180)["overlay"]["cells"]
        assert cells > 30
        kill_the_preview(window, cells)
        choose_what_is_no_model(window, tmp_path, cells)
        find_nothing(window)
        assert "Traceback" not in window.output


def kill_the_preview(window: StudioWindow, cells: int) -> None:
    """The worker dies in the middle of a preview: the cells of the one before come back, and the next one works."""
    window.type_into("Diameter", "4", "cellseg")
    window.wait("the typed diameter", lambda p: p["cellseg"]["diam_um"] == 4)
    window.click("Preview", "cellseg")
    window.wait("a block", lambda p: any(j["state"] == "running" and j["done"] for j in p["jobs"]), timeout_s=180)
    program = psutil.Process(window.pid)
    nice = program.nice() + INTERACTIVE_NICE
    [worker] = [child for child in program.children(recursive=True) if child.nice() == nice]
    worker.kill()
    window.wait_toast("a new worker starts by itself")
    window.wait("the cells of before", lambda p: p["overlay"]["cells"] == cells)
    window.type_into("Diameter", "9.5", "cellseg")
    tiles = window.wait("typed", lambda p: p["cellseg"]["diam_um"] == 9.5)["cellseg"]["network_tiles"]
    window.click("Preview", "cellseg")
    probe = window.wait("another preview", lambda p: p["cellseg"]["network_tiles"] > tiles and rests(p), timeout_s=180)
    assert probe["overlay"]["cells"] == cells


def choose_what_is_no_model(window: StudioWindow, folder: Path, cells: int) -> None:
    """A text, and the weights of another kind of network: the model that was chosen stays, and so do its cells."""
    import torch

    text, other = folder / "notes.pth", folder / "classifier.pth"
    text.write_text("no weights at all")
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Linear(8, 2)).state_dict(), other)
    model = window.probe()["cellseg"]["model"]
    for path, why in (
        (text, "is no model"),
        (other, "is no Cellpose model (its tensors are those of another"),
    ):
        window.click("Model", "cellseg")
        window.click("From a file…")
        window.choose(path)
        window.wait_toast(f"{path.name} {why}")
        probe = window.probe()
        assert (probe["cellseg"]["model"], probe["overlay"]["cells"]) == (model, cells)
        assert rests(probe)


def find_nothing(window: StudioWindow) -> None:
    """Thresholds that no cell reaches: said with what to try, but not to whoever drags a slider there."""
    window.type_into("Cell probability value", "6", "cellseg")
    window.type_into("Flow error value", "0.01", "cellseg")
    window.wait("no cells", lambda p: p["overlay"]["cells"] == 0 and rests(p))
    assert not any("No cells found" in toast["text"] for toast in window.probe()["toasts"])
    window.click("Preview", "cellseg")
    said = window.wait_toast("No cells found")
    assert said["level"] == "warning"
    assert all(hint in said["text"] for hint in ("diameter", "another model", "lower the cell probability"))
