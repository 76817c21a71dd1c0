"""Synthetic nuclei in real tissue: the gaps of a field, in its own texture and stain, get nuclei that are known."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.cellseg.training.augment import EMPTY_OD, optical_density
from studio.cellseg.training.generator import chromatin, place_nuclei

DEPTHS = (0.45, 1.1)
"""Stain of a planted nucleus over that of the field's own: mostly paler, for pale ones are those that get missed."""
MOST_AREA = 0.25
_HEMATOXYLIN = np.array([0.75, 0.81, 0.33], np.float32)
"""Optical density (natural logarithm) that nuclei add where a field has none of its own."""
_ENOUGH_PX = 200


def plant(
    rng: np.random.Generator,
    rgb: NDArray[np.uint8],
    cells: NDArray[np.bool_],
    sure: NDArray[np.bool_],
    diameter_px: float,
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The H&E field with nuclei added, and (H, W) int32 labels of the new ones alone.

    Args:
        rng: decides where, how many, how pale.
        rgb: (H, W, 3) uint8, square.
        cells: the field's own nuclei.
        sure: where the labels are to be trusted; nothing is planted elsewhere.
        diameter_px: usual diameter.
    """
    labels = place_nuclei(rng, rgb.shape[0], diameter_px * float(np.exp(rng.normal(0, 0.15))), MOST_AREA)
    density = optical_density(rgb)
    mean_density = density.mean(axis=2)
    taken = np.asarray(cv2.dilate((cells | ~sure).astype(np.uint8), np.ones((3, 3), np.uint8))) > 0
    # On glass there is no tissue for a nucleus to lie in.
    taken |= cv2.blur(mean_density, (9, 9)) < EMPTY_OD
    labels[np.isin(labels, np.unique(labels[taken & (labels > 0)]))] = 0
    gaps = sure & ~cells & (mean_density > EMPTY_OD)
    tint = _HEMATOXYLIN
    if cells.sum() > _ENOUGH_PX and gaps.sum() > _ENOUGH_PX:
        tint = np.clip(density[cells].mean(0) - density[gaps].mean(0), 0.05, None).astype(np.float32)
    depth = np.exp(rng.uniform(*np.log(DEPTHS)))
    stain = cv2.GaussianBlur(chromatin(rng, labels, diameter_px) * np.float32(depth), (0, 0), rng.uniform(0.5, 1.2))
    # A nucleus lies in place of cytoplasm as much as on top of it.
    thinned = density * (1 - rng.uniform(0, 0.4) * np.clip(stain, 0, 1)[..., None])
    out = np.clip(256 * np.exp(-(thinned + stain[..., None] * tint)) - 1, 0, 255).astype(np.uint8)
    return out, labels
