"""One normalisation for a slide: the percentiles of its tissue, the same for a preview and the whole slide."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.inputs import to_channels
from studio.core.worker import owned_cores

if TYPE_CHECKING:
    from studio.slide import WSI

LOW_PERCENTILE = 1.0
HIGH_PERCENTILE = 99.0
"""Cellpose's percentiles."""
FIELDS = 36
FIELD_PX = 256
"""How many fields are looked at, and their side in working pixels."""

_known: dict[tuple[str, float, str], Normalization] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Normalization:
    """Values of the two channels that become 0 and 1."""

    low: tuple[float, float]
    high: tuple[float, float]

    def apply(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(2, H, W) float32, `(x - low) / (high - low)`; a channel without contrast becomes 0. Overwrites `x`."""
        for channel, low, high in zip(x, self.low, self.high, strict=True):
            if high - low > 1e-6:
                channel -= np.float32(low)
                channel *= np.float32(1.0 / (high - low))
            else:
                channel[:] = 0
        return x


def normalization_for(slide: WSI, scale: float, mode: str) -> Normalization:
    """Percentiles 1 and 99 of each channel over fields spread evenly over the slide's tissue.

    Args:
        slide: the slide.
        scale: slide pixels per working pixel.
        mode: channel mode, not `auto`.
    """
    key = (slide.fingerprint, scale, mode)
    with _lock:
        known = _known.get(key)
    if known is None:

        def read(field: tuple[int, int, int, int]) -> NDArray[np.float32]:
            return to_channels(slide.read_working(scale, *field), mode).reshape(2, -1)

        # Decoding takes most of the time before a run's first tile.
        with ThreadPoolExecutor(owned_cores(), thread_name_prefix="studio-read") as pool:
            values = np.concatenate(list(pool.map(read, _fields(slide, scale))), axis=1)
            ends = (LOW_PERCENTILE, HIGH_PERCENTILE)
            low, high = np.stack(list(pool.map(lambda channel: np.percentile(channel, ends), values)), axis=1)
        known = Normalization((float(low[0]), float(low[1])), (float(high[0]), float(high[1])))
        with _lock:
            _known[key] = known
    return known


def _fields(slide: WSI, scale: float) -> list[tuple[int, int, int, int]]:
    """(row, column, rows, columns) of at most FIELDS fields on a fixed grid, spread evenly over those with tissue."""
    width, height = slide.size
    rows, cols = max(1, round(height / scale)), max(1, round(width / scale))
    side = FIELD_PX * scale
    tissue = slide.tissue()
    grid = [(row, col) for row in range(0, rows, FIELD_PX) for col in range(0, cols, FIELD_PX)]
    share = {(row, col): tissue.part(col * scale, row * scale, side, side) for row, col in grid}
    # Fields that are mostly tissue where there are enough of them, else all with any, else the whole slide.
    chosen = [at for at in grid if share[at] >= 0.5]
    if len(chosen) < 4:
        chosen = [at for at in grid if share[at] > 0] or grid
    step = max(1.0, len(chosen) / FIELDS)
    picked = [chosen[int((n + 0.5) * step)] for n in range(min(FIELDS, len(chosen)))]
    return [(row, col, min(FIELD_PX, rows - row), min(FIELD_PX, cols - col)) for row, col in picked]
