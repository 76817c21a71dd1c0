"""Where an overlay's pixels come from: a preview, a run under way, a result file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


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
