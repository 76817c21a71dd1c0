"""Where a slide is in focus: the Gaussian-blur filter of slide quality control.

The absolute Laplacian of the brightness, smoothed by a Gaussian, is high
where there is fine structure, and low where the slide is out of focus or
empty (the measure that HistoQC made usual, Janowczyk et al. 2019).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import working_shape
from studio.slide.mask import SlideMask

if TYPE_CHECKING:
    from studio.slide.wsi import WSI

MASK_PX = 2048
"""Longest side of the mask at most."""

_STRIP_PX = 4_000_000
_REACH = 4.0
"""Standard deviations after which the Gaussian is cut off."""


def find_sharp(slide: WSI, *, mpp: float = 4.0, sigma: float = 3.0, threshold: float = 0.02) -> SlideMask:
    """Where the slide is sharp, read at `mpp` µm per pixel.

    Args:
        slide: an open slide with a known pixel size.
        mpp: resolution to judge at; 4 µm sees focus faults and spares single cells.
        sigma: of the Gaussian, in pixels of that resolution.
        threshold: smoothed Laplacian (of brightness 0 to 1) above which a place is sharp.

    Raises:
        MissingMppError: the slide's pixel size isn't known.

    >>> sharp = find_sharp(slide)
    >>> sharp.covers(1000, 1200, 100, 100), sharp.covers(0, 2900, 50, 50)
    (True, False)
    """
    scale = max(1.0, mpp / slide.require_mpp())
    rows, cols = working_shape(slide.size, scale)
    pool = max(1, -(-max(rows, cols) // MASK_PX))
    halo = int(_REACH * sigma + 0.5) + 1
    # Strips end on whole mask pixels, and see beyond themselves as far as the filters reach.
    strip = max(1, _STRIP_PX // cols // pool) * pool
    parts = []
    for top in range(0, rows, strip):
        count = min(strip, rows - top)
        rgb = slide.read_working(scale, top - halo, -halo, count + 2 * halo, cols + 2 * halo)
        parts.append(_pooled(_structure(rgb, sigma)[halo:-halo, halo:-halo], pool))
    return SlideMask(np.concatenate(parts) > threshold, scale * pool)


def _structure(rgb: NDArray[np.uint8], sigma: float) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter, laplace

    gray = rgb.astype(np.float32).mean(axis=2) / 255
    smooth: NDArray[np.float32] = gaussian_filter(np.abs(laplace(gray)), sigma, truncate=_REACH)
    return smooth


def _pooled(values: NDArray[np.float32], pool: int) -> NDArray[np.float32]:
    """Means of squares of `pool` pixels; the last row and column are repeated where they don't fill one."""
    rows, cols = values.shape
    full = np.pad(values, ((0, -rows % pool), (0, -cols % pool)), mode="edge")
    cells = full.reshape(full.shape[0] // pool, pool, full.shape[1] // pool, pool)
    means: NDArray[np.float32] = cells.mean(axis=(1, 3))
    return means
