"""A classical nucleus finder for H&E: the teacher of fields that nobody labelled.

Haematoxylin by colour deconvolution, a threshold that follows the field, and a cut half-way between
the places that lie deepest. What it is unsure of is filtered out by the caller's confidence.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from studio.cellseg.inputs import to_channels
from studio.cellseg.training.data import split_pieces


def otsu_threshold(values: NDArray[np.float32], bins: int = 256) -> float:
    """The threshold that best splits a histogram in two (Otsu 1979)."""
    low, high = np.percentile(values, (0.1, 99.9))
    if high <= low:
        return float(high)
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    sums = np.cumsum(counts * middles)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middles[int(np.nanargmax(spread[:-1]))])


def classical_nuclei(rgb: NDArray[np.uint8], diameter_px: float) -> NDArray[np.int32]:
    """Labels of the nuclei in a brightfield H&E field.

    Args:
        rgb: (H, W, 3) uint8.
        diameter_px: usual nucleus diameter in pixels.

    Returns:
        (H, W) int32, 0 = background.
    """
    hematoxylin = to_channels(rgb, "hematoxylin")[0]
    smooth = ndimage.gaussian_filter(hematoxylin, diameter_px / 12)
    # Where the field is crowded its mean is high: a nucleus must beat both field and surroundings.
    around = ndimage.gaussian_filter(hematoxylin, diameter_px * 2)
    threshold = np.maximum(otsu_threshold(smooth) * 0.9, around * 1.15)
    mask = smooth > threshold
    mask = ndimage.binary_opening(mask, iterations=max(1, round(diameter_px / 12)))
    mask = ndimage.binary_fill_holes(mask)
    distance = ndimage.distance_transform_edt(mask)
    seeds_from = ndimage.gaussian_filter(distance, diameter_px / 10)
    size = max(3, round(diameter_px * 0.45) | 1)
    peaks = (seeds_from == ndimage.maximum_filter(seeds_from, size=size)) & (distance > diameter_px * 0.14)
    seeds, count = ndimage.label(ndimage.binary_dilation(peaks))
    if not count:
        return np.zeros(mask.shape, dtype=np.int32)
    # Every pixel goes to the nearest seed; a flood by grey values leaks into crowded neighbours.
    rows, cols = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    labels = split_pieces(np.where(mask, seeds[rows, cols], 0).astype(np.int32))
    return drop_implausible(labels, diameter_px)


def drop_implausible(labels: NDArray[np.int32], diameter_px: float) -> NDArray[np.int32]:
    """Labels without specks, giants and ragged shapes, renumbered from 1."""
    usual = np.pi / 4 * diameter_px**2
    out = np.zeros_like(labels)
    kept = 0
    for index, where in enumerate(ndimage.find_objects(labels), start=1):
        if where is None:
            continue
        cell = labels[where] == index
        area = int(cell.sum())
        if not 0.2 * usual <= area <= 4.0 * usual:
            continue
        contours, _ = cv2.findContours(cell.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        hull = cv2.contourArea(cv2.convexHull(max(contours, key=len)))
        if hull > 0 and area / (hull + diameter_px) < 0.75:
            continue
        # Walls and fibres are dark and long, but thin everywhere.
        if cv2.distanceTransform(np.pad(cell, 1).astype(np.uint8), cv2.DIST_L2, 5).max() < 0.22 * diameter_px:
            continue
        kept += 1
        out[where][cell] = kept
    return out
