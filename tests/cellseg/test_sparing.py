"""A device whose memory is too small for a batch: the batch is halved, said, and the cells are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.networks.sparing import forward_sparing
from studio.cellseg.params import SegmentParams
from studio.cellseg.result import Segmentation
from studio.cellseg.run import Request, run_slide
from studio.core.jobs import NullProgress
from studio.errors import RunError
from studio.slide import WSI


class Small(BlobNetwork):
    """Has room for so many tiles."""

    def __init__(self, room: int) -> None:
        super().__init__(batch=8)
        self.room = room
        self.sizes: list[int] = []

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.batch > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.sizes.append(len(x))
        return super().forward(x)


class Told(NullProgress):
    def __init__(self) -> None:
        self.notices: list[str] = []

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        if kind == "notice":
            self.notices.append(payload["text"])


def test_a_run_goes_on_with_smaller_batches_and_says_so(
    dots: WSI, dots_params: SegmentParams, dots_masks: NDArray[np.uint32], tmp_path: Path
) -> None:
    network, told = Small(room=3), Told()
    run_slide(dots, Request(dots_params, tmp_path / "x.zip"), told, network)
    assert network.batch == 2
    assert max(network.sizes) == 2
    assert [text.split("; ")[1] for text in told.notices] == [f"going on with {n} tiles at a time." for n in (4, 2)]
    with Segmentation.load(tmp_path / "x.zip") as loaded:
        np.testing.assert_array_equal(loaded.masks, dots_masks)


def test_every_tile_once_in_order() -> None:
    x = np.random.default_rng(0).random((8, 2, 256, 256), np.float32)
    np.testing.assert_array_equal(forward_sparing(Small(2), x, lambda _: None), BlobNetwork(batch=8).forward(x))


def test_no_room_for_one_tile_is_one_clear_message(dots: WSI, dots_params: SegmentParams, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="too small for a single tile"):
        run_slide(dots, Request(dots_params, tmp_path / "x.zip"), None, Small(room=0))


def test_other_errors_pass() -> None:
    class Broken(BlobNetwork):
        def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
            raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        forward_sparing(Broken(), np.zeros((1, 2, 256, 256), np.float32), lambda _: None)
