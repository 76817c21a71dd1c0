"""Labels and flows as the shaders get them, against slow loops. No GL."""

from __future__ import annotations

import numpy as np
import pytest

from studio.render.grid import Grid
from studio.render.labeltiles import (
    ID_BITS,
    NEIGHBOURS,
    dense_level,
    encode_flow,
    level_count,
    overlay_grids,
    pack_labels,
    read_dense_tile,
    read_flow_tile,
    read_label_tile,
)
from tests.render.pictures import cell_labels, source_of


def ids(packed: np.ndarray) -> np.ndarray:
    return packed & ((1 << ID_BITS) - 1)


def test_every_neighbour_has_its_bit() -> None:
    window = np.pad(cell_labels(40, 50, seed=3, radius=6), 1)
    packed = pack_labels(window)
    core = window[1:-1, 1:-1]
    assert np.array_equal(ids(packed), core)
    for row in range(40):
        for col in range(50):
            bits = [
                bool(core[row, col]) and window[row + 1 + dy, col + 1 + dx] != core[row, col] for dy, dx in NEIGHBOURS
            ]
            assert packed[row, col] >> ID_BITS == sum(bit << n for n, bit in enumerate(bits))


def test_tiles_know_what_lies_beyond_them() -> None:
    """A cell that two tiles share has no border between them."""
    labels = np.zeros((700, 1100), np.uint32)
    labels[500:530, 500:530] = 5
    labels[100:110, 505:512] = 6
    labels[100:110, 512:520] = 7
    source = source_of(labels)
    grid = overlay_grids(source.geometry, source.level_count)[0]
    tiles = [[read_label_tile(source, grid, 0, col, row) for col in range(3)] for row in range(2)]
    assert tiles[0][2] is None
    assert tiles[1][2] is None
    assert tiles[0][0] is not None
    assert tiles[0][0].shape == (512, 512)
    whole = pack_labels(np.pad(labels, 1))
    for row in range(2):
        for col in range(2):
            part = whole[row * 512 : row * 512 + 512, col * 512 : col * 512 + 512]
            assert np.array_equal(tiles[row][col], part)
    assert whole[511, 511] == 5
    assert whole[105, 511] >> ID_BITS & 2


def test_levels_lie_where_the_finest_does() -> None:
    source = source_of(cell_labels(1300, 777), scale=(1.5, 1.6), at=(30.0, 40.0))
    grids = overlay_grids(source.geometry, source.level_count)
    assert len(grids) == 3
    assert [grid.size for grid in grids] == [(777, 1300), (389, 650), (195, 325)]
    assert grids[2].pixel == (6.0, 6.4)
    assert {grid.origin for grid in grids} == {(30.0, 40.0)}
    tile = read_label_tile(source, grids[1], 1, 0, 1)
    assert tile is not None
    assert np.array_equal(ids(tile), source.labels[1024::2, ::2])


@pytest.mark.parametrize(("cell_px", "level"), [(1.0, 2), (11.9, 2), (12.0, 3), (20.0, 3), (30.0, 4), (300.0, 7)])
def test_levels_are_dense_where_cells_are_smaller_than_three_pixels(cell_px: float, level: int) -> None:
    assert dense_level(cell_px) == level


def test_dense_tiles_tell_how_much_of_a_texel_is_cell() -> None:
    labels = cell_labels(2100, 2200, radius=5)
    labels[:1024, :600] = 0
    source = source_of(labels)
    assert source.level_count == 4
    assert (level_count(source, 3), level_count(source, 4), level_count(source, 5)) == (6, 6, 4)
    grid = overlay_grids(source.geometry, 6)[2]
    for col, row in ((0, 0), (1, 0), (1, 1)):
        tile = read_dense_tile(source, grid, 2, col, row)
        part = np.pad(labels, ((0, -2100 % 4), (0, -2200 % 4)))[row * 2048 :, col * 2048 :][:2048, :2048]
        height, width = part.shape[0] // 4, part.shape[1] // 4
        share = (part.reshape(height, 4, width, 4) > 0).mean(axis=(1, 3))
        assert tile is not None
        assert tile.shape == share.shape == grid.tile_size(col, row)[::-1]
        assert np.abs((tile >> ID_BITS) / 255 - share).max() < 1 / 255
    assert read_dense_tile(source_of(np.zeros((64, 64), np.uint32)), Grid((16, 16), (4.0, 4.0)), 2, 0, 0) is None


def test_ids_beyond_the_bits_never_look_like_background() -> None:
    window = np.zeros((3, 5), np.uint32)
    window[1, 1:4] = [1 << ID_BITS, (1 << ID_BITS) + 9, 3 << ID_BITS]
    packed = pack_labels(window)
    assert ids(packed).tolist() == [[1, 9, 1]]
    assert (packed >> ID_BITS).tolist() == [[255, 255, 255]]


def test_flow_bytes() -> None:
    flow = np.zeros((1, 5, 3), np.float16)
    flow[0, :, 0] = [0, 1, -1, 0.5, 7]
    flow[0, :, 1] = [0, 0, 0.25, -0.5, -7]
    flow[0, :, 2] = [0, 20, -20, 1, 60000]
    coded = encode_flow(flow)
    assert coded[0, :, 0].tolist() == [128, 255, 1, 192, 255]
    assert coded[0, :, 1].tolist() == [128, 128, 160, 65, 1]
    assert coded[0, :, 2].tolist() == pytest.approx([128, 255, 0, 186, 255], abs=1)


def test_tiles_without_flow_take_no_memory() -> None:
    labels = cell_labels(600, 600)
    flows = np.zeros((600, 600, 3), np.float16)
    flows[:512, :512, 0] = 0.5
    source = source_of(labels, flows=flows)
    grid = overlay_grids(source.geometry, source.level_count)[0]
    assert read_flow_tile(source, grid, 0, 1, 1) is None
    tile = read_flow_tile(source, grid, 0, 0, 0)
    assert tile is not None
    assert tile.shape == (512, 512, 4)
