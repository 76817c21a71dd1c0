"""Our engine against Cellpose's own `eval` on a whole image, with one and the same network."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pytest

from studio.cellseg.bench import agreement
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import make_plan
from studio.cellseg.preview import preview
from studio.cellseg.reference import best_overlaps, cellpose_eval
from studio.core.jobs import NullProgress
from studio.slide import WSI

CELLPOSE_TILE = 224


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    level = logging.getLogger("cellpose").level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse invariant checks")
        yield
    logging.getLogger("cellpose").setLevel(level)


def stand_in(x: Any) -> Any:
    """The stand-in network as a torch module would be called."""
    import torch

    network = BlobNetwork(CELLPOSE_TILE, batch=8)
    return torch.from_numpy(network.forward(x.numpy())), torch.from_numpy(network.style(x.numpy()))


@pytest.mark.parametrize("block", [128, 400])
def test_the_cells_of_evals_one_pass_also_at_the_edges_of_blocks(
    dots: WSI, dots_params: SegmentParams, block: int
) -> None:
    # See test_blocks: with a least size Cellpose's own removal of small cells takes wrong ones.
    params = dots_params.changed(block=block, min_size=0)
    ours = preview(dots, params, None, BlobNetwork(), NullProgress())
    plan = make_plan(dots, params)
    reference = cellpose_eval(stand_in, plan, plan.region, threads=1)
    assert reference.seconds > 0
    found = agreement(ours.labels.astype(np.int64), reference, plan.region, plan)
    assert found["all"]["cellpose"] > 300
    assert found["near_block_edges"]["cellpose"] > 50
    for cells in found.values():
        assert cells["f1_50"] >= 0.995
        assert cells["matched_90"] >= 0.99


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
