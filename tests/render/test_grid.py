"""Which tiles a view needs and where they lie. No GL."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from studio.document import View
from studio.render.grid import Grid, TileKey, level_for, tiles_in, to_clip

HALVES = [Grid((-(-5000 >> n), -(-3000 >> n)), (1.25 * 2**n, 1.25 * 2**n), (100.0, 50.0)) for n in range(5)]


def test_tiles_fill_the_level_without_gap_or_overlap() -> None:
    grid = Grid((1300, 700), (1.7, 1.7), (3.3, 4.4))
    assert grid.shape == (3, 2)
    rects = {(c, r): grid.tile_rect(c, r) for c in range(3) for r in range(2)}
    for col, row in itertools.product(range(3), range(2)):
        if col:
            assert rects[col, row][0] == rects[col - 1, row][2]
        if row:
            assert rects[col, row][1] == rects[col, row - 1][3]
    assert rects[0, 0][:2] == grid.rect[:2]
    assert rects[2, 1][2:] == pytest.approx(grid.rect[2:])
    assert grid.tile_size(2, 1) == (1300 - 1024, 700 - 512)


@pytest.mark.parametrize(
    ("rect", "cols", "rows"),
    [
        ((0, 0, 512, 512), [0], [0]),
        ((0, 0, 512.01, 511.9), [0, 1], [0]),
        ((511.99, 512, 513, 600), [0, 1], [1]),
        ((-900, -900, 5000, 5000), [0, 1, 2], [0, 1]),
        ((-90, 0, 0, 10), [], [0]),
        ((1300, 0, 1400, 10), [2], [0]),
        ((1536, 0, 1600, 10), [], [0]),
        ((10, 10, 10, 20), [], [0]),
    ],
)
def test_tiles_that_a_rectangle_touches(rect: tuple[float, ...], cols: list[int], rows: list[int]) -> None:
    found = Grid((1300, 700), (1.0, 1.0)).span(rect)  # type: ignore[arg-type]
    assert [list(span) for span in found] == [cols, rows]


def test_a_ring_stays_on_the_slide() -> None:
    grid = Grid((5120, 5120), (2.0, 2.0))
    keys = tiles_in("slide", [grid], 0, (1100, 100, 1900, 900), ring=1)
    assert {(key.col, key.row) for key in keys} == {(c, r) for c in (0, 1, 2) for r in (0, 1)}


@pytest.mark.parametrize(
    ("scale", "finer", "coarser"),
    [(0.01, 0, 0), (1.25, 0, 0), (1.26, 0, 1), (2.4, 0, 1), (2.5, 1, 1), (2.6, 1, 2), (20.0, 4, 4), (500.0, 4, 4)],
)
def test_choice_of_level(scale: float, finer: int, coarser: int) -> None:
    rect = HALVES[0].rect
    assert level_for(HALVES, scale, rect, 10**6, finer=True) == finer
    assert level_for(HALVES, scale, rect, 10**6, finer=False) == coarser


def test_a_downsample_rounded_in_the_file_is_not_too_coarse_for_itself() -> None:
    grids = [Grid((4000, 4000), (1.0, 1.0)), Grid((1000, 1000), (4.0003, 4.0003))]
    assert level_for(grids, 4.0, grids[0].rect, 10**6, finer=True) == 1


def test_a_coarser_level_where_tiles_would_not_fit() -> None:
    rect = HALVES[0].rect
    assert HALVES[0].count(rect) == 60
    assert level_for(HALVES, 1.0, rect, 60, finer=True) == 0
    assert level_for(HALVES, 1.0, rect, 59, finer=True) == 1
    assert level_for(HALVES, 1.0, rect, 1, finer=True) == 4


def test_edges_stay_exact_far_out_on_a_large_slide() -> None:
    """Neighbours share an edge to the last bit of float32, and the error stays under a hundredth of a pixel."""
    view = View(center_x=183_456.789, center_y=97_531.864, scale=1 / 32, viewport=(1920, 1080))
    grid = Grid((400_000, 200_000), (1.0, 1.0))
    keys = tiles_in("slide", [grid], 0, (183_000, 97_000, 184_500, 98_000))
    rects = np.array([grid.tile_rect(key.col, key.row) for key in keys])
    texels = np.tile([0.0, 0.0, 512.0, 512.0], (len(keys), 1))
    seen, clip, inside = to_clip(rects, texels, view)
    assert seen.sum() == 1
    assert clip[0].tolist() == [-1.0, 1.0, 1.0, -1.0]
    left = view.center_x - 960 / 32
    assert inside[0, 0] == pytest.approx(left - left // 512 * 512, abs=1e-6)
    view.scale = 1.0
    _, clip, inside = to_clip(rects, texels, view)
    edges = clip.astype(np.float32)
    assert len(set(edges[:, [0, 2]].ravel().tolist())) == len({key.col for key in keys}) + 1
    assert inside.max() == 512.0


def test_keys_are_values() -> None:
    assert TileKey("slide", 1, 2, 3) in {TileKey("slide", 1, 2, 3)}
