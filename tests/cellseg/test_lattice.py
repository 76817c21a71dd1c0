"""Working pixels, the lattice of tiles, the grid of blocks."""

from __future__ import annotations

import numpy as np
import pytest

from studio.cellseg.lattice import Rect, TileLattice, WorkGrid, block_grid


@pytest.mark.parametrize(("tile", "overlap"), [(256, 32), (512, 64), (64, 0)])
@pytest.mark.parametrize("shape", [(1000, 700), (224, 224), (30, 500)])
def test_weights_of_tiles_add_up_to_one_everywhere(tile: int, overlap: int, shape: tuple[int, int]) -> None:
    lattice = TileLattice(shape, tile, overlap)
    total = np.zeros(shape)
    bounds = Rect(0, 0, *shape)
    for at in lattice.tiles_over(bounds):
        rect = lattice.tile_rect(at)
        inside = rect.clipped(bounds)
        weight = lattice.weights(at[0], 0)[:, None] * lattice.weights(at[1], 1)[None, :]
        total[inside.slices(bounds)] += weight[inside.slices(rect)]
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_tiles_over_a_rectangle_are_those_that_touch_it() -> None:
    lattice = TileLattice((2000, 1500), 256, 32)
    every = list(lattice.tiles_over(Rect(0, 0, 2000, 1500)))
    assert len(every) == len(set(every)) == lattice.counts[0] * lattice.counts[1]
    rng = np.random.default_rng(0)
    for _ in range(50):
        top, left = rng.integers(0, 1900), rng.integers(0, 1400)
        rect = Rect(int(top), int(left), int(top + rng.integers(1, 400)), int(left + rng.integers(1, 400)))
        rect = rect.clipped(Rect(0, 0, 2000, 1500))
        touching = [tile for tile in every if lattice.tile_rect(tile).overlaps(rect)]
        assert list(lattice.tiles_over(rect)) == touching


@pytest.mark.parametrize("corner", [None, (0, 0), (13, 500), (255, 1)])
@pytest.mark.parametrize("region", [Rect(0, 0, 1000, 777), Rect(100, 33, 355, 900), Rect(5, 5, 6, 6)], ids=str)
def test_blocks_share_out_a_region(region: Rect, corner: tuple[int, int] | None) -> None:
    count = np.zeros((region.rows, region.cols), int)
    for core in block_grid(region, 256, corner):
        assert not core.empty
        assert max(core.rows, core.cols) <= 256
        count[core.slices(region)] += 1
    assert (count == 1).all()


@pytest.mark.parametrize("downscale", [1.0, 1.5, 2.0, 3.7, 16.0])
def test_every_mask_pixel_belongs_to_one_block(downscale: float) -> None:
    grid = WorkGrid((4003, 3001), 2.3, 0.25, downscale)
    mask = grid.mask_rect(grid.bounds)
    assert (mask.top, mask.left) == (0, 0)
    assert (mask.rows, mask.cols) == tuple(round(side / downscale) for side in grid.shape)
    count = np.zeros((mask.rows, mask.cols), int)
    for core in block_grid(grid.bounds, 256, (77, 31)):
        part = grid.mask_rect(core)
        count[part.slices(mask)] += 1
        rows = grid.mask_rows(core.bottom)[part.top :]
        assert (rows >= core.top).all()
        assert (rows < core.bottom).all()
        assert len(rows) == part.rows
    assert (count == 1).all()


def test_places_on_the_slide() -> None:
    grid = WorkGrid((4000, 2000), 1.6, 0.25, 2.0)
    assert grid.mpp == pytest.approx(0.4)
    geometry = grid.geometry(Rect(10, 20, 110, 220))
    assert geometry.shape == (100, 200)
    assert (geometry.scale_x, geometry.offset_x, geometry.offset_y) == pytest.approx((3.2, 64.0, 32.0))
    assert geometry.mpp == pytest.approx(0.8)
    assert grid.rect_from_slide((16.0, 32.0, 160.0, 80.0)) == Rect(20, 10, 70, 110)
    assert grid.rect_from_slide((-50.0, -50.0, 1e6, 1e6)) == grid.bounds
    assert grid.work_from_slide(17.0, 33.0) == (20, 10)


def test_a_rectangle_grows_as_far_as_it_needs_no_further_tiles() -> None:
    rng = np.random.default_rng(7)
    lattice = TileLattice((2000, 1500), 256, 32)
    bounds = Rect(0, 0, 2000, 1500)
    for _ in range(50):
        top, left = int(rng.integers(0, 1900)), int(rng.integers(0, 1400))
        inner = Rect(top, left, top + int(rng.integers(1, 600)), left + int(rng.integers(1, 600))).clipped(bounds)
        outer = inner.grown(300).clipped(bounds)
        grown = lattice.without_further_tiles(inner, outer)
        tiles = list(lattice.tiles_over(inner))
        assert list(lattice.tiles_over(grown)) == tiles
        assert grown.union(inner) == grown
        for more in (
            Rect(grown.top - 1, grown.left, grown.bottom, grown.right),
            Rect(grown.top, grown.left - 1, grown.bottom, grown.right),
            Rect(grown.top, grown.left, grown.bottom + 1, grown.right),
            Rect(grown.top, grown.left, grown.bottom, grown.right + 1),
        ):
            assert more.clipped(outer) == grown or list(lattice.tiles_over(more)) != tiles
