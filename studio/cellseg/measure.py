"""Shape of every cell, from one pass over the labels in windows of bounded size.

A cell is put together from what each window has of it: counts and integer
sums, which add up exactly, so the outcome doesn't depend on the windows.
Numbers may have gaps and may be as large as they like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg.source import MaskGeometry

if TYPE_CHECKING:
    from studio.cellseg.memory import ArraySource
    from studio.cellseg.resultfile import ResultFile
    from studio.core.jobs import Progress

WINDOW = 2048
"""Side of a window: 16 MB of labels."""

_AREA, _ROW, _COL, _ROW2, _COL2, _ROWCOL, _STRAIGHT, _CORNERS = range(8)
SUMS = 8

# Kulpa 1977, Comput. Graph. Image Process. 6:434: lengths of the steps of a digital contour that make
# the perimeter right on average over all directions.
_STRAIGHT_PX = 0.948
_CORNER_PX = 1.340 / 2

ReadLabels = Callable[[int, int, int, int, int], NDArray[np.uint32]]
"""`read_labels` of a LabelSource: level, row, col, rows, cols."""

Occupied = Callable[[int, int, int, int], bool]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found, a row for each cell in ascending order of its number. Lengths are in mask pixels."""

    ids: NDArray[np.uint32]
    centroids: NDArray[np.float64]
    """(N, 2) row, column; (0, 0) is the middle of the first pixel."""
    bbox: NDArray[np.int32]
    """(N, 4) top, left, bottom, right; half-open."""
    area: NDArray[np.int64]
    perimeter: NDArray[np.float64]
    """Of the outside and of holes (Kulpa's estimator)."""
    major: NDArray[np.float64]
    """Axes of the ellipse with the same second moments."""
    minor: NDArray[np.float64]

    @property
    def eccentricity(self) -> NDArray[np.float64]:
        """Of that ellipse; 0 for a circle."""
        ratio = self.minor / np.maximum(self.major, 1e-12)
        return np.asarray(np.sqrt(np.maximum(0.0, 1.0 - ratio * ratio)), np.float64)

    @property
    def largest(self) -> int:
        """The largest number; equal to how many there are where they have no gaps."""
        return int(self.ids[-1]) if len(self.ids) else 0

    def spread(self, cells: int) -> Measured:
        """The same with a row for each of 1 to `cells`; all 0 for a cell that has no pixel."""
        if self.largest == len(self.ids) == cells:
            return self

        def at_rows(values: NDArray[Any]) -> NDArray[Any]:
            out = np.zeros((cells, *values.shape[1:]), values.dtype)
            out[self.ids.astype(np.int64) - 1] = values
            return out

        tables: list[NDArray[Any]] = [self.centroids, self.bbox, self.area, self.perimeter, self.major, self.minor]
        return Measured(np.arange(1, cells + 1, dtype=np.uint32), *(at_rows(table) for table in tables))

    def columns(self, geometry: MaskGeometry) -> dict[str, NDArray[Any]]:
        """Columns for a result file: areas and lengths in µm where the pixel size is known, else in mask pixels."""
        px_um = geometry.mpp
        unit, length = ("px", 1.0) if px_um is None else ("um", px_um)
        # An anisotropic mask's mpp is that of x.
        area = 1.0 if px_um is None else px_um * px_um * geometry.scale_y / geometry.scale_x
        return {
            f"area_{unit}2": (self.area * area).astype(np.float32),
            f"perimeter_{unit}": (self.perimeter * length).astype(np.float32),
            f"major_{unit}": (self.major * length).astype(np.float32),
            f"minor_{unit}": (self.minor * length).astype(np.float32),
            "eccentricity": self.eccentricity.astype(np.float32),
            "bbox": self.bbox,
        }


def windows(shape: tuple[int, int], side: int = WINDOW) -> Iterator[tuple[int, int, int, int]]:
    """(row, col, rows, cols) of windows that share out a picture, rows first."""
    for row in range(0, shape[0], side):
        for col in range(0, shape[1], side):
            yield row, col, min(side, shape[0] - row), min(side, shape[1] - col)


def measure_labels(
    read_labels: ReadLabels,
    shape: tuple[int, int],
    *,
    occupied: Occupied = lambda *_window: True,
    advance: Callable[[], None] = lambda: None,
    side: int = WINDOW,
) -> Measured:
    """Measure all cells.

    Args:
        read_labels: of a LabelSource; 0 outside.
        shape: rows and columns of the mask.
        occupied: whether a window can hold anything; the others are left out.
        advance: called after each window; what it raises stops the work.
        side: side of a window.
    """
    ids: list[NDArray[np.uint32]] = []
    sums: list[NDArray[np.int64]] = []
    boxes: list[NDArray[np.int32]] = []
    for row, col, rows, cols in windows(shape, side):
        # The rim above and to the left is there for the perimeter: each 2 x 2 window is counted where its last
        # pixel lies, those that reach over the lower and right edge by the last windows.
        rows += row + rows == shape[0]
        cols += col + cols == shape[1]
        if occupied(max(0, row - 1), max(0, col - 1), rows + 1, cols + 1):
            labels = read_labels(0, row - 1, col - 1, rows + 1, cols + 1)
            found = distinct(labels)
            if len(found):
                part, box = tally(labels, found, row - 1, col - 1)
                ids.append(found)
                sums.append(part)
                boxes.append(box)
        advance()
    return _put_together(ids, sums, boxes)


def measure_source(source: ArraySource | ResultFile, progress: Progress) -> Measured:
    """Measure the cells of a source; where it lists its cells 1 to N, with a row for each of them.

    Raises ResultFileError where the masks of a file of ours have others.
    """
    from studio.cellseg.resultfile import ResultFile

    shape = source.geometry.shape
    progress.start(-(-shape[0] // WINDOW) * -(-shape[1] // WINDOW), "Measuring cells")
    if not isinstance(source, ResultFile):
        measured = measure_labels(source.read_labels, shape, advance=progress.advance)
        listed = source.cells if source.has_centroids else 0
        return measured.spread(listed) if measured.largest <= listed else measured
    measured = measure_labels(source.read_labels, shape, occupied=source.occupied, advance=progress.advance)
    if source.foreign or source.cells < 0:
        return measured
    if measured.largest > source.cells:
        raise source.archive.damaged(f"it lists {source.cells:,} cells, but its masks show number {measured.largest:,}")
    return measured.spread(source.cells)


def distinct(labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The numbers in a window, ascending, without 0."""
    return np.asarray(np.unique(_run_starts(labels)), np.uint32)


@njit(cache=True, nogil=True)
def _run_starts(labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Numbers that begin a run of equal pixels in a row and aren't above themselves."""
    height, width = labels.shape
    total = 0
    for y in range(height):
        last = np.uint32(0)
        for x in range(width):
            label = labels[y, x]
            total += label != last
            last = label
    found = np.empty(total, np.uint32)
    count = 0
    for y in range(height):
        last = np.uint32(0)
        for x in range(width):
            label = labels[y, x]
            if label != last:
                last = label
                if label != 0 and (y == 0 or labels[y - 1, x] != label):
                    found[count] = label
                    count += 1
    return found[:count]


@njit(cache=True, nogil=True)
def place_in(ids: NDArray[np.uint32], label: int) -> int:
    """Index of a number in an ascending list that has it."""
    low, high = 0, ids.size - 1
    while low < high:
        middle = (low + high) // 2
        if ids[middle] < label:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def tally(labels, ids, top, left):  # type: ignore[no-untyped-def]
    """Sums (n, SUMS) int64 and boxes (n, 4) int32 of the cells in a window.

    Its first row and column belong to its neighbours and lie at (top, left).
    """
    height, width = labels.shape
    sums = np.zeros((ids.size, SUMS), np.int64)
    boxes = np.empty((ids.size, 4), np.int32)
    boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3] = 2147483647, 2147483647, -1, -1
    last = np.uint32(0)
    k = 0
    for v in range(1, height):
        y = np.int64(top + v)
        for u in range(1, width):
            d = labels[v, u]
            if d != 0:
                if d != last:
                    last = d
                    k = place_in(ids, d)
                x = np.int64(left + u)
                row = sums[k]
                row[_AREA] += 1
                row[_ROW] += y
                row[_COL] += x
                row[_ROW2] += y * y
                row[_COL2] += x * x
                row[_ROWCOL] += x * y
                box = boxes[k]
                box[0] = min(box[0], y)
                box[1] = min(box[1], x)
                box[2] = max(box[2], y + 1)
                box[3] = max(box[3], x + 1)
            a, b, c = labels[v - 1, u - 1], labels[v - 1, u], labels[v, u - 1]
            if a != d or b != d or c != d:
                _count_steps(sums, ids, a, b, c, d)
    return sums, boxes


@njit(cache=True, nogil=True)
def _count_steps(sums, ids, a, b, c, d):  # type: ignore[no-untyped-def]
    """Count the contour steps of each cell in a 2 x 2 window (a b / c d)."""
    corners = (a, b, c, d)
    for n in range(4):
        label = corners[n]
        if label == 0 or (n > 0 and label == a) or (n > 1 and label == b) or (n > 2 and label == c):
            continue
        count = 0
        for m in range(4):
            count += corners[m] == label
        k = place_in(ids, label)
        if count == 2 and not (a == d == label or b == c == label):
            sums[k, _STRAIGHT] += 1
        else:
            sums[k, _CORNERS] += 2 if count == 2 else 1


def _put_together(
    ids: list[NDArray[np.uint32]], sums: list[NDArray[np.int64]], boxes: list[NDArray[np.int32]]
) -> Measured:
    if not ids:
        none = np.zeros(0)
        return Measured(
            np.zeros(0, np.uint32),
            np.zeros((0, 2)),
            np.zeros((0, 4), np.int32),
            np.zeros(0, np.int64),
            none,
            none,
            none,
        )
    pieces = np.concatenate(ids)
    order = np.argsort(pieces, kind="stable")
    pieces = pieces[order]
    first = np.flatnonzero(np.concatenate(([True], pieces[1:] != pieces[:-1])))
    total = np.add.reduceat(np.concatenate(sums)[order], first, axis=0)
    box = np.concatenate(boxes)[order]
    bbox = np.concatenate(
        [np.minimum.reduceat(box[:, :2], first, axis=0), np.maximum.reduceat(box[:, 2:], first, axis=0)], axis=1
    )
    # A number seen on the rim only is its neighbour's there, and always also counted by that.
    return shapes(pieces[first], total, bbox)


def shapes(ids: NDArray[np.uint32], total: NDArray[np.int64], bbox: NDArray[np.int32]) -> Measured:
    """What the sums of `tally` over all windows say of cells that have pixels."""
    area = total[:, _AREA]
    centroids = total[:, [_ROW, _COL]] / area[:, None]
    major, minor = _axes(total, centroids)
    perimeter = total[:, _STRAIGHT] * _STRAIGHT_PX + total[:, _CORNERS] * _CORNER_PX
    return Measured(ids, centroids, bbox, area, perimeter, major, minor)


def _axes(total: NDArray[np.int64], centroids: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Full axes of the ellipses with the cells' second moments; a pixel counts as a square."""
    area = total[:, _AREA]
    var_y = np.maximum(0.0, total[:, _ROW2] / area - centroids[:, 0] ** 2) + 1 / 12
    var_x = np.maximum(0.0, total[:, _COL2] / area - centroids[:, 1] ** 2) + 1 / 12
    cov = total[:, _ROWCOL] / area - centroids[:, 0] * centroids[:, 1]
    middle, spread = (var_y + var_x) / 2, np.sqrt(((var_y - var_x) / 2) ** 2 + cov**2)
    return 4 * np.sqrt(middle + spread), 4 * np.sqrt(np.maximum(middle - spread, 0.0))


@njit(cache=True, nogil=True)
def renumber(labels: NDArray[np.uint32], ids: NDArray[np.uint32], new: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Labels with `new[k]` in place of `ids[k]` (ascending), and 0 in place of what isn't in `ids`."""
    out = np.zeros(labels.shape, np.uint32)
    if ids.size == 0:
        return out
    last, becomes = np.uint32(0), np.uint32(0)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label == 0:
                continue
            if label != last:
                last = label
                k = place_in(ids, label)
                becomes = new[k] if ids[k] == label else np.uint32(0)
            out[y, x] = becomes
    return out
