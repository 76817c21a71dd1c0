"""Cells put together from their parts in the blocks: numbers 1 to N, centroids and the other columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.blocks import PART
from studio.cellseg.cells import LOGIT_UNITS
from studio.cellseg.lattice import Rect, WorkGrid
from studio.cellseg.stains import UNITS

_SUMS = ("area", "sum_row", "sum_col", "sum_logit")


@dataclass(frozen=True, slots=True)
class MergedCells:
    """All cells of a run; row k is cell k + 1. Sorted by name, so the numbers are a property of the slide."""

    cells: NDArray[np.void]
    """PART, and sums of stains where they were measured; one row a cell."""
    _names: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.cells)

    def numbers(self, parts: NDArray[np.void]) -> NDArray[np.uint32]:
        """(n + 1,) uint32: the cell number of each local label 0…n of a block with these parts."""
        return numbers_of(self._names, parts)

    def centroids(self, grid: WorkGrid, mask: Rect) -> NDArray[np.float64]:
        """(N, 2) row, column in pixels of the stored mask, 0 at the middle of its first pixel."""
        area = self.cells["area"].astype(np.float64)
        points: NDArray[np.float64] = np.stack(
            [
                (self.cells[name] / area + 0.5) / grid.downscale - 0.5 - first
                for name, first in (("sum_row", mask.top), ("sum_col", mask.left))
            ],
            axis=1,
        ).reshape(-1, 2)
        return points

    def columns(self, grid: WorkGrid, mask: Rect) -> dict[str, NDArray[Any]]:
        """The other columns, by name, N rows each."""
        cells, known = self.cells, measures_of(self.cells, grid.mpp)
        low = np.stack([cells["top"], cells["left"]], axis=1) / grid.downscale
        high = np.stack([cells["bottom"], cells["right"]], axis=1) / grid.downscale
        box = np.concatenate([np.floor(low), np.ceil(high)], axis=1).astype(np.int64)
        box = np.clip(box - [mask.top, mask.left] * 2, 0, [mask.rows, mask.cols] * 2)
        last = {name: known.pop(name) for name in ("cell_probability", "flow_error")}
        return known | {"bbox": box.astype(np.int32).reshape(-1, 4)} | last


def measures_of(cells: NDArray[np.void], mpp: float) -> dict[str, NDArray[Any]]:
    """What sums over pixels tell of cells, PART with a row each, by column name; `mpp` of a working pixel."""
    stains = {name: (cells[name] / (cells["area"] * UNITS[name])).astype(np.float32) for name in _stains(cells)}
    return stains | {
        "area_um2": (cells["area"] * mpp**2).astype(np.float32),
        "cell_probability": (cells["sum_logit"] / (cells["area"] * float(LOGIT_UNITS))).astype(np.float32),
        "flow_error": cells["flow_error"].copy(),
    }


def merge_parts(parts: Sequence[NDArray[np.void]]) -> MergedCells:
    """The cells that these parts (of disjoint cores) make up, whatever the order they come in."""
    every = np.concatenate(parts) if parts else np.zeros(0, PART)
    names = names_of(every)
    order = np.argsort(names, kind="stable")
    names, every = names[order], every[order]
    first = np.flatnonzero(np.diff(names, prepend=-1)) if len(names) else np.zeros(0, np.int64)
    cells = every[first]
    if len(first) < len(every):
        for name in (*_SUMS, *_stains(every)):
            cells[name] = np.add.reduceat(every[name], first)
        for name in ("top", "left"):
            cells[name] = np.minimum.reduceat(every[name], first)
        for name in ("bottom", "right"):
            cells[name] = np.maximum.reduceat(every[name], first)
    return MergedCells(cells, names[first])


def _stains(parts: NDArray[np.void]) -> list[str]:
    return [name for name in parts.dtype.names or () if name in UNITS]


def numbers_of(names: NDArray[np.int64], parts: NDArray[np.void]) -> NDArray[np.uint32]:
    """The number among all cells, sorted by name, of each local label 0…n of a block with these parts."""
    out = np.zeros(len(parts) + 1, np.uint32)
    out[1:] = np.searchsorted(names, names_of(parts)) + 1
    return out


def names_of(parts: NDArray[np.void]) -> NDArray[np.int64]:
    """One integer a cell, sorted as (row, column) of its sink."""
    names: NDArray[np.int64] = parts["row"].astype(np.int64) << 32 | parts["col"].astype(np.int64)
    return names
