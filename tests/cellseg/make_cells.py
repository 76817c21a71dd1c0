"""Label images with known cells, of any size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.source import MaskGeometry


def disk(radius: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return y * y + x * x <= radius * radius


def grid_cells(rows: int, cols: int, pitch: int = 30, radius: int = 9, seed: int = 0) -> NDArray[np.uint32]:
    """Disks about `pitch` pixels apart, numbered 1 to N by rows, moved a little at random; no two touch."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((rows, cols), np.uint32)
    shape = disk(radius)
    free = (pitch - 2 * radius - 1) // 2
    half = pitch // 2
    number = 0
    for row in range(half, rows - half, pitch):
        for col in range(half, cols - half, pitch):
            number += 1
            y, x = row + rng.integers(-free, free + 1), col + rng.integers(-free, free + 1)
            labels[y - radius : y + radius + 1, x - radius : x + radius + 1][shape] = number
    return labels


def voronoi_cells(rows: int, cols: int, count: int, seed: int = 0) -> NDArray[np.uint32]:
    """Touching cells of ragged shape with some background, numbered 1 to N, some in several parts and with holes."""
    from scipy.ndimage import gaussian_filter
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    points = rng.uniform((0, 0), (rows, cols), (count, 2))
    y, x = np.mgrid[:rows, :cols]
    noise = gaussian_filter(rng.normal(size=(rows, cols)), 3)
    noise *= 6 / np.abs(noise).max()
    at = np.stack([y + noise, x + noise[::-1]], axis=-1).reshape(-1, 2)
    distance, nearest = cKDTree(points).query(at)
    labels = (nearest + 1).reshape(rows, cols)
    labels[distance.reshape(rows, cols) > 1.1 * np.sqrt(rows * cols / count / np.pi)] = 0
    labels[rng.random((rows, cols)) < 0.01] = 0
    found, numbered = np.unique(labels, return_inverse=True)
    numbered = numbered.reshape(labels.shape)
    return (numbered + (1 if found[0] != 0 else 0)).astype(np.uint32)


def place(labels: NDArray[np.uint32], scale: float = 2.0, mpp: float | None = 0.5) -> MaskGeometry:
    """Masks with `scale` slide pixels to a pixel, beginning at slide pixel (10, 20)."""
    return MaskGeometry((labels.shape[0], labels.shape[1]), scale, scale, 10.0, 20.0, mpp)
