"""Our engine against Cellpose's own `eval` on a whole image, with one and the same network."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg.bench import agreement
from studio.cellseg.lattice import Rect, TileLattice
from studio.cellseg.networks import load_module, shared_network
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import make_plan
from studio.cellseg.preview import preview
from studio.cellseg.reference import RIM_PX, Framing, best_overlaps, cellpose_eval, on_our_tiles
from studio.core.jobs import NullProgress
from studio.slide import WSI, open_slide
from tests.cellseg.fields import cellpose3, stand_in

pytestmark = cellpose3


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    level = logging.getLogger("cellpose").level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse invariant checks")
        yield
    logging.getLogger("cellpose").setLevel(level)


@pytest.mark.parametrize("block", [128, 400])
def test_the_cells_of_evals_one_pass_also_at_the_edges_of_blocks(
    dots: WSI, dots_params: SegmentParams, block: int
) -> None:
    # See test_blocks: with a least size Cellpose's own removal of small cells takes wrong ones.
    params = dots_params.changed(block=block, min_size=0)
    ours = preview(dots, params, None, BlobNetwork(), NullProgress())
    plan = make_plan(dots, params)
    reference = cellpose_eval(stand_in, plan, Framing(plan.region), threads=1)
    assert reference.seconds > 0
    found = agreement(ours.labels.astype(np.int64), reference.masks, plan.region, plan)
    assert found["all"]["cellpose"] > 300
    assert found["near_block_edges"]["cellpose"] > 50
    for cells in found.values():
        assert cells["f1_50"] >= 0.995
        assert cells["matched_90"] >= 0.99


@pytest.mark.slow
def test_with_the_real_network_on_the_same_tiles(sample_slide: Path) -> None:
    region = (620.0, 900.0, 420.0, 380.0)
    params = SegmentParams(diam_um=10.0, block=208, backend="openvino", workers=1)
    with open_slide(sample_slide) as slide:
        plan = make_plan(slide, params, region)
        framing = on_our_tiles(plan, plan.region)
        assert framing is not None
        theirs = cellpose_eval(load_module(plan.model), plan, framing, threads=1).masks
        ours = preview(slide, params, region, shared_network(plan.model, params), NullProgress()).labels
    masks = theirs[plan.region.slices(framing.rect)]
    found = agreement(ours.astype(np.int64), masks, plan.region, plan)
    assert found["all"]["cellpose"] > 25
    assert found["near_block_edges"]["cellpose"] > 10
    for cells in found.values():
        assert cells["f1_50"] >= 0.995
        assert cells["matched_90"] >= 0.99


@pytest.mark.parametrize("rect", [Rect(0, 0, 300, 300), Rect(718, 718, 1945, 1945), Rect(900, 0, 1700, 2600)], ids=str)
def test_an_image_whose_tiles_are_ours(dots: WSI, dots_params: SegmentParams, rect: Rect) -> None:
    from cellpose.transforms import make_tiles

    plan = make_plan(dots, dots_params)
    plan = replace(plan, lattice=TileLattice((3000, 2600), 256, 32))
    framing = on_our_tiles(plan, rect)
    assert framing is not None
    image = framing.rect
    assert image.clipped(rect) == rect
    padded = np.zeros((1, image.rows + 2 * RIM_PX, image.cols + 2 * RIM_PX), np.float32)
    _, tops, lefts, _, _ = make_tiles(padded, bsize=framing.tile_px, tile_overlap=framing.overlap)
    theirs = {
        (top + image.top - RIM_PX, left + image.left - RIM_PX) for (top, _), (left, _) in zip(tops, lefts, strict=True)
    }
    ours = {plan.lattice.tile_rect(tile).astuple()[:2] for tile in plan.lattice.tiles_over(rect)}
    assert ours <= theirs
    assert theirs <= {plan.lattice.tile_rect((i, j)).astuple()[:2] for i in range(14) for j in range(12)}


def test_best_overlaps() -> None:
    a = np.zeros((10, 10), int)
    b = np.zeros((10, 10), int)
    a[:4, :5], a[6:, 6:] = 3, 7
    b[:4, :4], b[9, 0] = 2, 5
    ids, best = best_overlaps(a, b)
    assert ids.tolist() == [3, 7]
    np.testing.assert_allclose(best, (0.8, 0.0))
    ids, best = best_overlaps(b, a)
    assert ids.tolist() == [2, 5]
    np.testing.assert_allclose(best, (0.8, 0.0))
    assert best_overlaps(np.zeros((3, 3), int), a[:3, :3])[0].size == 0
