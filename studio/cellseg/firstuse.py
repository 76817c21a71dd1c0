"""The first use on a machine compiles: better before somebody waits for it than then."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.cellseg.borders import packed
from studio.cellseg.flowfield import TileStore
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import make_plan, recut
from studio.cellseg.preview import segment_plan
from studio.cellseg.retune import open_field, retune
from studio.cellseg.run import Request, run_slide
from studio.core.jobs import NullProgress, Progress
from studio.slide import open_slide

MPP = 0.5
SIDE_PX = 320
"""Of the picture, which holds some forty nuclei: enough to meet neighbours, edges and gaps."""


def compile_engine(progress: Progress | None = None) -> None:
    """Segment, tune and save a drawn picture with a stand-in for the network, so that all of it is compiled.

    Compiled code is kept beside the program (or where it may write), so a second call, in any process, only loads it.

    Args:
        progress: may end it between its parts.
    """
    progress = progress or NullProgress()
    params, quiet = SegmentParams(model="builtin", batch=1), NullProgress()
    with tempfile.TemporaryDirectory(prefix="studio-first-") as folder:
        picture = Path(folder) / "nuclei.png"
        cv2.imwrite(str(picture), _nuclei())
        with open_slide(picture, mpp=MPP) as slide:
            plan = make_plan(slide, params)
            network = BlobNetwork(params.network_px, params.batch)
            tiles = TileStore(plan.cache_bytes)
            segment_plan(recut(plan, SIDE_PX // 2), network, quiet, store=tiles)
            progress.advance(0)
            field = open_field(plan, tiles)
            if field is not None:
                for threshold in (params.cellprob_threshold, params.cellprob_threshold - 1):
                    retune(field, replace(plan, params=params.changed(cellprob_threshold=threshold)), 1, flows=True)
                    progress.advance(0)
            inner = (8.0, 8.0, SIDE_PX - 16.0, SIDE_PX - 16.0)
            packed(np.zeros((3, 3), np.uint32), 1, 60)  # what the window draws cells with
            run_slide(slide, Request(params, Path(folder) / "nuclei-masks.zip", inner), quiet, network)


def _nuclei() -> NDArray[np.uint8]:
    """(H, W, 3) uint8 blue, green, red: dark ellipses on pink, some of them touching."""
    random = np.random.default_rng(0)
    image = np.full((SIDE_PX, SIDE_PX, 3), (215, 190, 235), np.uint8)
    for row in range(20, SIDE_PX, 50):
        for column in range(20, SIDE_PX, 50):
            x, y = column + int(random.integers(-8, 8)), row + int(random.integers(-8, 8))
            axes = int(random.integers(6, 10)), int(random.integers(5, 8))
            for shift in (0, int(random.choice([0, 11]))):
                cv2.ellipse(image, (x + shift, y), axes, float(random.uniform(0, 180)), 0, 360, (120, 50, 80), -1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.uint8)
