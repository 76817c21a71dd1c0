"""Cells put together and measured some rows at a time, against all at once."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.cellseg import mergefile
from studio.cellseg.blocks import LAST_HALO, PART
from studio.cellseg.measure import Measured, measure_labels
from studio.cellseg.merge import MergedCells, merge_parts
from studio.cellseg.mergefile import merge_to_file
from studio.cellseg.numbered import measure_numbered
from tests.cellseg.make_cells import grid_cells, voronoi_cells

SIDE = 1024
WITH_STAIN = np.dtype([*PART.descr, ("mean_red", "<i8")])


def parts_of_blocks(rows: int) -> list[tuple[int, NDArray[np.void]]]:
    """Top and parts of so many rows of two blocks; many cells have parts in several, far up and down."""
    rng = np.random.default_rng(rows)
    blocks = []
    names = np.unique(rng.integers(0, (rows * SIDE, 3000), (400 * rows, 2)), axis=0).astype(np.int32)
    for top in np.repeat(np.arange(rows) * SIDE, 2):
        seen = (
            (names[:, 0] >= top - LAST_HALO) & (names[:, 0] < top + SIDE + LAST_HALO) & (rng.random(len(names)) < 0.4)
        )
        parts = np.zeros(int(seen.sum()), WITH_STAIN)
        for name in WITH_STAIN.names or ():
            parts[name] = rng.integers(1, 1000, len(parts))
        parts["row"], parts["col"] = names[seen].T
        # A property of the whole cell.
        parts["flow_error"] = parts["row"] / 7
        blocks.append((int(top), parts))
    return blocks


def test_cells_put_together_in_a_file_are_those_of_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = parts_of_blocks(12)
    held = []

    def merge(parts: list[NDArray[np.void]]) -> MergedCells:
        held.append(sum(map(len, parts)))
        return merge_parts(parts)

    monkeypatch.setattr(mergefile, "merge_parts", merge)
    found = merge_to_file(iter(blocks), tmp_path / "cells")
    whole = merge_parts([parts for _, parts in blocks])
    pieces = list(found.pieces(1000))
    assert len(found) == len(whole) > 4000
    assert [len(piece) for piece in pieces[:-1]] == [1000] * (len(pieces) - 1)
    np.testing.assert_array_equal(np.concatenate([piece.cells for piece in pieces]), whole.cells)
    for _, parts in blocks:
        np.testing.assert_array_equal(found.numbers(parts), whole.numbers(parts))
    # Those of a few rows of blocks, not all.
    assert max(held) < sum(held) / 2


def test_no_blocks_and_no_cells(tmp_path: Path) -> None:
    nothing = merge_to_file([], tmp_path / "none")
    assert len(nothing) == 0
    assert [len(piece) for piece in nothing.pieces(10)] == [0]
    empty = merge_to_file([(0, np.zeros(0, WITH_STAIN)), (SIDE, np.zeros(0, WITH_STAIN))], tmp_path / "empty")
    assert [piece.cells.dtype for piece in empty.pieces(10)] == [WITH_STAIN]


def check(labels: NDArray[np.uint32], cells: int, rows: int, side: int) -> tuple[int, int]:
    """Compare both ways; returns how many windows were read before the first piece was there, and of how many."""
    reads = 0

    def read(_level: int, row: int, col: int, height: int, width: int) -> NDArray[np.uint32]:
        nonlocal reads
        reads += 1
        padded = np.pad(labels, ((1, height), (1, width)))
        return np.ascontiguousarray(padded[row + 1 : row + 1 + height, col + 1 : col + 1 + width])

    def still_to_come(row: int) -> int:
        below = labels[row:]
        return int(below[below > 0].min(initial=2**31))

    whole = measure_labels(read, labels.shape, side=side).spread(cells)
    reads, first, pieces = 0, None, list[Measured]()
    for piece in measure_numbered(read, labels.shape, cells, still_to_come, side=side, rows=rows):
        first = reads if first is None else first
        pieces.append(piece)
    assert [len(piece.area) for piece in pieces[:-1]] == [rows] * (len(pieces) - 1)
    for field in fields(Measured):
        if field.name != "ids":
            together = np.concatenate([getattr(piece, field.name) for piece in pieces])
            np.testing.assert_array_equal(together, getattr(whole, field.name), err_msg=field.name)
    assert first is not None
    return first, reads


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_numbers_that_go_with_rows_are_known_before_all_is_read(rows: int) -> None:
    labels = grid_cells(700, 330)
    first, reads = check(labels, int(labels.max()), rows, 96)
    assert first < reads / 2


def test_numbers_in_any_order_with_gaps_and_without_cells() -> None:
    labels = voronoi_cells(401, 283, 90)
    check(labels, int(labels.max()) + 5, 16, 64)
    sparse = np.where(labels % 3 == 0, labels, 0).astype(np.uint32)
    check(sparse, int(labels.max()), 16, 64)
    check(np.zeros((130, 70), np.uint32), 0, 16, 64)
    check(np.zeros((130, 70), np.uint32), 40, 16, 64)
