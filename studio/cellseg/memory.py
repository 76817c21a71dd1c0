"""Labels that are in memory: a preview, or arrays that somebody hands over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.source import MaskGeometry
from studio.core.geometry import overlap
from studio.errors import ResultFileError, UsageError


class ArraySource:
    """A `LabelSource` over arrays. They are not copied, so leave them as they are while this is in use.

    Coarser levels are every 2nd, 4th, … row and column, taken when asked for:
    nothing is built, and they equal those of a result file.

    Args:
        labels: (H, W) of any integer type, 0 = background.
        geometry: where they lie on the slide; `geometry.shape` must be theirs.
        flows: (H, W, 3) float (dY, dX, cell probability).
        centroids: (N, 2) row, column of the cells in ascending order of their labels; measured where missing.
    """

    def __init__(
        self,
        labels: NDArray[Any],
        geometry: MaskGeometry,
        flows: NDArray[Any] | None = None,
        centroids: NDArray[Any] | None = None,
    ) -> None:
        if labels.ndim != 2 or labels.dtype.kind not in "iub":
            raise UsageError(f"Masks are a 2-D array of whole numbers, not {labels.dtype} {labels.shape}.")
        if tuple(geometry.shape) != labels.shape:
            raise UsageError(f"The geometry is for masks of {geometry.shape}, these have {labels.shape}.")
        if flows is not None and flows.shape != (*labels.shape, 3):
            raise UsageError(f"The flows of masks of {labels.shape} have the shape {flows.shape}.")
        self.geometry = geometry
        self.labels = labels
        self.flows = flows
        self._centroids = None if centroids is None else np.asarray(centroids, np.float64).reshape(-1, 2)
        self._closed = False

    @property
    def cells(self) -> int:
        """How many cells there are; looked for in the labels where no centroids were given."""
        return len(self.centroids())

    @property
    def has_centroids(self) -> bool:
        """Whether centroids were given or have been measured."""
        return self._centroids is not None

    @property
    def level_count(self) -> int:
        """Levels of the pyramid; level k is 2**k times coarser (ceil(shape / 2**k))."""
        return self.geometry.levels

    @property
    def has_flows(self) -> bool:
        """Whether there are flows."""
        return self.flows is not None

    def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint32]:
        """Labels of a window at a level, (rows, cols) uint32, 0 outside."""
        labels = self.labels
        self._check_open()
        return _window(labels, np.dtype(np.uint32), level, (row, col), (rows, cols))

    def read_flow(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.float16]:
        """Flow of a window at a level, (rows, cols, 3) float16, 0 outside and where there are no flows."""
        flows = self.flows
        if flows is None:
            self._check_open()
            return np.zeros((rows, cols, 3), np.float16)
        return _window(flows, np.dtype(np.float16), level, (row, col), (rows, cols))

    def centroids(self, wsi_dim: bool = False) -> NDArray[np.float64]:
        """(N, 2): row, column in mask pixels; with `wsi_dim`, x, y in slide pixels."""
        if self._centroids is None:
            from studio.cellseg.measure import measure_labels

            self._centroids = measure_labels(self.read_labels, self.geometry.shape).centroids
        return self.geometry.slide_from_mask(self._centroids) if wsi_dim else self._centroids.copy()

    def close(self) -> None:
        """Let go of the arrays; reads afterwards raise."""
        self._closed = True
        self.labels = self.labels[:0]
        self.flows = None

    def _check_open(self) -> None:
        if self._closed:
            raise ResultFileError("These cells have been closed.")


def checked_masks(masks: Any) -> NDArray[np.uint32]:
    """An array of masks as uint32, (H, W), not copied if it is that already. Raises UsageError for anything else."""
    labels = np.asarray(masks)
    if labels.ndim != 2 or 0 in labels.shape or labels.dtype.kind not in "iub":
        raise UsageError(
            f"Masks are a 2-D array of whole numbers, 0 for the background and one number for each cell, not "
            f"{labels.dtype} of shape {labels.shape}."
        )
    if labels.dtype == np.uint32:
        return labels
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > np.iinfo(np.uint32).max:
        raise UsageError(f"Masks number the cells from 1, up to 4,294,967,295; these have {low:,} to {high:,}.")
    return labels.astype(np.uint32)


def placed_by(
    shape: tuple[int, ...], wsi_dim: Sequence[float] | None, wsi_offset: Sequence[float] | None, mpp: Any = None
) -> MaskGeometry:
    """The geometry of masks that cover `wsi_dim` (width, height) slide pixels from `wsi_offset` (x, y)."""
    width, height = (float(side) for side in (wsi_dim or (shape[1], shape[0])))
    x, y = (float(value) for value in (wsi_offset or (0, 0)))
    if not (width > 0 and height > 0 and math.isfinite(width + height + x + y)):
        raise UsageError(f"Masks can't cover {width:g} × {height:g} slide pixels from {x:g}, {y:g}.")
    mpp = float(mpp) if isinstance(mpp, int | float) and mpp > 0 else None
    return MaskGeometry((shape[0], shape[1]), width / shape[1], height / shape[0], x, y, mpp)


def _window(
    array: NDArray[Any], dtype: np.dtype[Any], level: int, at: tuple[int, int], size: tuple[int, int]
) -> NDArray[Any]:
    """A window of every 2**level-th row and column, 0 outside."""
    coarse = array[:: 1 << level, :: 1 << level]
    out = np.zeros((*size, *array.shape[2:]), dtype)
    top, bottom = overlap(at[0], at[0] + size[0], 0, coarse.shape[0])
    left, right = overlap(at[1], at[1] + size[1], 0, coarse.shape[1])
    out[top - at[0] : bottom - at[0], left - at[1] : right - at[1]] = coarse[top:bottom, left:right]
    return out
