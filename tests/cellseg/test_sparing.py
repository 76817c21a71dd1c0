"""A device whose memory is too small for a batch: the batch is halved, said, and the cells are the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from studio.cellseg import sweeptasks, tasks, tunetasks
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

    def __init__(self, room: int, error: Exception | None = None) -> None:
        super().__init__(batch=8)
        self.room = room
        self.error = error or torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.sizes: list[int] = []

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.batch > self.room:
            raise self.error
        self.sizes.append(len(x))
        return super().forward(x)


class Told(NullProgress):
    def __init__(self) -> None:
        self.notices: list[str] = []

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        if kind == "notice":
            self.notices.append(payload["text"])


@pytest.fixture
def clean() -> Iterator[None]:
    """Nothing kept from view to view."""
    tunetasks._kept = None
    yield
    tunetasks._kept = None
    while tasks._slides:
        tasks._slides.popitem()[1].close()


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


@pytest.mark.parametrize(
    "error", [None, RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB)."), MemoryError()]
)
@pytest.mark.parametrize("task", ["view", "sweep", "diameter"])
@pytest.mark.usefixtures("clean")
def test_tuning_goes_on_with_smaller_batches_and_says_so(
    dots_path: Path, dots_params: SegmentParams, monkeypatch: pytest.MonkeyPatch, error: Exception | None, task: str
) -> None:
    network, told = Small(room=3, error=error), Told()
    for module in (tasks, tunetasks, sweeptasks):
        monkeypatch.setattr(module, "shared_network", lambda *_: network)
    where = {"slide_path": str(dots_path), "mpp": None}
    params, rect = dots_params.to_dict() | {"batch": 8}, (120.0, 200.0, 400.0, 300.0)
    if task == "sweep":
        sweeptasks.sweep_task(told, **where, variants=[params], rect_slide=rect, picture_px=100)
    elif task == "diameter":
        tasks.diameter_task(told, **where, params=params)
    else:
        found = tunetasks.view_task(told, **where, params=params, rect_slide=rect)
        assert found["cells"] > 0
        # What smaller batches have done stays: sliders ask the network for the surroundings only.
        kept = tunetasks._kept
        again = tunetasks.view_task(told, **where, params=params, rect_slide=rect, stream=False)
        assert again["tiles"] < found["tiles"]
        assert tunetasks._kept is kept
        assert again["cells"] == found["cells"]
    assert [text.split("; ")[1] for text in told.notices] == [f"going on with {n} tiles at a time." for n in (4, 2)]


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
