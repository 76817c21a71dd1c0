"""Otsu tissue detection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.slide import TissueMask, open_slide
from studio.slide.tissue import find_tissue, looks_fluorescent, otsu
from tests.make_slides import write_slide


def spot(background: tuple[int, int, int], colour: tuple[int, int, int]) -> np.ndarray:
    """A picture of 200 × 300 with one rectangle of 40 × 60 at row 100, column 50."""
    rng = np.random.default_rng(1)
    rgb = np.empty((200, 300, 3), np.int16)
    rgb[:] = background
    rgb[100:140, 50:110] = colour
    return np.clip(rgb + rng.integers(-2, 3, rgb.shape), 0, 255).astype(np.uint8)


def test_otsu_parts_two_classes_as_an_exhaustive_search_does() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(60, 12, 3000), rng.normal(170, 25, 900)]).clip(0, 255).astype(np.uint8)

    def spread(t: int) -> float:
        low, high = values[values <= t], values[values > t]
        return float(len(low) * low.var() + len(high) * high.var()) if len(low) and len(high) else np.inf

    found = otsu(values)
    assert spread(found) == pytest.approx(min(spread(t) for t in range(256)))
    assert otsu(np.full((5, 5), 90, np.uint8)) == 90


def test_stained_tissue_on_glass() -> None:
    tissue = find_tissue(spot((240, 240, 242), (190, 120, 170)), 4.0)
    assert not tissue.fluorescence
    assert tissue.share == pytest.approx(40 * 60 / (200 * 300), rel=0.05)
    assert tissue.covers(55 * 4, 105 * 4, 10, 10)
    assert not tissue.covers(0, 0, 45 * 4, 800)
    assert tissue.part(60 * 4, 110 * 4, 80, 80) == 1.0


def test_bright_cells_on_a_dark_slide() -> None:
    tissue = find_tissue(spot((8, 8, 12), (20, 30, 200)), 1.0)
    assert tissue.fluorescence
    assert tissue.share == pytest.approx(0.04, rel=0.05)


@pytest.mark.parametrize("gray", [3, 255, 250])
def test_an_empty_slide_with_noise_has_no_tissue(gray: int) -> None:
    rng = np.random.default_rng(2)
    noise = np.clip(gray + rng.integers(-3, 4, (200, 200, 3)), 0, 255).astype(np.uint8)
    assert find_tissue(noise, 1.0).share < 0.001


def test_covers_sees_the_smallest_touch_and_nothing_off_the_slide() -> None:
    mask = np.zeros((10, 10), np.bool_)
    mask[9, 9] = True
    tissue = TissueMask(mask, 8.0, 0)
    assert tissue.covers(0, 0, 72.5, 72.5)
    assert not tissue.covers(0, 0, 72, 72)
    assert tissue.covers(79, 79, 500, 500)
    assert not tissue.covers(80, 80, 500, 500)
    assert not tissue.covers(-50, -50, 40, 40)
    assert tissue.part(-10, -10, 5, 5) == 0.0


def test_real_slides(shared_data: Path) -> None:
    with open_slide(shared_data / "CMU-1-Small-Region.svs") as slide:
        assert 0.15 < slide.tissue().share < 0.6
        assert not slide.is_fluorescence()
        assert slide.tissue() is slide.tissue()
    with open_slide(shared_data / "DAPI_40x.ndpi") as slide:
        assert slide.is_fluorescence()
        assert 0.02 < slide.tissue().share < 0.4
    with open_slide(shared_data / "liver_40x_aperio.svs") as slide:
        assert 0.05 < slide.tissue().share < 0.3


def test_fluorescence_is_told_from_stain(shared_data: Path) -> None:
    stained = [p for p in sorted((shared_data / "he_patches").rglob("*.jpg"))[::9] if p.is_file()]
    dark = sorted((shared_data / "nuclei_dsb2018" / "fluor").glob("*.png"))[::9]
    assert len(stained) > 10
    assert len(dark) > 10
    for path in stained:
        assert not looks_fluorescent(np.asarray(Image.open(path).convert("RGB"))), path.name
    wrong = [p.name for p in dark if not looks_fluorescent(np.asarray(Image.open(p).convert("RGB")))]
    assert len(wrong) <= 0.02 * len(dark), wrong


def test_a_slide_of_nothing_has_no_tissue(tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "nothing.tif", lambda x, y, w, h: None, (3000, 2000))) as slide:
        assert slide.tissue().share == 0.0
        assert not slide.tissue().covers(0, 0, 3000, 2000)
