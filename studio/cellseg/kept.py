"""Labels of which only some cells are shown, without a copy of the mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.measure import renumber


class KeptCells:
    """The cells that are kept: their numbers, ascending, uint32."""

    def __init__(self, ids: NDArray[np.uint32]) -> None:
        self.ids = np.ascontiguousarray(ids, np.uint32)

    def __call__(self, labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Labels (H, W) with 0 in place of every cell that isn't kept."""
        return np.asarray(renumber(np.ascontiguousarray(labels), self.ids, self.ids), np.uint32)


class KeptLabels:
    """A lazy array of labels with only the kept cells; indexed as the array behind it."""

    def __init__(self, labels: Any, kept: KeptCells) -> None:
        self._labels = labels
        self._kept = kept
        self.shape: tuple[int, int] = labels.shape
        self.dtype = np.dtype(np.uint32)
        self.ndim = 2

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        values = np.asarray(self._labels[key], np.uint32)
        return self._kept(values.reshape(1, -1)).reshape(values.shape)[()]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole: NDArray[Any] = self[...]
        return whole if dtype is None else whole.astype(dtype)
