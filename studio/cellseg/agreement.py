"""How far two segmentations of a slide agree: which cells are the same, which changed, which only one of them has.

Both are read in windows of bounded size, so masks of any size can be compared;
what is kept is a few numbers for each cell.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.measure import windows
from studio.cellseg.result import Segmentation
from studio.cellseg.source import LabelSource, MaskGeometry
from studio.core.jobs import NullProgress, Progress
from studio.errors import UsageError

Rect = tuple[float, float, float, float]

MATCH = 0.5
"""IoU above which two cells are one; above one half no cell can match two others."""

SAME = 0.9
"""IoU of a matched pair from which on its outlines count as equal."""

WINDOW = 1024
"""Side of what is compared at a time: 8 MB of labels for each side, and as much again to sort."""

NEITHER, EQUAL, CHANGED, ALONE = range(4)
"""What became of a cell: not in the common area; matched with an IoU of `SAME` or more; with less; not matched."""

_COMPACT = 1 << 20


class Difference(NamedTuple):
    """A cell that isn't the same in both."""

    kind: str
    """`only A`, `only B` or `changed`."""
    cell_a: int
    """Its number in A, 0 where A hasn't got it."""
    cell_b: int
    x: float
    """Its middle, in slide pixels."""
    y: float
    diam_slide: float
    """Of a circle of its area, in slide pixels."""
    iou: float
    """0 without a partner."""


@dataclass(frozen=True, eq=False)
class Side:
    """The cells that one segmentation has in the common area, a row for each in ascending order of its number."""

    ids: NDArray[np.uint32]
    places: NDArray[np.float32]
    """(N, 2) x, y of the cells' middles in slide pixels."""
    area_slide: NDArray[np.float32]
    """Slide pixels covered."""
    kinds: NDArray[np.uint8]
    """`EQUAL`, `CHANGED` or `ALONE`."""

    def lookup(self) -> NDArray[np.uint8]:
        """The kind of each number from 0 on; `NEITHER` for the background and for cells outside the common area."""
        table = np.zeros(int(self.ids[-1]) + 1 if len(self.ids) else 1, np.uint8)
        table[self.ids] = self.kinds
        return table


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two segmentations, A and B, compared where both have masks."""

    rect_slide: Rect
    """The common area: x, y, width, height in slide pixels."""
    a: Side
    b: Side
    pairs: NDArray[np.int32]
    """(P, 2) rows in `a` and `b` of the cells that match."""
    iou: NDArray[np.float32]
    """(P,) of each pair: intersection over union."""

    @property
    def f1_50(self) -> float:
        """Twice the pairs with an IoU above 0.5 over the cells of both; 1 where neither has any."""
        both = len(self.a.ids) + len(self.b.ids)
        return 2 * len(self.pairs) / both if both else 1.0

    @property
    def median_iou(self) -> float | None:
        """Of the pairs; None without any."""
        return float(np.median(self.iou)) if len(self.iou) else None

    @property
    def changed(self) -> int:
        """Pairs with an IoU below `SAME`."""
        return int(np.count_nonzero(self.iou < SAME))

    @property
    def only_a(self) -> int:
        """Cells of A without a partner."""
        return len(self.a.ids) - len(self.pairs)

    @property
    def only_b(self) -> int:
        """Cells of B without a partner."""
        return len(self.b.ids) - len(self.pairs)

    def summary(self) -> dict[str, Any]:
        """The numbers, as JSON takes them."""
        return {
            "cells_a": len(self.a.ids),
            "cells_b": len(self.b.ids),
            "matched": len(self.pairs),
            "changed": self.changed,
            "only_a": self.only_a,
            "only_b": self.only_b,
            "f1_50": round(self.f1_50, 4),
            "median_iou": None if self.median_iou is None else round(self.median_iou, 4),
            "rect_slide": [round(value, 2) for value in self.rect_slide],
        }

    @property
    def differences(self) -> int:
        """How many cells aren't the same in both."""
        return self.changed + self.only_a + self.only_b

    def difference(self, index: int) -> Difference:
        """One of the differences; the first is the one that concerns most pixels."""
        kind, row = (int(column[index]) for column in self._by_size)
        if kind == 2:
            row_a, row_b = (int(each) for each in self.pairs[row])
            ids, side, at, iou = (self.a.ids[row_a], self.b.ids[row_b]), self.b, row_b, float(self.iou[row])
        else:
            side, at, iou = (self.a, self.b)[kind], row, 0.0
            ids = (side.ids[row], 0) if kind == 0 else (0, side.ids[row])
        x, y = side.places[at].tolist()
        diam = 2 * float(np.sqrt(side.area_slide[at] / np.pi))
        return Difference(("only A", "only B", "changed")[kind], int(ids[0]), int(ids[1]), x, y, diam, iou)

    @cached_property
    def _by_size(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Kind (0 only A, 1 only B, 2 changed) and row of each difference, the largest first."""
        alone = [np.flatnonzero(side.kinds == ALONE) for side in (self.a, self.b)]
        changed = np.flatnonzero(self.iou < SAME)
        area_a, area_b = (side.area_slide[self.pairs[changed, k]] for k, side in enumerate((self.a, self.b)))
        # What is in one of them only: union less intersection.
        apart = (area_a + area_b) * (1 - self.iou[changed]) / (1 + self.iou[changed])
        sizes = np.concatenate([self.a.area_slide[alone[0]], self.b.area_slide[alone[1]], apart])
        kinds = np.repeat(np.arange(3, dtype=np.uint8), [len(alone[0]), len(alone[1]), len(changed)])
        order = np.argsort(-sizes, kind="stable")
        return kinds[order], np.concatenate([*alone, changed])[order]


def compare(
    a: Segmentation | LabelSource | str | Path,
    b: Segmentation | LabelSource | str | Path,
    progress: Progress | None = None,
) -> Agreement:
    """Compare two segmentations of one slide, pixel by pixel of the finer of their masks.

    Cells that reach beyond the common area count with what lies in it. Memory
    grows with the number of cells, not with the masks.

    Args:
        a: the first, or the path of its result file.
        b: the second.
        progress: told how far it is; may cancel.

    Raises:
        UsageError: they have no area in common.
        ResultFileError: a file can't be read.

    >>> masks = np.zeros((20, 30), np.uint32)
    >>> masks[2:6, 3:9], masks[10:15, 20:24] = 1, 2
    >>> fewer = np.where(masks == 2, 0, masks)
    >>> agreement = compare(Segmentation(masks), Segmentation(fewer))
    >>> len(agreement.pairs), agreement.only_a, round(agreement.f1_50, 2)
    (1, 1, 0.67)
    """
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(Segmentation.load(each)) if isinstance(each, str | Path) else each for each in (a, b)
        )
        return _compare(first, second, progress or NullProgress())


def _compare(a: LabelSource, b: LabelSource, progress: Progress) -> Agreement:
    swapped = b.geometry.scale_x * b.geometry.scale_y < a.geometry.scale_x * a.geometry.scale_y
    lattice = _Lattice(b, a) if swapped else _Lattice(a, b)
    pairs = _tally_all(lattice, progress)
    if swapped:
        # Low and high half of the key change places.
        pairs = _Pairs(pairs.keys << np.uint64(32) | pairs.keys >> np.uint64(32), pairs.pixels, pairs.middles)
    return _matched(pairs, lattice)


class _Lattice:
    """The pixels of the finer mask whose middles lie on both, and where the coarser one has each of them."""

    def __init__(self, fine: LabelSource, coarse: LabelSource) -> None:
        self.fine, self.coarse = fine, coarse
        mine, other = fine.geometry, coarse.geometry
        self.row, self.rows = _on(mine.shape[0], mine.scale_y, mine.offset_y, other, vertical=True)
        self.col, self.cols = _on(mine.shape[1], mine.scale_x, mine.offset_x, other, vertical=False)
        if not (len(self.rows) and len(self.cols)):
            raise UsageError("These two segmentations lie on different parts of the slide: nothing can be compared.")

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.cols)

    @property
    def rect_slide(self) -> Rect:
        place = self.fine.geometry
        x, y = place.offset_x + self.col * place.scale_x, place.offset_y + self.row * place.scale_y
        return x, y, len(self.cols) * place.scale_x, len(self.rows) * place.scale_y

    def read(self, row: int, col: int, rows: int, cols: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]] | None:
        """Labels of both in a window of the lattice; None where neither has cells."""
        at_rows, at_cols = self.rows[row : row + rows], self.cols[col : col + cols]
        top, left = int(at_rows[0]), int(at_cols[0])
        theirs = (top, left, int(at_rows[-1]) - top + 1, int(at_cols[-1]) - left + 1)
        mine = (self.row + row, self.col + col, rows, cols)
        if not (_occupied(self.fine, mine) or _occupied(self.coarse, theirs)):
            return None
        window = self.coarse.read_labels(0, *theirs)
        if window.shape != (rows, cols):
            window = window[np.ix_(at_rows - top, at_cols - left)]
        return self.fine.read_labels(0, *mine), window


def _on(
    size: int, scale: float, offset: float, other: MaskGeometry, *, vertical: bool
) -> tuple[int, NDArray[np.int64]]:
    """The first pixel along an axis whose middle lies on the other mask, and the other's pixels from there on."""
    middles = offset + (np.arange(size) + 0.5) * scale
    start, step = (other.offset_y, other.scale_y) if vertical else (other.offset_x, other.scale_x)
    found = np.floor((middles - start) / step).astype(np.int64)
    on = np.flatnonzero((found >= 0) & (found < other.shape[0 if vertical else 1]))
    return (int(on[0]), found[on[0] : on[-1] + 1]) if len(on) else (0, found[:0])


def _occupied(source: LabelSource, window: tuple[int, int, int, int]) -> bool:
    return not isinstance(source, Segmentation) or source.occupied(*window)


class _Pairs(NamedTuple):
    """How often which two numbers lie on each other; the background is number 0."""

    keys: NDArray[np.uint64]
    """The finer mask's number in the high half, the other's in the low; ascending where compacted."""
    pixels: NDArray[np.uint32]
    middles: NDArray[np.float32]
    """(n, 2) row, column on the lattice."""


def _tally_all(lattice: _Lattice, progress: Progress) -> _Pairs:
    parts = list(windows(lattice.shape, WINDOW))
    progress.start(len(parts), "Comparing cells")
    found = _Pairs(np.zeros(0, np.uint64), np.zeros(0, np.uint32), np.zeros((0, 2), np.float32))
    waiting: list[_Pairs] = []
    for row, col, rows, cols in parts:
        labels = lattice.read(row, col, rows, cols)
        if labels is not None:
            waiting.append(_tally(*labels, row, col))
            if sum(len(part.keys) for part in waiting) > max(_COMPACT, len(found.keys)):
                found, waiting = _compacted([found, *waiting]), []
        progress.advance()
    return _compacted([found, *waiting])


def _tally(fine: NDArray[np.uint32], coarse: NDArray[np.uint32], row: int, col: int) -> _Pairs:
    """The pairs of one window whose first pixel is (row, col); by runs along the rows, ten times fewer than pixels."""
    keys = (fine.astype(np.uint64) << np.uint64(32) | coarse).ravel()
    begins = np.empty(keys.size, np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=begins[1:])
    begins[:: fine.shape[1]] = True
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=keys.size)
    real = keys[starts] != 0
    starts, lengths = starts[real], lengths[real]
    y, x = np.divmod(starts, fine.shape[1])
    middles = np.stack([y + float(row), x + (lengths - 1) / 2 + col], axis=1)
    return _compacted([_Pairs(keys[starts], lengths.astype(np.uint32), middles.astype(np.float32))])


def _compacted(parts: list[_Pairs]) -> _Pairs:
    """One row for each key."""
    keys = np.concatenate([part.keys for part in parts])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else order
    weights = np.concatenate([part.pixels for part in parts])[order]
    pixels = np.add.reduceat(weights, first) if len(keys) else weights
    middles = np.empty((len(first), 2), np.float32)
    for k in range(2):
        column = np.concatenate([part.middles[:, k] for part in parts])[order].astype(np.float64)
        column *= weights
        middles[:, k] = (np.add.reduceat(column, first) if len(keys) else column) / np.maximum(pixels, 1)
    return _Pairs(keys[first], pixels, middles)


def _matched(pairs: _Pairs, lattice: _Lattice) -> Agreement:
    """Pair the cells up. Keys have A's number in their high half."""
    numbers = [(pairs.keys >> np.uint64(32)).astype(np.uint32), pairs.keys.astype(np.uint32)]
    ids, rows, pixels, places = [], [], [], []
    for number in numbers:
        own = np.unique(number)
        own = own[own != 0]
        # The background's row is the last one, which is left out.
        at = np.where(number != 0, np.searchsorted(own, number), len(own)).astype(np.int32)
        total = np.bincount(at, pairs.pixels, len(own) + 1)[:-1]
        middle = np.empty((len(own), 2), np.float32)
        for k, axis in enumerate((1, 0)):
            sums = np.bincount(at, pairs.pixels * pairs.middles[:, axis].astype(np.float64), len(own) + 1)
            middle[:, k] = sums[:-1] / total
        ids.append(own)
        rows.append(at)
        pixels.append(total)
        places.append(middle)
    both = np.flatnonzero((numbers[0] != 0) & (numbers[1] != 0))
    shared = pairs.pixels[both]
    iou = shared / (pixels[0][rows[0][both]] + pixels[1][rows[1][both]] - shared)
    match = iou > MATCH
    partners = np.stack([row[both[match]] for row in rows], axis=1)
    iou = iou[match].astype(np.float32)
    place = lattice.fine.geometry
    sides = []
    for k in range(2):
        kinds = np.full(len(ids[k]), ALONE, np.uint8)
        kinds[partners[:, k]] = np.where(iou < SAME, CHANGED, EQUAL)
        corner = (
            (lattice.col + 0.5) * place.scale_x + place.offset_x,
            (lattice.row + 0.5) * place.scale_y + place.offset_y,
        )
        on_slide = places[k] * np.asarray((place.scale_x, place.scale_y), np.float32) + np.asarray(corner, np.float32)
        area = (pixels[k] * place.scale_x * place.scale_y).astype(np.float32)
        sides.append(Side(ids[k], on_slide, area, kinds))
    return Agreement(lattice.rect_slide, sides[0], sides[1], partners, iou)
