"""A stand-in for a network: finds bright blobs in the first channel, in a thousandth of the time.

For measuring and testing all that is not the network, on slides of any size. Its output has the form of a real
network's, and its cells are real cells: each goes uphill to its own maximum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.networks import padded

SIGMA_PX = 3.0
"""Blur before maxima are looked for; fits cells of about 15 to 30 pixels."""
THRESHOLD = 0.45
"""Of a normalised channel; above it is foreground."""
_STEEPNESS = np.float32(20.0)


class BlobNetwork:
    """See `studio.cellseg.networks.Network`. A tile's output depends on that tile alone, to the last bit."""

    def __init__(self, tile_px: int = 256, batch: int = 4) -> None:
        self.backend = "blobs"
        self.tile_px, self.batch, self.at_once = tile_px, batch, 1

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 2, T, T) to (B, 3, T, T)."""
        import cv2

        out = np.empty((len(x), 3, self.tile_px, self.tile_px), np.float32)
        for tile, result in zip(padded(x, self.batch, self.tile_px), out, strict=False):
            smooth = cv2.GaussianBlur(tile[0], (0, 0), SIGMA_PX, borderType=cv2.BORDER_REFLECT)
            result[0] = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, borderType=cv2.BORDER_REFLECT)
            result[1] = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, borderType=cv2.BORDER_REFLECT)
            result[:2] *= 5 / (np.sqrt(result[0] ** 2 + result[1] ** 2) + np.float32(1e-3))
            result[2] = (smooth - np.float32(THRESHOLD)) * _STEEPNESS
        return out

    def style(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 2, T, T) to (B, 256); says nothing."""
        return np.full((len(x), 256), 1 / 16, np.float32)
