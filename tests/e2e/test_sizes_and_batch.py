"""The diameter as the panel finds it, the same field side by side, and several slides with what was chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.cellseg.result import Segmentation
from studio.slide import open_slide
from tests.e2e.window import StudioWindow, rests
from tests.e2e.xserver import Screen
from tests.make_slides import write_slide

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PIECES = {"left": (900, 820), "right": (1100, 900)}
SIDE_PX = 400


def test_diameters_side_by_side_and_a_batch(screen: Screen, sample_slide: Path, tmp_path: Path) -> None:
    args = ("--cellpose", "--view", "930,820,460,330", sample_slide)
    with StudioWindow(screen, tmp_path, *args, size=(1280, 1150)) as window:
        window.wait_sharp()
        detected = detect(window)
        taken = side_by_side(window, detected)
        batch(window, sample_slide, tmp_path, taken)


def detect(window: StudioWindow) -> float:
    """Auto-detect in view, with its histogram; then over the slide. The diameter that is set in the end."""
    window.click("Auto-detect diameter", "cellseg")
    window.click("Preview", "cellseg")
    probe = window.wait("a preview", rests, timeout_s=180)
    in_view = float(probe["cellseg"]["diam_um"])
    assert 3 < in_view < 9
    assert window.control("Cell diameters", "cellseg")["kind"] == "histogram"
    window.click("Manual", "cellseg")
    window.click("Sample slide", "cellseg")
    window.wait_job("Sample slide")
    probe = window.wait("the slide's median", lambda p: p["cellseg"]["diam_um"] != in_view)
    assert not (window.state("Use median", "cellseg") or {})["enabled"]
    window.click("Hide diameters", "cellseg")
    return float(probe["cellseg"]["diam_um"])


def side_by_side(window: StudioWindow, diam_um: float) -> float:
    """Several diameters of the same field; a click on another one takes it."""
    for section in ("Whole-slide segmentation", "View controls", "Result", "Side by side"):
        window.toggle(section)
    window.click("Sweep", "cellseg")
    window.wait_job("Sweep")
    pictures = [c["label"] for c in window.probe()["controls"] if c["kind"] == "picture" and c["panel"] == "cellseg"]
    assert len(pictures) >= 2
    for label in pictures[:2]:
        window.click(label, "cellseg")
        value = float(label.split()[1])
        probe = window.wait(label, lambda p, value=value: abs(p["cellseg"]["diam_um"] - value) < 0.06)
    assert abs(probe["cellseg"]["diam_um"] - diam_um) > 0.01
    window.toggle("Side by side")
    return float(probe["cellseg"]["diam_um"])


def batch(window: StudioWindow, sample_slide: Path, folder: Path, diam_um: float) -> None:
    """Two pieces of the slide and a file that is none, dropped together: two results, one failure, told apart."""
    slides = folder / "slides"
    slides.mkdir()
    with open_slide(sample_slide) as whole:
        for name, (x, y) in PIECES.items():
            pixels = whole.read_region(x, y, SIDE_PX, SIDE_PX, mpp=whole.require_mpp())
            write_slide(slides / f"{name}.tiff", pixels, mpp=0.499)
    (slides / "broken.svs").write_bytes(b"no slide")
    window.drop(*sorted(slides.iterdir()))
    window.click("Start batch", "cellseg")
    window.wait_toast("Batch complete", timeout_s=300)
    found = sorted(path.name for path in folder.rglob("*-masks.zip"))
    assert found == ["left-masks.zip", "right-masks.zip"]
    for path in folder.rglob("*-masks.zip"):
        with Segmentation.load(path) as segmentation:
            assert int(segmentation.cells) > 10
            assert abs(segmentation.info()["diam_um"] - diam_um) < 0.01
