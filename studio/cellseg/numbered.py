"""Shape of every cell of masks numbered 1 to N, a piece at a time; few are in memory where numbers go with rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.measure import (
    SUMS,
    WINDOW,
    Measured,
    Occupied,
    ReadLabels,
    distinct,
    shapes,
    tally,
    windows,
)
from studio.cellseg.resultwrite import TABLE_ROWS


def measure_numbered(
    read_labels: ReadLabels,
    shape: tuple[int, int],
    cells: int,
    still_to_come: Callable[[int], int],
    *,
    occupied: Occupied = lambda *_window: True,
    advance: Callable[[], None] = lambda: None,
    side: int = WINDOW,
    rows: int = TABLE_ROWS,
) -> Iterator[Measured]:
    """Measure cells 1 to `cells`, so many in each piece and in order; one empty piece where there are none.

    A cell without a pixel is all 0, as in `Measured.spread`.

    Args:
        read_labels: of a LabelSource; 0 outside.
        shape: rows and columns of the mask.
        cells: the largest number that the masks may have.
        still_to_come: a number below which there is none in this row of pixels and those after it.
        occupied: whether a window can hold anything; the others are left out.
        advance: called after each window; what it raises stops the work.
        side: side of a window.
        rows: cells in a piece.
    """
    open_ = _Open()
    left = cells
    for row, col, height, width in windows(shape, side):
        # As in `measure_labels`.
        height += row + height == shape[0]
        width += col + width == shape[1]
        if occupied(max(0, row - 1), max(0, col - 1), height + 1, width + 1):
            labels = read_labels(0, row - 1, col - 1, height + 1, width + 1)
            found = distinct(labels)
            if len(found):
                open_.add(found, *tally(labels, found, row - 1, col - 1))
        advance()
        if col + side >= shape[1]:
            # The next windows look at the last row of these once more.
            complete = still_to_come(row + side - 1) if row + side < shape[0] else cells + 1
            while left > rows and complete - open_.first >= rows:
                yield open_.take(rows)
                left -= rows
    while left > rows:
        yield open_.take(rows)
        left -= rows
    yield open_.take(left)


class _Open:
    """Sums of cells that may still have pixels elsewhere."""

    def __init__(self) -> None:
        self.first = 1
        """Number of the first of them."""
        self._sums = np.zeros((0, SUMS), np.int64)
        self._boxes = np.zeros((0, 4), np.int32)

    def add(self, ids: NDArray[np.uint32], sums: NDArray[np.int64], boxes: NDArray[np.int32]) -> None:
        """What a window has of these cells."""
        at = ids.astype(np.int64) - self.first
        if at[0] < 0:
            raise ValueError(f"cell {ids[0]} turned up again, after all of it was said to be known")
        self._reach(int(at[-1]) + 1)
        known = self._boxes[at]
        # A cell that has had no pixel yet has the box 0, 0, 0, 0.
        new = known[:, 2] == 0
        known[:, :2] = np.where(new[:, None], boxes[:, :2], np.minimum(known[:, :2], boxes[:, :2]))
        known[:, 2:] = np.maximum(known[:, 2:], boxes[:, 2:])
        self._sums[at] += sums
        self._boxes[at] = known

    def take(self, count: int) -> Measured:
        """The first so many of them, which are complete."""
        self._reach(count)
        sums, boxes = self._sums[:count], self._boxes[:count]
        self._sums, self._boxes = self._sums[count:].copy(), self._boxes[count:].copy()
        at = np.flatnonzero(sums[:, 0])
        ids = (at + 1).astype(np.uint32)
        measured = shapes(ids, sums[at], boxes[at]).spread(count)
        self.first += count
        return measured

    def _reach(self, count: int) -> None:
        """Have room for so many."""
        more = count - len(self._sums)
        if more > 0:
            # A quarter more, so that it isn't done for each window.
            more = max(more, count // 4)
            self._sums = np.concatenate([self._sums, np.zeros((more, SUMS), np.int64)])
            self._boxes = np.concatenate([self._boxes, np.zeros((more, 4), np.int32)])
