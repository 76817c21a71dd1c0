"""Takes the pictures of README.md from the real window: `python tests/e2e/screenshots.py FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.e2e import xserver  # noqa: E402
from tests.e2e.window import StudioWindow, rests  # noqa: E402

SAMPLE = ROOT / "assets" / "samples" / "CMU-1-Small-Region.svs"
SIZE = (1280, 960)
MAX_KB = 700
DIAM_UM = "8.5"
VIEW = "930,820,600,540"
"""A place of the sample with many cells, large enough to see single ones."""


def main(folder: Path) -> None:
    """Segment the sample in a window and save it with mask, outlines and gradXY; tune on a view in another."""
    if (why := xserver.missing()) is not None:
        sys.exit(f"No screenshots: {why}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        with (
            xserver.xvfb(work / "xvfb.log") as screen,
            StudioWindow(screen, work, "--cellpose", "--view", VIEW, SAMPLE, size=SIZE) as window,
        ):
            take_all(window, folder)
        with (
            xserver.xvfb(work / "xvfb.log") as screen,
            StudioWindow(screen, work / "tune", "--cellpose", "--view", VIEW, SAMPLE, size=SIZE) as window,
        ):
            tune(window, folder)


def take_all(window: StudioWindow, folder: Path) -> None:
    """Tune, run, and photograph each way to look at the result."""
    window.wait_sharp()
    window.type_into("Diameter", DIAM_UM, "cellseg")
    window.click("Save flows", "cellseg")
    window.click("Segment", "cellseg")
    window.wait_job("Segment", timeout_s=900)
    window.wait("the slide's cells", lambda p: p["overlay"] and p["overlay"]["source"] == "run")
    window.click("Black BG", "cellseg")
    window.wait("the slide under the masks", lambda p: not p["overlay"]["black_bg"])
    take(window, folder / "mask.png")
    window.click("Outline", "cellseg")
    window.wait("outlines", lambda p: p["overlay"]["layers"] == ["outline"])
    take(window, folder / "outline.png")
    window.click("Outline", "cellseg")
    window.click("gradXY", "cellseg")
    window.wait("gradXY", lambda p: "gradxy" in p["overlay"]["layers"])
    take(window, folder / "gradxy.png")


def tune(window: StudioWindow, folder: Path) -> None:
    """The walk of studio/TUNING.md, photographed."""
    window.wait_sharp()
    window.click("Outline", "cellseg")
    window.click("Auto-detect diameter", "cellseg")
    window.click("Preview", "cellseg")
    window.wait("a preview", rests, timeout_s=300)
    window.click("Manual", "cellseg")
    take(window, folder / "tune-diameter.png", pointer=(0.62, 0.4))
    window.click("Hide diameters", "cellseg")
    x, y, width, height = window.control("Cell probability", "cellseg")["rect"]
    window.drag((x + width / 2, y + height / 2), (x + 0.68 * width, y + height / 2))
    window.wait("other cells", lambda p: p["cellseg"]["thresholds"]["cellprob_threshold"] > 1 and rests(p))
    take(window, folder / "tune-thresholds.png")
    for section in ("Whole-slide segmentation", "View controls", "Result", "Side by side"):
        window.toggle(section)
    window.click("Sweep", "cellseg")
    window.wait_job("Sweep", timeout_s=300)
    labels = [c["label"] for c in window.probe()["controls"] if c["kind"] == "picture"]
    x, y, width, height = window.control(labels[1], "cellseg")["rect"]
    window.move_to(x + width / 2, y + height / 2)
    save(window.still_picture(), folder / "tune-sweep.png")


def take(window: StudioWindow, path: Path, pointer: tuple[float, float] | None = None) -> None:
    """Wait until the picture stands still and no toast is in the way, then save it.

    The pointer is put at this part of the window's width and height; None: where nothing is lit up.
    """
    window.wait("no toasts", lambda p: not p["toasts"], timeout_s=60)
    width, height = window.probe()["window"]["size"]
    at = (width / 2, height - 4) if pointer is None else (width * pointer[0], height * pointer[1])
    window.move_to(*at)
    window.wait_sharp()
    save(window.still_picture(), path)


def save(picture: NDArray[np.uint8], path: Path) -> None:
    """As PNG with 256 colours, and smaller still where that is over the limit."""
    image = Image.fromarray(picture)
    while True:
        image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= MAX_KB * 1000:
            return
        image = image.resize((image.width * 9 // 10, image.height * 9 // 10), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
