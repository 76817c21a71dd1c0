"""A slide whose cells are known, and runs over it with a stand-in for the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.cellseg.models import resolve_model
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.result import Segmentation
from studio.cellseg.run import Outcome, Request, run_slide
from studio.slide import WSI, open_slide
from tests.make_slides import write_slide

WIDTH, HEIGHT, MPP = 1100, 900, 0.5
WORK_MPP = 0.45
"""Working pixels are a tenth smaller than the slide's, so everything is resampled."""


def dotted_tissue(width: int, height: int, cells: int, seed: int) -> NDArray[np.uint8]:
    """RGB: purple dots, many of them touching, on pink tissue; on the right is glass, with a few dots at its top."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), (236, 190, 214), np.float32)
    image += rng.normal(0, 3, image.shape)
    glass = width * 11 // 20
    image[:, glass:] = (246, 245, 246)
    rows, cols = np.mgrid[:height, :width]
    for _ in range(cells):
        on_glass = rng.random() < 0.04
        y = rng.uniform(-3, 150 if on_glass else height + 3)
        x = rng.uniform(-3, width if on_glass else glass)
        radius, stretch = rng.uniform(6, 11), rng.uniform(0.75, 1.3)
        top, left = max(0, int(y) - 18), max(0, int(x) - 18)
        at = (slice(top, int(y) + 18), slice(left, int(x) + 18))
        inside = ((rows[at] - y) / radius) ** 2 + ((cols[at] - x) / (radius * stretch)) ** 2 <= 1
        # What lies on the glass is dark but has no colour: cells to a network, no tissue to Otsu.
        image[at][inside] = np.array((70, 70, 70) if on_glass else (96, 52, 140)) + rng.normal(0, 8, 3)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def dots_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide of about 700 dots, some touching, some cut by the slide's edges."""
    pixels = dotted_tissue(WIDTH, HEIGHT, 720, seed=4)
    return write_slide(tmp_path_factory.mktemp("slides") / "dots.tiff", pixels, mpp=MPP, downsamples=(1, 4))


@pytest.fixture
def dots(dots_path: Path) -> Iterator[WSI]:
    with open_slide(dots_path) as slide:
        yield slide


@pytest.fixture(scope="session")
def dots_params() -> SegmentParams:
    """Small blocks, so that there are many edges."""
    diam_um = WORK_MPP * resolve_model("builtin").diam_mean
    return SegmentParams(diam_um=diam_um, block=256, workers=2, channel="hematoxylin")


@pytest.fixture(scope="session")
def dots_masks(dots_path: Path, dots_params: SegmentParams, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(rows, columns) uint32: the masks of an undisturbed run over the dots; read-only."""
    out = tmp_path_factory.mktemp("undisturbed") / "dots.zip"
    with open_slide(dots_path) as slide:
        run_slide(slide, Request(dots_params, out), None, BlobNetwork())
    segmentation = Segmentation.load(out)
    masks = np.array(segmentation.masks)
    segmentation.close()
    masks.setflags(write=False)
    return masks


RunDots = Callable[..., tuple[Outcome, NDArray[np.uint32]]]


@pytest.fixture
def run_dots(dots: WSI, dots_params: SegmentParams, tmp_path: Path) -> RunDots:
    """Runs over the dots; returns the outcome and the masks. Fields of `Request` by name, the rest are parameters."""

    def run(
        out: str = "dots.zip", *, progress: Any = None, batch: int = 4, network: Any = None, **changes: Any
    ) -> tuple[Outcome, NDArray[np.uint32]]:
        asked = {
            name: changes.pop(name) for name in ("region_slide", "rois", "focus_slide", "overwrite") if name in changes
        }
        params = dots_params.changed(batch=batch, **changes)
        network = network or BlobNetwork(params.network_px, batch)
        outcome = run_slide(dots, Request(params, tmp_path / out, **asked), progress, network)
        segmentation = Segmentation.load(outcome.out)
        try:
            return outcome, np.array(segmentation.masks)
        finally:
            segmentation.close()

    return run
