"""Labels and flows as the shaders get them, against slow loops. No GL."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from studio.render.grid import Grid
from studio.render.labeltiles import (
    ID_BITS,
    INNER,
    NEIGHBOURS,
    RIM_PX,
    TILE_PX,
    dense_level,
    encode_flow,
    level_count,
    overlay_grids,
    pack_labels,
    read_dense_flow_tile,
    read_dense_tile,
    read_flow_tile,
    read_label_tile,
)
from tests.render.pictures import cell_labels, source_of


def ids(packed: np.ndarray) -> np.ndarray:
    return packed & ((1 << ID_BITS) - 1)


CORNERS = {4: (0, 1), 5: (1, 2), 6: (2, 3), 7: (3, 0)}
"""Bit of a corner: bits of the sides beside it."""


def test_texels_at_a_border_know_their_neighbours_and_others_how_far_it_is() -> None:
    labels = cell_labels(60, 70, seed=3, radius=16)
    packed = pack_labels(np.pad(labels, RIM_PX), RIM_PX)
    assert np.array_equal(ids(packed), labels)
    window = np.pad(labels, 1)
    far = np.argwhere(np.ones_like(window))
    inner = 0
    for row, col in np.argwhere(labels):
        here = labels[row, col]
        bits = [window[row + 1 + dy, col + 1 + dx] != here for dy, dx in NEIGHBOURS]
        byte = int(packed[row, col] >> ID_BITS)
        if any(bits):
            for corner, sides in CORNERS.items():
                bits[corner] &= not any(bits[side] for side in sides)
            assert byte == sum(bit << n for n, bit in enumerate(bits))
            continue
        inner += 1
        assert byte & INNER == INNER
        told = 1.5 + ((byte >> 1 & 7) | byte >> 5 << 3) / 4
        others = far[window.ravel() != here] - 1
        true = np.hypot(*(others - (row, col)).T).min() - 0.5
        # Straight and slanted steps aren't weighed quite alike.
        assert told == pytest.approx(min(true, 16.5), abs=0.75)
    assert inner > 300


def opencv_bytes(window: np.ndarray, rim: int) -> np.ndarray:
    """The bytes of a window's texels by way of OpenCV's distance transform; those of background are 0."""
    shifted = [np.roll(window, (-dy, -dx), (0, 1)) for dy, dx in NEIGHBOURS]
    differs = np.stack([window != other for other in shifted])[:, 1:-1, 1:-1]
    for corner, sides in CORNERS.items():
        differs[corner] &= ~differs[list(sides)].any(axis=0)
    flags = np.packbits(differs, axis=0, bitorder="little")[0]
    away = cv2.distanceTransform((flags == 0).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    steps = np.rint(np.minimum(4 * away - 4, 60)).astype(np.int32)
    told = np.where(flags == 0, INNER | (steps & 7) << 1 | steps >> 3 << 5, flags)
    inside = slice(rim - 1, 1 - rim or None)
    return np.where(window[rim:-rim, rim:-rim] == 0, 0, told[inside, inside])


@pytest.mark.parametrize(("side", "rim", "radius"), [(150, RIM_PX, 45), (150, RIM_PX, 6), (37, 1, 14), (9, 2, 3)])
def test_distances_are_those_of_opencv(side: int, rim: int, radius: int) -> None:
    window = cell_labels(side, side + 4, seed=radius, radius=radius)
    packed = pack_labels(window, rim)
    assert np.array_equal(packed >> ID_BITS, opencv_bytes(window, rim))
    assert np.array_equal(ids(packed), window[rim:-rim, rim:-rim])


def test_a_cell_larger_than_all_that_is_read_has_no_border_in_it() -> None:
    packed = pack_labels(np.full((70, 80), 9, np.uint32), RIM_PX)
    assert (packed == packed[0, 0]).all()
    assert 1.5 + ((packed[0, 0] >> ID_BITS >> 1 & 7) | packed[0, 0] >> ID_BITS >> 5 << 3) / 4 == 16.5


def test_tiles_know_what_lies_beyond_them() -> None:
    """A cell that two tiles share has no border between them."""
    side = TILE_PX
    labels = np.zeros((side + 190, 2 * side + 80), np.uint32)
    labels[side - 12 : side + 18, side - 12 : side + 18] = 5
    labels[100:110, side - 7 : side] = 6
    labels[100:110, side : side + 8] = 7
    source = source_of(labels)
    grid = overlay_grids(source.geometry, source.level_count)[0]
    tiles = [[read_label_tile(source, grid, 0, col, row) for col in range(3)] for row in range(2)]
    assert tiles[0][2] is None
    assert tiles[1][2] is None
    assert tiles[0][0] is not None
    assert tiles[0][0].shape == (side, side)
    whole = pack_labels(np.pad(labels, RIM_PX), RIM_PX)
    for row in range(2):
        for col in range(2):
            part = whole[row * side :, col * side :][:side, :side]
            assert np.array_equal(tiles[row][col], part)
    # Far inside of a cell on both sides.
    middle = whole[side - 1 : side + 1, side - 1 : side + 1]
    assert ids(middle).tolist() == [[5, 5], [5, 5]]
    assert (middle >> ID_BITS & INNER == INNER).all()
    assert whole[105, side - 1] >> ID_BITS & 2


def test_levels_lie_where_the_finest_does() -> None:
    source = source_of(cell_labels(1300, 777), scale=(1.5, 1.6), at=(30.0, 40.0))
    grids = overlay_grids(source.geometry, source.level_count)
    assert len(grids) == 3
    assert [grid.size for grid in grids] == [(777, 1300), (389, 650), (195, 325)]
    assert grids[2].pixel == (6.0, 6.4)
    assert {grid.origin for grid in grids} == {(30.0, 40.0)}
    tile = read_label_tile(source, grids[1], 1, 1, 2)
    assert tile is not None
    assert np.array_equal(ids(tile), source.labels[::2, ::2][2 * TILE_PX :, TILE_PX:])


@pytest.mark.parametrize(("cell_px", "level"), [(1.0, 2), (11.9, 2), (12.0, 3), (20.0, 3), (30.0, 4), (300.0, 7)])
def test_levels_are_dense_where_cells_are_smaller_than_three_pixels(cell_px: float, level: int) -> None:
    assert dense_level(cell_px) == level


def test_dense_tiles_tell_how_much_of_a_texel_is_cell() -> None:
    labels = cell_labels(2100, 2200, radius=5)
    labels[:512, :300] = 0
    source = source_of(labels)
    assert source.level_count == 4
    assert (level_count(source, 3), level_count(source, 4), level_count(source, 5)) == (6, 6, 4)
    grid = overlay_grids(source.geometry, 6)[2]
    under = 4 * TILE_PX
    for col, row in ((0, 0), (1, 0), (2, 2)):
        tile = read_dense_tile(source, grid, 2, col, row)
        part = np.pad(labels, ((0, -2100 % 4), (0, -2200 % 4)))[row * under :, col * under :][:under, :under]
        height, width = part.shape[0] // 4, part.shape[1] // 4
        share = (part.reshape(height, 4, width, 4) > 0).mean(axis=(1, 3))
        assert tile is not None
        assert tile.shape == share.shape == grid.tile_size(col, row)[::-1]
        assert np.abs((tile >> ID_BITS) / 255 - share).max() < 1 / 255
        blocks = part.reshape(height, 4, width, 4)
        assert ((blocks == ids(tile)[:, None, :, None]).any(axis=(1, 3)) | (share == 0)).all()
        assert (ids(tile) > 0).tolist() == (share > 0).tolist()
    assert read_dense_tile(source_of(np.zeros((64, 64), np.uint32)), Grid((16, 16), (4.0, 4.0)), 2, 0, 0) is None


def test_ids_beyond_the_bits_never_look_like_background() -> None:
    window = np.zeros((3, 5), np.uint32)
    window[1, 1:4] = [1 << ID_BITS, (1 << ID_BITS) + 9, 3 << ID_BITS]
    packed = pack_labels(window, 1)
    assert ids(packed).tolist() == [[1, 9, 1]]
    # Sides on all four, which leaves no corner.
    assert (packed >> ID_BITS).tolist() == [[15, 15, 15]]


def test_flow_bytes() -> None:
    flow = np.zeros((1, 5, 3), np.float16)
    flow[0, :, 0] = [0, 1, -1, 0.5, 7]
    flow[0, :, 1] = [0, 0, 0.25, -0.5, -7]
    flow[0, :, 2] = [0, 20, -20, 1, 60000]
    coded = encode_flow(flow)
    assert coded[0, :, 0].tolist() == [128, 255, 1, 192, 255]
    assert coded[0, :, 1].tolist() == [128, 128, 160, 65, 1]
    # Nothing is kept outside the foreground, and that is no probability of a half.
    assert encode_flow(np.zeros((1, 1, 3), np.float16))[0, 0].tolist() == [128, 128, 0, 0]
    assert coded[0, :, 2].tolist() == pytest.approx([0, 255, 0, 186, 255], abs=1)
    assert coded[0, :, 3].tolist() == [0, 255, 255, 180, 255]


def test_dense_flows_are_means() -> None:
    flows = np.random.default_rng(0).normal(0, 0.4, (300, 290, 3)).astype(np.float16)
    flows[100:180] = 0
    source = source_of(np.zeros((300, 290), np.uint32), flows=flows)
    grid = overlay_grids(source.geometry, 4)[3]
    tile = read_dense_flow_tile(source, grid, 3, 0, 0)
    assert tile is not None
    assert tile.shape == (38, 37, 4)
    # What lies beyond the mask is none.
    finer = np.pad(encode_flow(flows[::2, ::2]), ((0, 2), (0, 3), (0, 0)))
    finer[150:, :, :2], finer[:, 145:, :2] = 128, 128
    assert np.array_equal(tile, np.floor(finer.reshape(38, 4, 37, 4, 4).mean(axis=(1, 3)) + 0.5))
    flows[:] = 0
    assert read_dense_flow_tile(source, grid, 3, 0, 0) is None


def test_tiles_without_flow_take_no_memory() -> None:
    labels = cell_labels(600, 600)
    flows = np.zeros((600, 600, 3), np.float16)
    flows[:TILE_PX, :TILE_PX, 0] = 0.5
    source = source_of(labels, flows=flows)
    grid = overlay_grids(source.geometry, source.level_count)[0]
    assert read_flow_tile(source, grid, 0, 1, 1) is None
    tile = read_flow_tile(source, grid, 0, 0, 0)
    assert tile is not None
    assert tile.shape == (TILE_PX, TILE_PX, 4)
