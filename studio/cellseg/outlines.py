"""Contours of all cells, block by block, so that memory doesn't grow with the slide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.trace import UNIT, trace_window

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress

BLOCK = 2048
"""Side of the blocks of mask pixels; a cell is traced with the block that holds its box's upper left corner."""

_GIANT = 2048
"""Cells with a longer side are traced by themselves, from a level on which they aren't longer."""

_GIANTS_ALONE = 256
"""More of them are traced together, from a level on which all masks are about that small."""


@dataclass(frozen=True, slots=True)
class Rings:
    """Contours of some cells; see `studio.cellseg.trace` for what a ring is."""

    rows: NDArray[np.int64]
    """(n,) the cells' rows in the cell table."""
    points: NDArray[np.int32]
    """(P, 2) x, y in quarters (1 / UNIT) of a mask pixel."""
    starts: NDArray[np.int64]
    """(R,) first point of each ring; a cell's rings follow one another, each outer one with its holes behind it."""
    stops: NDArray[np.int64]
    """(R,) one past its last point."""
    areas: NDArray[np.float64]
    """(R,) signed area of each ring in mask pixels: positive outside, negative round a hole."""
    cell_starts: NDArray[np.int64]
    """(n + 1,) first ring of each cell."""

    def largest(self) -> NDArray[np.int64]:
        """(n,) the outer ring of each cell's largest part; -1 for a cell without pixels."""
        best = np.full(len(self.rows), -1, np.int64)
        cell_of = np.repeat(np.arange(len(self.rows)), np.diff(self.cell_starts))
        # The last of equal indices wins: the largest, and of equals the first.
        order = np.lexsort((-np.arange(len(self.areas)), self.areas))
        best[cell_of[order]] = order
        return best


class Outlines(Sequence[NDArray[np.float32]]):
    """Outer contours by the cells' order, each an (n, 2) float32 array of x, y in mask pixels.

    Pixel (r, c) spans c to c + 1 in x and r to r + 1 in y. Of a cell in
    several parts it is the largest; a cell without pixels has 0 points.
    """

    def __init__(self, points: NDArray[np.int32], starts: NDArray[np.int64]) -> None:
        self._points = points
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.float32]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"there are {len(self):,} outlines, none with index {index}")
        return self._points[self._starts[at] : self._starts[at + 1]].astype(np.float32) / np.float32(UNIT)


def traced(
    segmentation: Segmentation, progress: Progress, window: tuple[int, int, int, int] | None = None
) -> Iterator[Rings]:
    """Rings of all cells, or of those whose centroid lies in a window (row, col, rows, cols), in blocks.

    Counts a step for each block of the mask on `progress`.
    """
    ids = segmentation.ids
    boxes = _checked_boxes(segmentation)
    rows = np.arange(len(ids))
    if window is not None:
        points = segmentation.centroids() - window[:2]
        rows = rows[((points >= -0.5) & (points < np.array(window[2:]) - 0.5)).all(axis=1)]
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    giants, rows = rows[sides[rows] > _GIANT], rows[sides[rows] <= _GIANT]
    height, width = (-(-side // BLOCK) for side in segmentation.geometry.shape)
    block = boxes[rows, 0] // BLOCK * width + boxes[rows, 1] // BLOCK
    rows = rows[np.argsort(block, kind="stable")]
    bounds = np.searchsorted(np.sort(block), np.arange(height * width + 1))
    progress.start(height * width, "Tracing outlines")
    for n in range(height * width):
        mine = rows[bounds[n] : bounds[n + 1]]
        if len(mine):
            yield _trace(segmentation, ids, boxes, mine, 0)
        progress.advance()
    if len(giants) <= _GIANTS_ALONE:
        for row in giants:
            yield _trace(segmentation, ids, boxes, np.array([row]), _level_for(segmentation, int(sides[row])))
    else:
        yield _trace(segmentation, ids, boxes, giants, _level_for(segmentation, max(segmentation.geometry.shape)))


def trace_all(segmentation: Segmentation, progress: Progress) -> Outlines:
    """The outer contour of every cell."""
    count = segmentation.cells
    lengths = np.zeros(count, np.int64)
    pieces: list[tuple[NDArray[np.int64], NDArray[np.int32]]] = []
    for rings in traced(segmentation, progress):
        best = rings.largest()
        has = best >= 0
        starts, stops = rings.starts[best[has]], rings.stops[best[has]]
        rows = rings.rows[has]
        lengths[rows] = stops - starts
        pieces.append((rows, rings.points[_ranges(starts, stops)]))
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    points = np.empty((int(offsets[-1]), 2), np.int32)
    for rows, part in pieces:
        points[_ranges(offsets[rows], offsets[rows] + lengths[rows])] = part
    return Outlines(points, offsets)


def _ranges(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of several half-open ranges one after the other."""
    lengths = stops - starts
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.asarray(np.arange(total) + np.repeat(starts - (ends - lengths), lengths), np.int64)


def _checked_boxes(segmentation: Segmentation) -> NDArray[np.int32]:
    """The cells' boxes, (N, 4), within the mask whatever the file says; empty ones at 0, 0."""
    boxes = np.array(segmentation.cell_table["bbox"], np.int64)
    if boxes.shape != (segmentation.cells, 4):
        boxes = np.array(segmentation.measured_column("bbox"), np.int64)
    rows, cols = segmentation.geometry.shape
    boxes[:, ::2] = boxes[:, ::2].clip(0, rows)
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, cols)
    boxes[(boxes[:, 2:] <= boxes[:, :2]).any(axis=1)] = 0
    return boxes.astype(np.int32)


def _level_for(segmentation: Segmentation, side: int) -> int:
    """The finest level on which a length of mask pixels isn't above _GIANT."""
    return min(segmentation.level_count - 1, ((side - 1) // _GIANT).bit_length())


def _trace(
    segmentation: Segmentation, ids: NDArray[np.uint32], boxes: NDArray[np.int32], rows: NDArray[np.int64], level: int
) -> Rings:
    """Rings of the cells in some rows, traced in one window of a level."""
    rows = np.sort(rows)
    mine = boxes[rows]
    real = mine[(mine[:, 2:] > mine[:, :2]).all(axis=1)]
    step = 1 << level
    top, left = (int(side) // step for side in real[:, :2].min(axis=0, initial=1 << 30))
    bottom, right = (-(-int(side) // step) for side in real[:, 2:].max(axis=0, initial=0))
    labels = segmentation.read_labels(level, top, left, max(0, bottom - top), max(0, right - left))
    points, bounds, owners, areas = trace_window(labels, top, left, ids[rows])
    order = np.lexsort((np.arange(len(areas)), owners[:, 1], owners[:, 0]))
    return Rings(
        rows,
        points * np.int32(step),
        bounds[:-1][order],
        bounds[1:][order],
        areas[order] * step * step,
        np.searchsorted(owners[order, 0], np.arange(len(rows) + 1)),
    )
