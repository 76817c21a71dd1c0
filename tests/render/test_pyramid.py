"""Levels that a slide's file doesn't have. No GL."""

from __future__ import annotations

import numpy as np
import pytest

from studio.errors import SlideError
from studio.render.loader import Overtaken
from studio.render.pyramid import SlidePyramid, error_pattern
from tests.render.pictures import ArraySlide, slide_of


def read(pyramid: SlidePyramid, level: int, col: int = 0, row: int = 0) -> np.ndarray:
    return pyramid.read(level, col, row, lambda: None)


def halved(pixels: np.ndarray) -> np.ndarray:
    padded = np.pad(pixels, ((0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0)), mode="edge").astype(float)
    return (padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]) / 4


def pixel_sizes(pyramid: SlidePyramid) -> list[float]:
    return [grid.pixel[0] for grid in pyramid.grids]


@pytest.mark.parametrize(
    ("sides", "downs", "made"),
    [
        ((16,), (1.0,), [1]),
        ((3000,), (1.0,), [1, 2, 4, 8, 16]),
        ((8000, 2000, 500), (1.0, 4.0, 16.0), [1, 2, 4, 8, 16, 32]),
        ((8000, 4000, 2000, 1000, 500, 250, 125), (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0), [1, 2, 4, 8, 16, 32]),
        ((16000, 1000), (1.0, 16.0), [1, 2, 4, 8, 16, 32, 64]),
        ((8000, 1999, 499), (1.0, 4.0003, 16.0319), [1, 2, 4.0003, 8.0006, 16.0319, 32.0638]),
    ],
)
def test_levels_halve_down_to_a_small_one(sides: tuple[int, ...], downs: tuple[float, ...], made: list[float]) -> None:
    slide = ArraySlide(*(np.broadcast_to(np.uint8(0), (side, side, 3)) for side in sides), downsamples=downs)
    pyramid = SlidePyramid(slide)
    assert pixel_sizes(pyramid) == pytest.approx(made)
    assert pyramid.grids[pyramid.cover].shape == (1, 1)
    assert pyramid.cover == 0 or pyramid.grids[pyramid.cover - 1].shape != (1, 1)


def test_made_levels_are_the_means_of_the_level_below() -> None:
    slide = slide_of(1301, 1157)
    pyramid = SlidePyramid(slide)
    once = halved(slide.levels[0])
    for col, row in ((0, 0), (1, 0), (0, 1), (1, 1)):
        tile = read(pyramid, 1, col, row)
        expected = once[row * 512 : row * 512 + 512, col * 512 : col * 512 + 512]
        assert tile.shape == expected.shape
        assert np.abs(tile - expected).max() <= 1
    assert np.abs(read(pyramid, 2) - halved(once)).max() <= 1.5


def test_tiles_of_the_file_are_handed_on_untouched_and_made_ones_are_kept() -> None:
    slide = slide_of(1100, 1100)
    pyramid = SlidePyramid(slide)
    assert np.array_equal(read(pyramid, 0, 1, 1), slide.levels[0][512:1024, 512:1024])
    read(pyramid, 2)
    count = len(slide.reads)
    read(pyramid, 2)
    read(pyramid, 1, 0, 0)
    assert len(slide.reads) == count
    assert pyramid.cost(0) == 1
    assert pyramid.cost(1) == 4
    assert pyramid.cost(2) == 16


def test_a_bad_tile_shows_as_a_pattern_within_a_made_one() -> None:
    slide = slide_of(1024, 1024)
    slide.bad = {(0, 1, 0)}
    pyramid = SlidePyramid(slide)
    with pytest.raises(SlideError):
        read(pyramid, 0, 1, 0)
    tile, right = read(pyramid, 1), halved(slide.levels[0])
    assert np.abs(tile[:256, 256:] - halved(error_pattern())).max() <= 1
    assert np.abs(tile[256:] - right[256:]).max() <= 1


def test_a_closed_slide_is_an_error_and_no_pattern() -> None:
    slide = slide_of(1024, 1024)
    pyramid = SlidePyramid(slide)
    slide.close()
    with pytest.raises(SlideError):
        read(pyramid, 1)


def test_a_long_read_stops_between_tiles() -> None:
    slide = slide_of(1024, 2048)
    steps = iter(range(5))

    def check() -> None:
        if next(steps, None) is None:
            raise Overtaken

    with pytest.raises(Overtaken):
        SlidePyramid(slide).read(2, 0, 0, check)
    assert 0 < len(slide.reads) < 8
