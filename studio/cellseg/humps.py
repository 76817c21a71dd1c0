"""Whether cells of two sizes were measured: two humps in a histogram, with a valley that chance doesn't make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SIGMA_BINS = 1.0
"""Blur of the histogram before humps are looked for."""
_REACH_BINS = 3
_DEPTH = 0.85
"""A valley is at most this part of the lower hump's height …"""
_SIGMAS = 2.5
"""… and lower by so many standard deviations of what counts of that size vary by."""
_LEAST_SHARE = 0.08
_LEAST_CELLS = 10
"""A hump holds this part of the cells and so many of them at least."""


@dataclass(frozen=True, slots=True)
class Humps:
    """Two groups of cells."""

    peaks: tuple[float, float]
    """The most frequent value of each."""
    valley: float
    shares: tuple[float, float]
    """Of the cells, on both sides of the valley."""


def two_humps(counts: Sequence[int], low: float, high: float) -> Humps | None:
    """The two groups that a histogram of equal steps from `low` to `high` shows; None where it shows one.

    Counts in the blurred histogram vary like Poisson numbers thinned by the blur, which tells a valley from noise. Of
    several valleys the one counts that stands out most.
    """
    values = np.asarray(counts, np.float64)
    total = values.sum()
    if total < 2 * _LEAST_CELLS or len(values) < 3:
        return None
    kernel = np.exp(-0.5 * (np.arange(-_REACH_BINS, _REACH_BINS + 1) / _SIGMA_BINS) ** 2)
    kernel /= kernel.sum()
    smooth = np.convolve(values, kernel, mode="same")
    vary = float((kernel**2).sum())
    best: tuple[float, Humps] | None = None
    for valley in range(1, len(smooth) - 1):
        left, right = _top(smooth, 0, valley), _top(smooth, valley + 1, len(smooth))
        lower = min(smooth[left], smooth[right])
        # A bin in the middle of the valley belongs to neither side.
        shares = (values[:valley].sum() / total, values[valley + 1 :].sum() / total)
        least = max(_LEAST_SHARE, _LEAST_CELLS / total)
        if min(shares) < least or smooth[valley] > _DEPTH * lower:
            continue
        stands_out = (lower - smooth[valley]) / np.sqrt(vary * (lower + smooth[valley]))
        if stands_out > _SIGMAS and (best is None or stands_out > best[0]):
            place = [low + (high - low) * (at + 0.5) / len(smooth) for at in (left, right, valley)]
            best = float(stands_out), Humps((place[0], place[1]), place[2], (float(shares[0]), float(shares[1])))
    return None if best is None else best[1]


def _top(smooth: NDArray[np.float64], first: int, stop: int) -> int:
    return first + int(np.argmax(smooth[first:stop]))
