"""Paths that are kept from threshold to threshold are those that following all of them gives."""

from __future__ import annotations

import numpy as np
import pytest

from studio.cellseg.blocks import follow_piece
from studio.cellseg.flowfield import split
from studio.cellseg.lattice import Rect
from studio.cellseg.retrace import KnownPaths
from tests.cellseg.fields import network_says, painted_cells

SIDE = 260


@pytest.fixture(scope="module")
def total() -> np.ndarray:
    """(H, W, 3) float32 of noisy cells, some of whose field nobody may look at."""
    field = network_says(painted_cells((SIDE, SIDE), 120, seed=5), seed=6)
    field = np.ascontiguousarray(np.moveaxis(field, 0, -1))
    field[200:, 150:] = (0, 0, -np.inf)
    return field


@pytest.mark.parametrize("bounds", [Rect(0, 0, SIDE, SIDE), Rect(0, 0, 900, 900)], ids=["whole slide", "cut out"])
@pytest.mark.parametrize("threads", [1, 3])
def test_any_order_of_thresholds(total: np.ndarray, bounds: Rect, threads: int) -> None:
    rect = Rect(0, 0, SIDE, SIDE) if bounds.rows == SIDE else Rect(100, 200, 100 + SIDE, 200 + SIDE)
    thresholds = [0.0, 0.05, 0.1, 0.05, -0.4, 2.0, 1.9, -6.0, 0.0, 99.0, -99.0, 0.3]
    thresholds += np.random.default_rng(1).normal(0, 2, 8).round(2).tolist()
    for niter in (200, 5):
        known = KnownPaths.none((SIDE, SIDE))
        for threshold in thresholds:
            piece = split(total, rect, threshold)
            for found, wanted in zip(
                known.follow(piece, threshold, niter, bounds, threads), follow_piece(piece, bounds, niter), strict=True
            ):
                np.testing.assert_array_equal(found, wanted)


def test_a_small_step_follows_few_paths_again(total: np.ndarray) -> None:
    rect = Rect(0, 0, SIDE, SIDE)
    known = KnownPaths.none((SIDE, SIDE))
    piece = split(total, rect, 0.0)
    known.follow(piece, 0.0, 200, rect, 1)
    valid = (known.above <= np.float32(0.02)) & (np.float32(0.02) < known.below)
    assert np.count_nonzero(valid & piece.inside) > 0.75 * np.count_nonzero(piece.inside)
