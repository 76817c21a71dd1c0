"""Cells of a whole run put together on the disk, some rows of blocks at a time, so that few are ever in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.blocks import LAST_HALO, PART
from studio.cellseg.merge import MergedCells, merge_parts, names_of, numbers_of

_BEYOND = 2**31
"""Below every row of any slide."""


@dataclass(frozen=True, slots=True)
class CellFile:
    """The rows of `MergedCells` in a file, in the same order; their names alone are held in memory."""

    path: Path
    dtype: np.dtype[Any]
    names: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def numbers(self, parts: NDArray[np.void]) -> NDArray[np.uint32]:
        """See `MergedCells.numbers`."""
        return numbers_of(self.names, parts)

    def pieces(self, rows: int) -> Iterator[MergedCells]:
        """All cells in order, so many at a time; one empty piece where there are none."""
        with self.path.open("rb") as file:
            for first in range(0, max(1, len(self)), rows):
                cells = np.fromfile(file, self.dtype, min(rows, len(self) - first))
                yield MergedCells(cells, self.names[first : first + rows])


def merge_to_file(blocks: Iterable[tuple[int, NDArray[np.void]]], path: Path) -> CellFile:
    """The cells that parts make up, as `merge_parts` would have them.

    Args:
        blocks: first row of its core and parts of every block, from the slide's top to its bottom.
        path: the file to make.
    """
    names: list[NDArray[np.int64]] = []
    waiting: list[NDArray[np.void]] = []
    dtype = PART
    with path.open("wb") as file:
        for top, row_of_blocks in groupby(blocks, lambda block: block[0]):
            # No block sees further than this beyond its core, so none from here on has a part of a cell above.
            waiting = _settle(waiting, top - LAST_HALO, file, names)
            waiting += [parts for _, parts in row_of_blocks]
            dtype = waiting[-1].dtype
        _settle(waiting, _BEYOND, file, names)
    return CellFile(path, dtype, np.concatenate(names) if names else np.zeros(0, np.int64))


def _settle(
    waiting: list[NDArray[np.void]], below: int, file: BinaryIO, names: list[NDArray[np.int64]]
) -> list[NDArray[np.void]]:
    """Write the cells whose sinks lie above the row `below`; returns the parts of the others."""
    if not waiting:
        return []
    every = np.concatenate(waiting)
    ready = every["row"] < below
    if not ready.any():
        return [every]
    merged = merge_parts([every[ready]])
    merged.cells.tofile(file)
    names.append(names_of(merged.cells))
    return [every[~ready]]
