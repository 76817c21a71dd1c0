"""Where an overlay's pixels come from: a preview, a run under way, a result file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import overlap

SMALLEST_LEVEL = 512
"""A pyramid ends with the first level whose longer side isn't above this."""


@dataclass(frozen=True, slots=True)
class MaskGeometry:
    """Where a mask lies on its slide.

    Mask pixel (row r, column c) covers the slide rectangle that begins at
    `(offset_x + c * scale_x, offset_y + r * scale_y)` in level-0 pixels.
    """

    shape: tuple[int, int]
    """(rows, columns) of the finest mask."""
    scale_x: float
    scale_y: float
    offset_x: float = 0.0
    offset_y: float = 0.0
    mpp: float | None = None
    """Micrometres per mask pixel."""

    @property
    def levels(self) -> int:
        """Levels of the pyramid: halved until the longer side is `SMALLEST_LEVEL` or less."""
        side, levels = max(self.shape), 1
        while side > SMALLEST_LEVEL:
            side, levels = -(-side // 2), levels + 1
        return levels

    @property
    def rect_slide(self) -> tuple[float, float, float, float]:
        """x, y, width, height in slide pixels of what the mask spans."""
        return self.offset_x, self.offset_y, self.shape[1] * self.scale_x, self.shape[0] * self.scale_y

    def slide_from_mask(self, points_mask: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) x, y in slide pixels of (N, 2) row, column, where (0, 0) is the middle of the first mask pixel."""
        points = np.empty((len(points_mask), 2), np.float64)
        points[:, 0] = self.offset_x + (points_mask[:, 1] + 0.5) * self.scale_x
        points[:, 1] = self.offset_y + (points_mask[:, 0] + 0.5) * self.scale_y
        return points

    def window_of(self, rect_slide: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
        """(row, column, rows, columns) of the mask pixels that a slide rectangle (x, y, width, height) touches.

        Cut to the mask; rows or columns are 0 where they don't meet.
        """
        x, y, width, height = rect_slide
        left, right = self._span(x, width, self.offset_x, self.scale_x, self.shape[1])
        top, bottom = self._span(y, height, self.offset_y, self.scale_y, self.shape[0])
        return top, left, bottom - top, right - left

    @staticmethod
    def _span(start: float, length: float, offset: float, scale: float, size: int) -> tuple[int, int]:
        first = math.floor((start - offset) / scale)
        stop = math.ceil((start + length - offset) / scale)
        return overlap(first, max(first, stop), 0, size)


class LabelSource(Protocol):
    """Anything whose labels can be drawn. Reads are thread-safe and never on the drawing thread."""

    @property
    def geometry(self) -> MaskGeometry:
        """Place of the finest level on the slide."""

    @property
    def cells(self) -> int:
        """How many cells there are."""

    @property
    def level_count(self) -> int:
        """Levels of the pyramid; level k is 2**k times coarser (ceil(shape / 2**k))."""

    @property
    def has_flows(self) -> bool:
        """Whether `read_flow` gives anything."""

    def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint32]:
        """Labels of a window at a level, 0 = background and outside; always (rows, cols)."""

    def read_flow(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.float16]:
        """Unit-scale flow (dY, dX, cell probability) of a window, (rows, cols, 3) float16, 0 outside."""

    def centroids(self, wsi_dim: bool = False) -> NDArray[np.float64]:
        """(N, 2): row, column in mask pixels; with `wsi_dim`, x, y in slide pixels."""

    def close(self) -> None:
        """Free what is held; reads afterwards raise."""
