"""The cells are a property of the slide: however it is cut, in whatever order, by however many, interrupted or not."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.cellseg import run as run_module
from studio.cellseg.lattice import Rect
from studio.cellseg.networks import Network, load_network
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import Plan, make_plan
from studio.cellseg.preview import preview
from studio.cellseg.run import Request, run_slide
from studio.core.jobs import NullProgress
from studio.errors import JobCancelled
from studio.slide import WSI, open_slide
from tests.cellseg.conftest import HEIGHT, WIDTH, RunDots
from tests.cellseg.fields import matched


@pytest.mark.parametrize(
    "changes",
    [
        {"block": 128},
        {"block": 400},
        {"block": 1024},
        {"workers": 1},
        {"workers": 4},
        {"batch": 1},
        {"batch": 7},
        {"memory_gb": 0.02},
        {"focus_slide": (300.0, 850.0)},
        {"focus_slide": (-100.0, 20.0), "block": 192, "workers": 3, "batch": 3},
    ],
    ids=str,
)
def test_the_cut_makes_no_difference(
    run_dots: RunDots, dots_masks: NDArray[np.uint32], changes: dict[str, Any]
) -> None:
    outcome, masks = run_dots("other.zip", **changes)
    assert outcome.cells == dots_masks.max()
    np.testing.assert_array_equal(masks, dots_masks)


def test_the_cut_makes_no_difference_with_other_overlaps_and_steps(run_dots: RunDots) -> None:
    changes: dict[str, Any] = {"overlap": 64, "interp": False, "niter": 120}
    outcome, masks = run_dots("one.zip", block=1024, **changes)
    assert outcome.cells > 300
    assert outcome.plan.lattice.overlap_px == 64
    np.testing.assert_array_equal(run_dots("other.zip", block=160, **changes)[1], masks)


def _shifted(corner: tuple[int, int]) -> Callable[..., Plan]:
    return lambda slide, params, region, rois: make_plan(slide, params, region, rois, corner=corner)


@pytest.mark.parametrize("corner", [(1, 1), (100, 57), (255, 128)], ids=str)
def test_moving_the_grid_of_blocks_makes_no_difference(
    run_dots: RunDots, dots_masks: NDArray[np.uint32], corner: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "make_plan", _shifted(corner))
    outcome, masks = run_dots("other.zip")
    assert any(core.top == corner[0] for core in outcome.plan.blocks)
    np.testing.assert_array_equal(masks, dots_masks)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_the_blocks_makes_no_difference(
    run_dots: RunDots, dots_masks: NDArray[np.uint32], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shuffled(_plan: Plan, blocks: list[Rect], _focus: object) -> list[Rect]:
        random.Random(seed).shuffle(blocks)
        return blocks

    monkeypatch.setattr(run_module, "in_order", shuffled)
    np.testing.assert_array_equal(run_dots("other.zip")[1], dots_masks)


@pytest.mark.parametrize("halo", [8, 32])
def test_a_first_halo_that_is_too_small_makes_no_difference(
    run_dots: RunDots, dots_masks: NDArray[np.uint32], halo: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.cellseg.pipeline.FIRST_HALO", halo)
    outcome, masks = run_dots("other.zip", block=160)
    assert outcome.times.counts["redone"] > 0
    np.testing.assert_array_equal(masks, dots_masks)


def test_what_no_block_can_see_by_itself_is_found_at_the_end(
    run_dots: RunDots, dots_masks: NDArray[np.uint32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate of single blocks never complains; the audit of all of them has to."""
    monkeypatch.setattr("studio.cellseg.pipeline.FIRST_HALO", 8)
    monkeypatch.setattr("studio.cellseg.blocks.missing_halo", lambda *_: 0)
    outcome, masks = run_dots("other.zip", block=160)
    assert outcome.times.counts["redone"] == 0
    np.testing.assert_array_equal(masks, dots_masks)


class _StopAfter(NullProgress):
    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        self.left -= steps
        if self.left < 0:
            raise JobCancelled


def test_an_interrupted_run_ends_in_the_same_file(run_dots: RunDots, tmp_path: Path) -> None:
    run_dots("undisturbed.zip", save_flows=True)
    for steps in (3, 6, 9):
        with pytest.raises(JobCancelled):
            run_dots("stopped.zip", progress=_StopAfter(steps), save_flows=True)
        assert not (tmp_path / "stopped.zip").exists()
    outcome, _ = run_dots("stopped.zip", save_flows=True)
    assert outcome.resumed_blocks >= 12
    assert (tmp_path / "stopped.zip").read_bytes() == (tmp_path / "undisturbed.zip").read_bytes()


@pytest.mark.parametrize("otsu", [False, True])
def test_a_preview_shows_the_cells_of_the_whole_slide(
    run_dots: RunDots, dots: WSI, dots_params: SegmentParams, otsu: bool
) -> None:
    _, masks = run_dots("whole.zip", otsu=otsu)
    rng = np.random.default_rng(3)
    views = [tuple(rng.uniform((0, 0, 60, 60), (WIDTH - 100, HEIGHT - 100, 500, 400))) for _ in range(4)]
    for x, y, width, height in [*views, (0.0, 0.0, 300.0, 200.0), (WIDTH - 200.0, HEIGHT - 150.0, 200.0, 150.0)]:
        found = preview(dots, dots_params.changed(otsu=otsu), (x, y, width, height), BlobNetwork(), NullProgress())
        at = found.plan.mask
        window = masks[at.top : at.bottom, at.left : at.right]
        np.testing.assert_array_equal(found.labels > 0, window > 0)
        pairs = np.unique(np.stack([found.labels.ravel(), window.ravel()]), axis=1)
        pairs = pairs[:, pairs[0] > 0]
        # Numbered in the same order, and one to one.
        assert pairs.shape[1] == len(found.cells) == len(np.unique(window[window > 0]))
        assert (np.diff(pairs[1].astype(int)) > 0).all()


@pytest.mark.parametrize("backend", ["openvino", "openvino-bf16"])
def test_the_real_network_gives_the_same_bits_however_the_work_is_done(
    sample_slide: Path, tmp_path: Path, backend: str
) -> None:
    """Batches of other company, another order, other blocks: fixed batch, same back end, same bits."""
    region = (900.0, 1300.0, 420.0, 380.0)
    results = []
    with open_slide(sample_slide) as slide:
        for name, changes, focus in (
            ("a", {"block": 512}, None),
            ("b", {"block": 128}, (1300.0, 1650.0)),
        ):
            params = SegmentParams(diam_um=8.0, backend=backend, **changes)
            outcome = run_slide(slide, Request(params, tmp_path / f"{name}.zip", region, focus_slide=focus))
            results.append(_masks(outcome.out))
    assert results[0].max() > 10
    np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.parametrize("backend", ["openvino", "openvino-bf16"])
def test_other_batch_sizes_find_the_same_cells(sample_slide: Path, backend: str) -> None:
    region = (900.0, 1300.0, 420.0, 380.0)
    with open_slide(sample_slide) as slide:
        params = SegmentParams(diam_um=8.0, block=256)
        model = make_plan(slide, params, region).model
        found = []
        for batch in (1, 6):
            network: Network = load_network(model, batch=batch, backend=backend, threads=2)
            found.append(preview(slide, params.changed(batch=batch), region, network, NullProgress()).labels)
    one, other = (labels.astype(np.int64) for labels in found)
    assert abs(one.max() - other.max()) <= 0.001 * one.max()
    assert (matched(one, other) >= 0.9).mean() >= 0.999


def _masks(path: Path) -> NDArray[np.uint32]:
    from studio.cellseg.result import Segmentation

    segmentation = Segmentation.load(path)
    try:
        return np.array(segmentation.masks)
    finally:
        segmentation.close()
