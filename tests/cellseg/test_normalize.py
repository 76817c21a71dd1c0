"""One normalisation for a slide, from its tissue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.cellseg.inputs import OD_OF_BYTE, STAINS, to_channels
from studio.cellseg.normalize import FIELD_PX, Normalization, _fields, normalization_for
from studio.errors import ParameterError
from studio.slide import WSI, open_slide
from tests.make_slides import write_slide


def test_applying_it() -> None:
    x = np.array([[[10.0, 20.0, 30.0]], [[5.0, 5.0, 5.0]]], np.float32)
    out = Normalization((10.0, 5.0), (30.0, 5.0)).apply(x)
    np.testing.assert_allclose(out[0, 0], (0.0, 0.5, 1.0))
    # A channel without contrast says nothing.
    assert (out[1] == 0).all()


def test_it_comes_from_percentiles_of_the_tissue(dots: WSI) -> None:
    found = normalization_for(dots, 0.9, "hematoxylin")
    assert normalization_for(dots, 0.9, "hematoxylin") is found
    values = np.concatenate(
        [to_channels(dots.read_working(0.9, *at), "hematoxylin").reshape(2, -1) for at in _fields(dots, 0.9)], axis=1
    )
    np.testing.assert_allclose(found.low, np.percentile(values, 1, axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.high, np.percentile(values, 99, axis=1), rtol=1e-5)
    tissue = dots.tissue()
    for row, col, rows, cols in _fields(dots, 0.9):
        assert tissue.part(col * 0.9, row * 0.9, cols * 0.9, rows * 0.9) > 0


def test_glass_around_the_tissue_changes_nothing_much(tmp_path: Path) -> None:
    """A slide that is mostly glass isn't stretched until its glass has contrast."""
    rng = np.random.default_rng(0)
    image = np.full((2400, 2400, 3), 245, np.uint8)
    image[900:1500, 900:1500] = rng.normal((180, 100, 170), 25, (600, 600, 3)).clip(0, 255)
    with open_slide(write_slide(tmp_path / "small.tiff", image, mpp=0.5)) as slide:
        found = normalization_for(slide, 1.0, "gray")
    inside = image[900:1500, 900:1500].mean(axis=2)
    assert found.low[0] == pytest.approx(np.percentile(inside, 1), abs=4)


@pytest.mark.parametrize("side", [FIELD_PX // 2, 3 * FIELD_PX])
def test_an_empty_slide_has_one_too(tmp_path: Path, side: int) -> None:
    with open_slide(write_slide(tmp_path / "white.tiff", np.full((side, side, 3), 250, np.uint8), mpp=0.5)) as slide:
        found = normalization_for(slide, 1.0, "hematoxylin")
        x = found.apply(to_channels(slide.read_working(1.0, 0, 0, 50, 50), "hematoxylin"))
    assert np.isfinite(x).all()


def test_two_channels_of_choice() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    both = to_channels(rgb, "green+blue")
    np.testing.assert_array_equal(both, np.moveaxis(rgb[..., 1:], -1, 0))
    alone = to_channels(rgb, "red")
    np.testing.assert_array_equal(alone[0], rgb[..., 0])
    assert not alone[1].any()
    for mode in ("green+gray", "+blue", "green+green+blue", "auto"):
        with pytest.raises(ParameterError):
            to_channels(rgb, mode)


def test_haematoxylin_of_every_colour_is_the_sum_written_out() -> None:
    steps = np.arange(256, dtype=np.uint8)
    rgb = np.stack(np.meshgrid(steps, steps, steps[::5], indexing="ij"), axis=-1).reshape(256, -1, 3)
    red, green, blue = (OD_OF_BYTE[rgb[..., i]] for i in range(3))
    a, b, c = np.linalg.inv(STAINS)[:, 0].astype(np.float32)
    found = to_channels(rgb, "hematoxylin")
    np.testing.assert_array_equal(found[0], np.maximum(red * a + green * b + blue * c, 0))
    np.testing.assert_array_equal(found[1], (red + green + blue) * np.float32(1 / 3))
