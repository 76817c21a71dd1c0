"""The cells of a view that is being tuned: they grow block by block, and change with the thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry

Rect = tuple[float, float, float, float]


class TunedSource(ArraySource):
    """An `ArraySource` whose cells may be replaced while they are drawn. `add` and `put` on the main thread only.

    Begins without a cell.
    """

    labels: NDArray[np.unsignedinteger[Any]]

    def __init__(self, geometry: MaskGeometry) -> None:
        rows, cols = geometry.shape
        super().__init__(
            np.zeros((rows, cols), np.uint32),
            geometry,
            flows=np.zeros((rows, cols, 3), np.float16),
            centroids=np.zeros((0, 2)),
        )

    @property
    def cells(self) -> int:
        """How many cells there are now."""
        return 0 if self._centroids is None else len(self._centroids)

    @property
    def rect_slide(self) -> Rect:
        """x, y, width, height in slide pixels of all of it."""
        return self._rect_of(0, 0, self.geometry.shape)

    def add(self, block: dict[str, Any]) -> Rect:
        """Take in a finished block; returns where it lies (x, y, width, height in slide pixels).

        Args:
            block: what `studio.cellseg.tunetasks.view_task` emits: row, col, labels, flows, centroids.
        """
        row, col, labels = block["row"], block["col"], block["labels"]
        at = (slice(row, row + labels.shape[0]), slice(col, col + labels.shape[1]))
        self.labels[at] = labels
        if self.flows is not None:
            self.flows[at] = block["flows"]
        assert self._centroids is not None
        self._centroids = np.concatenate([self._centroids, block["centroids"]])
        return self._rect_of(row, col, labels.shape)

    def put(
        self,
        labels: NDArray[np.unsignedinteger[Any]],
        flows: NDArray[np.float16] | None,
        centroids: NDArray[np.float64],
    ) -> None:
        """Have these cells in place of the ones before; `flows` None: the flows stay."""
        # Readers take each array once, so each is replaced and none is written into.
        self.labels = labels
        self._centroids = np.asarray(centroids, np.float64).reshape(-1, 2)
        if flows is not None:
            self.flows = flows

    def frozen(self) -> ArraySource:
        """The cells as they are now, which stay so whatever becomes of these."""
        return ArraySource(self.labels.copy(), self.geometry, self.flows, self._centroids)

    def _rect_of(self, row: int, col: int, shape: tuple[int, ...]) -> Rect:
        place = self.geometry
        return (
            place.offset_x + col * place.scale_x,
            place.offset_y + row * place.scale_y,
            shape[1] * place.scale_x,
            shape[0] * place.scale_y,
        )
