"""Where a slide has tissue: Otsu's threshold over a small picture of the whole slide.

Brightfield is told from glass by its saturation, fluorescence from its dark
background by brightness. One threshold for the slide (Otsu 1979, on a
256-bin histogram), so what is skipped never depends on how the slide is cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.slide.mask import SlideMask

TISSUE_PX = 1024
"""Longest side of the picture that the mask is made from."""

_MEDIAN_PX = 5
_NOISE = 8
"""Saturation or brightness, of 255, that JPEG noise on an empty slide reaches: less is never tissue."""
_DARK = 70
_DARK_LOW = 45


@dataclass(frozen=True)
class TissueMask(SlideMask):
    """Tissue (True) and background over the whole slide."""

    threshold: int
    """Otsu's threshold, 0 to 255, of saturation (brightfield) or brightness (fluorescence)."""
    fluorescence: bool = False


def find_tissue(rgb: NDArray[np.uint8], scale: float) -> TissueMask:
    """The tissue in a small RGB picture (rows, columns, 3) of a slide, `scale` slide pixels to a pixel.

    >>> picture = np.full((40, 40, 3), 240, np.uint8)
    >>> picture[10:30, 10:30] = (190, 80, 160)
    >>> round(find_tissue(picture, 32.0).share, 2)
    0.24
    """
    from scipy.ndimage import median_filter

    dark = looks_fluorescent(rgb)
    value = rgb.max(axis=2) if dark else saturation(rgb)
    smooth = median_filter(value, size=_MEDIAN_PX, mode="nearest") if min(value.shape) >= _MEDIAN_PX else value
    threshold = otsu(smooth)
    return TissueMask(smooth > max(threshold, _NOISE), scale, threshold, dark)


def saturation(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Saturation (of HSV), 0 to 255, of an RGB picture."""
    high = rgb.max(axis=2).astype(np.int32)
    low = rgb.min(axis=2).astype(np.int32)
    relative: NDArray[np.int32] = (high - low) * 255 // np.maximum(high, 1)
    return relative.astype(np.uint8)


def looks_fluorescent(rgb: NDArray[np.uint8]) -> bool:
    """True for a picture on a dark background."""
    brightest = rgb.max(axis=2)
    return bool(np.median(brightest) < _DARK and np.percentile(brightest, 10) < _DARK_LOW)


def otsu(values: NDArray[np.uint8]) -> int:
    """The threshold that parts values best into two classes; the upper one is what lies above it.

    >>> otsu(np.array([10, 11, 12, 200, 201], np.uint8))
    12
    """
    counts = np.bincount(values.ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    sum_below = np.cumsum(counts * np.arange(256))
    above = below[-1] - below
    parted = (below > 0) & (above > 0)
    if not parted.any():
        # One value everywhere: nothing lies above it.
        return int(values.flat[0]) if values.size else 0
    mean_gap = np.zeros(256)
    mean_gap[parted] = sum_below[parted] / below[parted] - (sum_below[-1] - sum_below[parted]) / above[parted]
    return int(np.argmax(below * above * mean_gap**2))
