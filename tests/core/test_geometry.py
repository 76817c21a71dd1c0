"""Grid and rectangle arithmetic."""

from __future__ import annotations

import pytest

from studio.core.geometry import cell_range, clip_to_slide, largest_outside, overlap, working_shape


@pytest.mark.parametrize(
    ("start", "stop", "cells"),
    [(0, 1, [0]), (0, 512, [0]), (511, 513, [0, 1]), (512, 1024, [1]), (-50, 5000, [0, 1, 2]), (-9, 0, []), (7, 7, []),
     (1100, 1200, [2]), (1200, 1300, [])],
)  # fmt: skip
def test_cell_range_is_the_cells_touched_within_the_length(start: int, stop: int, cells: list[int]) -> None:
    assert list(cell_range(start, stop, 512, 1200)) == cells


def test_overlap_is_cut_to_the_bounds_or_empty() -> None:
    assert overlap(3, 9, 0, 5) == (3, 5)
    assert overlap(-4, 9, 0, 5) == (0, 5)
    assert overlap(7, 9, 0, 5) == (5, 5)
    assert overlap(-9, -7, 0, 5) == (0, 0)


def test_working_shape_is_rows_by_columns_and_never_empty() -> None:
    assert working_shape((2220, 2967), 2.0) == (1484, 1110)
    assert working_shape((10, 1), 40.0) == (1, 1)


def test_clip_to_slide() -> None:
    assert clip_to_slide((-10, -10, 50, 50), (30, 100)) == (0, 0, 30, 40)
    assert clip_to_slide((40, 0, 10, 10), (30, 100)) is None


@pytest.mark.parametrize(
    ("hole", "outside"),
    [((0, 0, 10, 8), None), ((-9, -9, 99, 99), None), ((3, 0, 20, 20), (0, 0, 3, 8)), ((-5, 0, 12, 8), (7, 0, 3, 8)),
     ((0, 3, 10, 9), (0, 0, 10, 3)), ((0, -9, 10, 12), (0, 3, 10, 5)), ((30, 30, 5, 5), (0, 0, 10, 8)),
     ((-30, 2, 5, 5), (0, 0, 10, 8)), ((1, 1, 3, 3), (4, 0, 6, 8))],
)  # fmt: skip
def test_the_largest_part_outside(hole: tuple[float, ...], outside: tuple[float, ...] | None) -> None:
    assert largest_outside((0, 0, 10, 8), hole) == outside  # type: ignore[arg-type]
