"""What a person takes along: presets, and the command and the call that do what the window did."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import studio
from studio.cellseg.result import Segmentation
from studio.slide import open_slide
from tests.e2e.window import Probe, StudioWindow
from tests.e2e.xserver import Screen
from tests.make_slides import write_slide

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DIAM_UM, FLOW_ERROR = 9.5, 0.7


@pytest.fixture
def piece(sample_slide: Path, tmp_path: Path) -> Path:
    """A part of the sample that is segmented in seconds."""
    with open_slide(sample_slide) as whole:
        pixels = whole.read_region(900, 820, 500, 400, mpp=whole.require_mpp())
        return write_slide(tmp_path / "a piece.tiff", pixels, mpp=0.499)


def test_presets_and_what_is_copied(screen: Screen, piece: Path, tmp_path: Path) -> None:
    with StudioWindow(screen, tmp_path, "--cellpose", piece, size=(1280, 1000)) as window:
        window.wait_sharp()
        window.type_into("Diameter", str(DIAM_UM), "cellseg")
        window.type_into("Flow error value", str(FLOW_ERROR), "cellseg")
        window.wait("what was typed", lambda p: chosen(p) == (DIAM_UM, FLOW_ERROR))
        window.click("Segment", "cellseg")
        window.wait("its cells", lambda p: p["overlay"] and p["overlay"]["source"] == "run", timeout_s=300)
        for section in ("Thresholds", "Whole-slide segmentation", "View controls", "Result", "Advanced"):
            window.toggle(section)
        presets(window, tmp_path)
        window.click("Copy command", "cellseg")
        window.wait_toast("Copied")
        command = screen.clipboard()
        window.click("Copy Python", "cellseg")
        window.wait("another text", lambda _: screen.clipboard() != command)
        python = screen.clipboard()
    [made] = tmp_path.glob("cache/runs/*-masks.zip")
    same_cells(command, made, tmp_path / "by command")
    # As a script of its own: it must ask for nothing that isn't in it.
    (tmp_path / "copied.py").write_text(python)
    same_cells(f"python '{tmp_path / 'copied.py'}'", made, tmp_path / "by Python")


def chosen(probe: Probe) -> tuple[float, float]:
    """Diameter and flow error that the panel shows."""
    return probe["cellseg"]["diam_um"], probe["cellseg"]["thresholds"]["flow_threshold"]


def presets(window: StudioWindow, folder: Path) -> None:
    """Written to a file, forgotten, read back from it; and the same from the result of the run."""
    window.click("Save preset", "cellseg")
    window.choose(folder / "mine.json")
    window.wait_toast("Saved the parameters")
    [result] = folder.glob("cache/runs/*-masks.zip")
    for source in (folder / "mine.json", result):
        window.click("Defaults", "cellseg")
        window.wait("defaults", lambda p: chosen(p) == (10.0, 0.5))
        window.click("Load preset", "cellseg")
        window.choose(source)
        window.wait(source.name, lambda p: chosen(p) == (DIAM_UM, FLOW_ERROR))


def same_cells(command: str, made: Path, folder: Path) -> None:
    """The command run in a shell, in a folder of its own, finds the cells of the window's run."""
    folder.mkdir()
    env = os.environ | {f"STUDIO_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "LOG", "CACHE")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    env["PYTHONPATH"] = str(Path(studio.__file__).parents[1])
    finished = subprocess.run(command, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{command}\n{finished.stderr}"
    [out] = folder.glob("*-masks.zip")
    with Segmentation.load(made) as of_window, Segmentation.load(out) as of_command:
        assert int(of_window.cells) > 30
        np.testing.assert_array_equal(of_command.masks, of_window.masks)
