"""Images of single cells."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path

import numpy as np
import pytest

from studio.cellseg import Segmentation
from studio.errors import SlideError, SlideMismatchError, UsageError
from studio.extract import CellTiles
from studio.slide import ROI, WSI
from tests.extract.conftest import MPP, cell_colour, discs
from tests.make_slides import tissue_like, write_slide


def test_every_cell_has_a_tile_centred_on_it(slide: WSI, cells: Segmentation) -> None:
    tiles = CellTiles(slide, cells)
    found = {tile.cell_id: tile for tile in tiles}
    assert sorted(found) == list(range(1, 61))
    labels = discs()[1]
    for number, tile in found.items():
        rows, cols = np.nonzero(labels == number)
        assert (tile.x, tile.y) == pytest.approx((cols.mean() + 0.5, rows.mean() + 0.5), abs=0.01)
        assert (tile.x_um, tile.y_um) == pytest.approx((tile.x * MPP, tile.y * MPP))
        in_tile = np.argwhere(tile.mask).mean(axis=0) + 0.5
        if number != 6:
            assert np.abs(in_tile - 24).max() <= 0.51


def test_only_the_cell_itself_is_left_and_all_of_it(slide: WSI, cells: Segmentation) -> None:
    labels = discs()[1]
    for tile in CellTiles(slide, cells):
        inside = tile.image[tile.mask]
        assert (inside == cell_colour(tile.cell_id)).all(), tile.cell_id
        assert (tile.image[~tile.mask] == 0).all()
        if tile.cell_id != 6:
            assert len(inside) == (labels == tile.cell_id).sum()


def test_without_masks_the_surroundings_stay(slide: WSI, cells: Segmentation) -> None:
    tile = CellTiles(slide, cells, apply_masks=False)[10]
    left, top = round(tile.x - 24), round(tile.y - 24)
    assert np.array_equal(tile.image, discs()[0][top : top + 48, left : left + 48])


def test_cells_at_the_edge_are_padded_and_large_ones_known(slide: WSI, cells: Segmentation) -> None:
    tiles = {tile.cell_id: tile for tile in CellTiles(slide, cells, apply_masks=False)}
    assert {number for number, tile in tiles.items() if tile.padded} == {1, 2, 3, 4, 5}
    assert {number for number, tile in tiles.items() if tile.cut} == {6}
    assert (tiles[1].image[:, :18] == 255).all()
    assert (tiles[1].image[:, 30] == discs()[0][round(tiles[1].y) - 24 : round(tiles[1].y) + 24, 10]).all()


def test_another_background(slide: WSI, cells: Segmentation) -> None:
    tile = CellTiles(slide, cells, background=255)[20]
    assert (tile.image[~tile.mask] == 255).all()
    with pytest.raises(UsageError, match="background"):
        CellTiles(slide, cells, background=256)


@pytest.mark.parametrize("um", [12.0, 24.0, 50.0, 400.0])
def test_other_resolutions_show_the_same_cell(disc_slide: Path, um: float) -> None:
    """Larger pixels than the mask's too: no cell's mask is ever empty."""
    with WSI(disc_slide, 48, um) as slide:
        cells = Segmentation(discs()[1], slide=slide)
        for tile in CellTiles(slide, cells):
            assert tile.mask.any()
            area_px = (discs()[1] == tile.cell_id).sum() / (um / 48 / MPP) ** 2
            if tile.cell_id > 6 and um < 100:
                assert tile.mask.sum() == pytest.approx(area_px, rel=0.25)


def test_masks_of_another_resolution_and_with_an_offset(slide: WSI) -> None:
    labels = discs()[1][100::2, 200::2]
    cells = Segmentation(labels, slide=slide.name, wsi_dim=(700, 600), wsi_offset=(200, 100))
    for tile in CellTiles(slide, cells):
        if not tile.cut:
            inside = (tile.image == cell_colour(tile.cell_id)).all(axis=2)
            # Half the resolution: a rim of the disc may be off by one pixel.
            assert inside.sum() > 0.7 * (discs()[1] == tile.cell_id).sum() or tile.padded


def test_numbers_with_gaps(slide: WSI) -> None:
    labels = discs()[1] * 10
    numbers = [tile.cell_id for tile in CellTiles(slide, Segmentation(labels, slide=slide))]
    assert sorted(numbers) == list(range(10, 601, 10))


def test_regions_choose_cells_by_their_centroid(slide: WSI, cells: Segmentation) -> None:
    slide.rois = (ROI("left", np.array([[0, 0], [300, 0], [300, 700], [0, 700.0]])),)
    centres = cells.centroids(wsi_dim=True)
    assert slide.apply_segmentation(cells) == (centres[:, 0] < 300).sum()
    assert all(tile.x < 300 for tile in CellTiles(slide))
    assert slide.apply_segmentation(cells, apply_rois=False) == 60


def test_no_cells_and_no_segmentation(slide: WSI) -> None:
    with pytest.raises(UsageError, match="apply_segmentation"):
        CellTiles(slide)
    none = CellTiles(slide, Segmentation(np.zeros((700, 900), np.uint32), slide=slide), normalizer="macenko")
    assert len(none) == 0
    assert list(none) == []


def test_cells_of_another_slide_are_refused(slide: WSI, cells: Segmentation, tmp_path: Path) -> None:
    path = write_slide(tmp_path / "other.tif", tissue_like(700, 900), mpp=MPP)
    with WSI(path, 48, 24) as other:
        with pytest.raises(SlideMismatchError, match=r"other\.tif"):
            other.apply_segmentation(cells)
        assert other.segmentation is None
        assert other.apply_segmentation(cells, force=True) == 60


def test_a_path_in_place_of_cells(slide: WSI, masks_zip: Path) -> None:
    with pytest.raises(UsageError, match="Load the cells first"):
        slide.apply_segmentation(masks_zip)


def test_the_tile_size_must_be_known(disc_slide: Path, cells: Segmentation) -> None:
    with WSI(disc_slide) as slide, pytest.raises(UsageError, match="tile_px"):
        CellTiles(slide, cells)


def test_fluorescence_is_padded_black(tmp_path: Path) -> None:
    pixels = np.zeros((400, 400, 3), np.uint8)
    pixels[:40, :40, 2] = 220
    path = write_slide(tmp_path / "dapi.tif", pixels, mpp=MPP)
    labels = np.zeros((400, 400), np.uint32)
    labels[:30, :30] = 1
    with WSI(path, 48, 24) as slide:
        tile = CellTiles(slide, Segmentation(labels, slide=slide), apply_masks=False)[0]
    assert tile.padded
    assert (tile.image[0] == 0).all()


def test_reading_order_keeps_neighbours_together(slide: WSI) -> None:
    rng = np.random.default_rng(0)
    tiles = CellTiles(slide, Segmentation(discs()[1], slide=slide))
    object.__setattr__(tiles.cells, "ids", np.arange(1, 5001, dtype=np.uint32))
    object.__setattr__(tiles.cells, "centres", rng.uniform(0, 20_000, (5000, 2)))
    order = tiles.reading_order()
    assert sorted(order.tolist()) == list(range(5000))
    squares = [tuple(square) for square in (tiles.cells.centres[order] // 2048).tolist()]
    changes = sum(a != b for a, b in itertools.pairwise(squares))
    assert changes == len(set(squares)) - 1


def test_a_dataset_for_torch(masks_zip: Path, slide: WSI) -> None:
    from torch.utils.data import DataLoader

    slide.apply_segmentation(Segmentation.load(masks_zip))
    tiles = CellTiles(slide)
    dataset = tiles.to_torch(transform=lambda image: image.float() / 255)
    assert len(dataset) == 60
    batch = next(iter(DataLoader(dataset, batch_size=4)))
    assert batch["image"].shape == (4, 3, 48, 48)
    assert batch["cell_id"].tolist() == [1, 2, 3, 4]
    for n in range(4):
        tile = tiles[n]
        assert np.array_equal((batch["image"][n].numpy() * 255).round(), tile.image.transpose(2, 0, 1))
        assert batch["mask"][n].numpy().sum() == tile.mask.sum()
        assert batch["position_um"][n].tolist() == [tile.x_um, tile.y_um]
    with pytest.raises(IndexError):
        dataset[60]


def test_the_dataset_works_in_other_processes(masks_zip: Path, slide: WSI) -> None:
    from torch.utils.data import DataLoader

    slide.apply_segmentation(Segmentation.load(masks_zip))
    dataset = CellTiles(slide).to_torch()
    assert dataset[0]["cell_id"] == 1
    numbers = [int(n) for batch in DataLoader(dataset, batch_size=7, num_workers=2) for n in batch["cell_id"]]
    assert numbers == list(range(1, 61))
    copy = pickle.loads(pickle.dumps(dataset))
    assert (copy[5]["image"] == dataset[5]["image"]).all()


def test_a_dataset_needs_a_saved_segmentation(slide: WSI, cells: Segmentation) -> None:
    with pytest.raises(UsageError, match="Save the segmentation"):
        CellTiles(slide, cells).to_torch()


def test_a_closed_slide(slide: WSI, cells: Segmentation) -> None:
    tiles = CellTiles(slide, cells)
    slide.close()
    with pytest.raises(SlideError, match="closed"):
        tiles[0]
