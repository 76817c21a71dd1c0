"""What a process really takes for one block full of foreground, and for a run with little memory; JSON on stdout.

python -m tests.cellseg.memory_taken SLIDE MEMORY_GB

In a process of its own, because memory that others have freed would be used again and not be seen.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from studio.cellseg import pipeline
from studio.cellseg.blockdata import keep_block, to_bytes
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import make_plan, piece_bytes
from studio.cellseg.run import Request, run_slide
from studio.cellseg.stains import StainSums
from studio.cellseg.storedflows import flows_from
from studio.slide import WSI, open_slide

BLOCK_PX = 1024
CELL_PX = 16


class Full(BlobNetwork):
    """Cells side by side, without background."""

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        rows, cols = np.mgrid[: self.tile_px, : self.tile_px]
        out = np.empty((len(x), 3, self.tile_px, self.tile_px), np.float32)
        for channel, at in enumerate((rows, cols)):
            out[:, channel] = 5 * np.clip(at // CELL_PX * CELL_PX + CELL_PX // 2 - at, -1, 1)
        out[:, 2] = 4
        return out


class Watch:
    """The most that this process has at any time between two moments, looked at every millisecond."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.before = self.most = self._process.memory_info().rss

    @contextmanager
    def on(self) -> Iterator[None]:
        stop = threading.Event()

        def look() -> None:
            while not stop.wait(0.001):
                self.most = max(self.most, self._process.memory_info().rss)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    @property
    def bytes(self) -> int:
        return self.most - self.before


def one_block(slide: WSI, params: SegmentParams) -> tuple[int, int]:
    """Bytes that a block takes from its tiles to its file, and what the plan counts for it."""
    scale = make_plan(slide, params).grid.scale
    side = (params.window - 1) * scale
    plan = make_plan(slide, params, (side, side, side, side))
    assert len(plan.blocks) == 1
    stains = StainSums.of(slide)
    watches = []

    class Watched(pipeline.Pipeline):
        def _find(self, task: Any) -> None:
            watches.append(Watch())
            with watches[-1].on():
                super()._find(task)

    def keep(block: Any, piece: Any) -> int:
        return len(to_bytes(keep_block(block, piece, plan.grid, flows=params.save_flows, stains=stains)))

    piped = Watched(plan, Full(), harvest=keep, pixels=True, flows_from=flows_from(params))
    (done,) = piped.run(plan.blocks)
    assert len(done.block.cells) >= (params.window // CELL_PX - 1) ** 2
    assert piped.times.counts["foreground_px"] == piped.times.counts["piece_px"]
    return watches[-1].bytes, piece_bytes(params, params.window)


def whole_run(slide: WSI, params: SegmentParams) -> dict[str, Any]:
    """Most memory of a run beyond what the process had before, in MB; and how much the tiles would take in all."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.zip"
        watch = Watch()
        with watch.on():
            outcome = run_slide(slide, Request(params, out), None, BlobNetwork())
        tiles = outcome.times.counts["tiles"] * 15 * 256**2
        return {"beyond_mb": watch.bytes / 1e6, "tiles_mb": tiles / 1e6, "cells": outcome.cells}


def main() -> None:
    path, memory_gb = Path(sys.argv[1]), float(sys.argv[2])
    params = SegmentParams(window=BLOCK_PX, workers=2)
    said: dict[str, Any] = {}
    with open_slide(path) as slide:
        # Compiled code and what libraries set up once.
        with tempfile.TemporaryDirectory() as folder:
            run_slide(slide, Request(params, Path(folder) / "warm.zip", (0, 0, 300, 300)), None, BlobNetwork())
        one_block(slide, params.changed(window=256, save_flows=True))
        said["block"] = one_block(slide, params.changed(save_flows=True))
        said |= whole_run(slide, params.changed(memory_gb=memory_gb))
    print(json.dumps(said))


if __name__ == "__main__":
    main()
