"""Two sizes of cells are told from one, at any number of cells and for any shape of a single hump."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.cellseg.humps import Humps, two_humps

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

ONE: dict[str, Draw] = {
    "narrow": lambda rng, n: 7 * rng.lognormal(0, 0.2, n),
    "wide": lambda rng, n: 7 * rng.lognormal(0, 0.5, n),
    "symmetric": lambda rng, n: np.abs(rng.normal(8, 1.5, n)),
    "flat": lambda rng, n: rng.uniform(3, 12, n),
    "one-sided": lambda rng, n: 3 + rng.exponential(3, n),
}


def humps_of(diameters: NDArray[np.float64]) -> Humps | None:
    """As the estimate of the diameter bins them."""
    top = float(np.percentile(diameters, 99)) * 1.1
    counts, _ = np.histogram(np.minimum(diameters, top), 24, (0, top))
    return two_humps(counts.tolist(), 0.0, top)


@pytest.mark.parametrize("shape", ONE)
def test_one_hump_is_one(shape: str) -> None:
    rng = np.random.default_rng(3)
    for cells in (30, 100, 400, 3000):
        alarms = sum(humps_of(ONE[shape](rng, cells)) is not None for _ in range(100))
        assert alarms <= 3, (cells, alarms)


@pytest.mark.parametrize(("small_um", "large_um", "share"), [(6, 12, 0.5), (6, 12, 0.3), (5, 9, 0.5)])
def test_two_sizes_are_found_where_they_are(small_um: float, large_um: float, share: float) -> None:
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(50):
        is_large = rng.random(800) < share
        diameters = np.where(is_large, large_um, small_um) * rng.lognormal(0, 0.12, 800)
        humps = humps_of(diameters)
        if humps is None:
            continue
        found += 1
        assert humps.peaks == pytest.approx((small_um, large_um), rel=0.25)
        assert small_um < humps.valley < large_um
        assert humps.shares[1] == pytest.approx(share, abs=0.15)
    assert found >= 45


def test_too_little_to_say_anything() -> None:
    assert two_humps([], 0, 1) is None
    assert two_humps([0] * 24, 0, 1) is None
    assert two_humps([5, 0, 5], 0, 3) is None
    assert two_humps([4] * 5 + [0] * 5 + [4] * 5, 0.0, 15.0) is not None
