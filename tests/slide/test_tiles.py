"""Grid of tiles, patches around a point, quality control."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.errors import AnnotationError, MissingMppError, UsageError
from studio.slide import ROI, WSI, SlideMask
from studio.slide.sharpness import find_sharp
from studio.slide.tiles import Patch, make_grid
from tests.make_slides import tissue_like, write_slide


@pytest.fixture(scope="module")
def half_sharp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1600 × 1200 px at 1 µm: fine structure at the left, the same out of focus at the right."""
    from scipy.ndimage import gaussian_filter

    pixels = tissue_like(1200, 1600).copy()
    pixels[:, 800:] = gaussian_filter(pixels[:, 800:], (12, 12, 0))
    return write_slide(tmp_path_factory.mktemp("qc") / "half.tif", pixels, mpp=1.0)


def test_a_grid_covers_the_slide_to_its_last_pixel() -> None:
    grid = make_grid((1000, 500), 96.0)
    assert len(grid) == 11 * 6
    last = list(grid)[-1]
    assert (last.col, last.row) == (10, 5)
    assert last.x + last.side >= 1000
    assert last.y + last.side >= 500
    assert np.array_equal(grid.centres[-1], last.centre)


def test_whole_tiles_only_and_tiles_that_overlap() -> None:
    assert len(make_grid((1000, 500), 96.0, partial=False)) == 10 * 5
    assert len(make_grid((96, 96), 96.0, partial=False)) == 1
    assert len(make_grid((50, 50), 96.0, partial=False)) == 0
    assert len(make_grid((50, 50), 96.0)) == 1
    dense = make_grid((960, 96), 96.0, 4, partial=False)
    assert len(dense) == 37
    assert dense.step == 24
    with pytest.raises(UsageError, match="stride"):
        make_grid((1000, 500), 96.0, 0.5)


def test_a_patch_at_the_slide_s_resolution_is_the_slide_s_pixels(sample_slide: Path) -> None:
    with WSI(sample_slide, 64, 64 * 0.499) as slide:
        patch = slide.patch(500.3, 700.8)
        assert np.array_equal(
            slide.read_patch(500.3, 700.8), slide.read_level(0, int(patch.left), int(patch.top), 64, 64)
        )
        assert abs(patch.left + 32 - 500.3) <= 0.5


def test_a_patch_at_a_magnification_shows_its_micrometres(sample_slide: Path) -> None:
    with WSI(sample_slide, 96, "10x") as slide:
        assert slide.patch(1000, 1200).side == pytest.approx(96 / 0.499)
        rgb = slide.read_patch(1000, 1200)
        assert rgb.shape == (96, 96, 3)
        native = slide.read_level(0, 904, 1104, 192, 192).reshape(96, 2, 96, 2, 3).mean(axis=(1, 3))
        assert np.abs(rgb.astype(float) - native).mean() < 12


def test_a_patch_over_the_edge_is_padded(sample_slide: Path) -> None:
    with WSI(sample_slide, 64, 64 * 0.499) as slide:
        assert not slide.patch(10, 10).within(slide.size)
        corner = slide.read_patch(10, 10, outside=0)
        assert (corner[:22] == 0).all()
        assert (corner[22:, 22:] == slide.read_level(0, 0, 0, 42, 42)).all()
        assert Patch.centred(32, 32, 64, 64).within(slide.size)


def test_patches_need_a_tile_size_and_a_pixel_size(sample_slide: Path, tmp_path: Path) -> None:
    with WSI(sample_slide) as slide, pytest.raises(UsageError, match="tile_px"):
        slide.patch(0, 0)
    bare = write_slide(tmp_path / "bare.tif", tissue_like(300, 300), mpp=None)
    with WSI(bare, 96, "40x") as slide, pytest.raises(MissingMppError):
        slide.grid()
    with WSI(bare, 96, "40x", mpp=0.5) as slide:
        assert len(slide.grid()) == 49


def test_regions_choose_tiles_by_their_centre(sample_slide: Path) -> None:
    with WSI(sample_slide, 100, 49.9) as slide:
        every = slide.grid()
        slide.rois = (ROI("r", np.array([[0, 0], [450, 0], [450, 300], [0, 300.0]])),)
        chosen = slide.grid()
        assert len(chosen) == 4 * 3
        slide.rois = ()
        assert len(slide.grid()) == len(every)


def test_a_broken_file_of_regions_leaves_the_old_ones(sample_slide: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("ROI_Name,X_base,Y_base\nA,0,0\nA,9,0\nA,9,9\n")
    bad.write_text("nothing")
    with WSI(sample_slide) as slide:
        assert slide.load_rois(good) == 1
        with pytest.raises(AnnotationError):
            slide.load_rois(bad)
        assert slide.rois[0].name == "A"


def test_otsu_keeps_the_tissue_s_tiles(sample_slide: Path) -> None:
    with WSI(sample_slide, 128, "20x") as slide:
        every = len(slide.grid())
        kept = slide.qc("otsu")
        assert kept is slide.tissue()
        assert 0 < len(slide.grid()) < 0.8 * every
        # A fully empty tile is never kept.
        assert all(slide.tissue().part(t.x, t.y, t.side, t.side) >= 0.4 for t in slide.grid())
        slide.remove_qc()
        assert len(slide.grid()) == every


def test_blur_filter_keeps_what_is_in_focus(half_sharp: Path) -> None:
    with WSI(half_sharp, 100, 100) as slide:
        sharp = slide.qc("blur", mpp=1.0)
        assert sharp.part(0, 0, 760, 1200) > 0.99
        assert sharp.part(850, 0, 750, 1200) < 0.01
        assert {tile.col for tile in slide.grid()} == set(range(8))


def test_blur_filter_does_not_depend_on_strips(half_sharp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WSI(half_sharp) as slide:
        whole = find_sharp(slide, mpp=2.0, threshold=0.01).mask
        monkeypatch.setattr("studio.slide.sharpness._STRIP_PX", 30_000)
        assert np.array_equal(find_sharp(slide, mpp=2.0, threshold=0.01).mask, whole)
        monkeypatch.setattr("studio.slide.sharpness.MASK_PX", 300)
        pooled = find_sharp(slide, mpp=2.0, threshold=0.01)
        assert max(pooled.mask.shape) <= 300
        assert pooled.share == pytest.approx(whole.mean(), abs=0.02)


def test_quality_controls_add_up(half_sharp: Path) -> None:
    with WSI(half_sharp, 100, 100) as slide:
        slide.qc("otsu")
        tissue = len(slide.grid())
        slide.qc("blur", mpp=1.0)
        assert 0 < len(slide.grid()) < tissue
        slide.remove_qc()
        both = slide.qc("both", mpp=1.0)
        assert both.share <= slide.tissue().share
        with pytest.raises(UsageError, match="sepia"):
            slide.qc("sepia")


def test_masks_of_two_scales_meet_at_the_finer() -> None:
    coarse, fine = np.array([[True, False]]), np.ones((4, 8), np.bool_)
    fine[0] = False
    met = SlideMask(coarse, 4.0) & SlideMask(fine, 1.0)
    assert met.scale == 1.0
    assert met.mask[:, :4].sum() == 12
    assert not met.mask[:, 4:].any()
    assert np.array_equal((SlideMask(fine, 1.0) & SlideMask(coarse, 4.0)).mask, met.mask)
