"""Paths that are kept from threshold to threshold are those that following all of them gives."""

from __future__ import annotations

import numpy as np
import pytest

from studio.cellseg.blocks import follow_piece
from studio.cellseg.flowfield import split
from studio.cellseg.lattice import Rect
from studio.cellseg.retrace import KNOWN, MOST_BYTES, KnownPaths
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
@pytest.mark.parametrize(("threads", "most_bytes"), [(1, MOST_BYTES), (3, MOST_BYTES), (2, 300_000)])
def test_any_order_of_thresholds_and_steps(total: np.ndarray, bounds: Rect, threads: int, most_bytes: int) -> None:
    rect = Rect(0, 0, SIDE, SIDE) if bounds.rows == SIDE else Rect(100, 200, 100 + SIDE, 200 + SIDE)
    rng = np.random.default_rng(1)
    thresholds = [0.0, 0.05, 0.1, 0.05, -0.4, 2.0, 1.9, -6.0, 0.0, 99.0, -99.0, 0.3]
    thresholds += rng.normal(0, 2, 8).round(2).tolist()
    steps = [200, 200, 200, 5, 6, 60, 61, 200, 1, 2000, *rng.integers(1, 90, 10).tolist()]
    known = KnownPaths((SIDE, SIDE), most_bytes)
    for threshold, niter in zip(thresholds, steps, strict=True):
        piece = split(total, rect, threshold)
        for found, wanted in zip(
            known.follow(piece, threshold, niter, bounds, threads), follow_piece(piece, bounds, niter), strict=True
        ):
            np.testing.assert_array_equal(found, wanted)
        assert known.count * KNOWN.itemsize <= most_bytes


def test_little_is_followed_again(total: np.ndarray) -> None:
    rect = Rect(0, 0, SIDE, SIDE)
    known = KnownPaths((SIDE, SIDE))

    def followed(threshold: float, niter: int = 200) -> float:
        """Share of the foreground whose paths weren't known."""
        piece, before = split(total, rect, threshold), known.count
        known.follow(piece, threshold, niter, rect, 1)
        return float((known.count - before) / np.count_nonzero(piece.inside))

    assert followed(0.0) == 1
    assert followed(0.02) < 0.25
    # Paths at rest stay where they are, however many steps follow; a few still wander in this noise.
    assert followed(0.0, 400) < 0.15
    assert followed(0.0, 401) < 0.2
    assert followed(-1.0) > 0
    assert followed(0.0) == followed(0.02) == followed(0.0, 400) == followed(-1.0) == 0
    assert not known.full
