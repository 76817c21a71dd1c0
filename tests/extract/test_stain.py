"""Stain normalisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.errors import SlideError, UsageError
from studio.extract.stain import Macenko, Reinhard, normalizer_for, tissue_pixels
from studio.slide import WSI
from tests.make_slides import write_slide

STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
STAINS /= np.linalg.norm(STAINS, axis=1, keepdims=True)
OTHER = np.array([[0.50, 0.75, 0.43], [0.25, 0.85, 0.46]])
OTHER /= np.linalg.norm(OTHER, axis=1, keepdims=True)


def dyed(stains: np.ndarray, strength: float, seed: int = 0, shape: tuple[int, ...] = (20_000,)) -> np.ndarray:
    """Pixels that hold random amounts of two dyes."""
    rng = np.random.default_rng(seed)
    mix = rng.uniform(0, 1, shape)[..., None]
    amount = rng.uniform(0.5, 1.5, shape)[..., None] * strength
    density = amount * (mix * stains[0] + (1 - mix) * stains[1])
    return (241 * np.exp(-density) - 1).clip(0, 255).round().astype(np.uint8)


def test_macenko_maps_one_lab_s_dyes_to_another_s() -> None:
    source, target = dyed(STAINS, 1.0), dyed(OTHER, 1.4)
    mapped = Macenko.fit(source, target)(source).astype(float)
    # The same amounts in the other dyes: what a perfect normaliser would give.
    assert np.abs(mapped - target).mean() < 6
    assert np.abs(source.astype(float) - target).mean() > 25


def test_two_slides_of_one_tissue_come_out_alike() -> None:
    first, second = dyed(STAINS, 0.8), dyed(OTHER, 1.3)
    a, b = (Macenko.fit(pixels)(pixels).astype(float) for pixels in (first, second))
    assert np.abs(a - b).mean() < 0.3 * np.abs(first.astype(float) - second).mean()


def test_reinhard_gives_the_target_s_mean_and_spread() -> None:
    source, target = dyed(STAINS, 0.6), dyed(OTHER, 1.0)
    mapped = Reinhard.fit(source, target)(source).astype(float)
    assert mapped.mean(axis=0) == pytest.approx(target.mean(axis=0), abs=5)
    assert np.abs(source.mean(axis=0) - target.mean(axis=0)).max() > 20


@pytest.mark.parametrize("kind", [Macenko, Reinhard])
def test_pictures_keep_their_shape(kind: type[Macenko] | type[Reinhard]) -> None:
    pixels = dyed(STAINS, 1.0, shape=(30, 40))
    assert kind.fit(pixels.reshape(-1, 3))(pixels).shape == (30, 40, 3)


@pytest.mark.parametrize("method", ["macenko", "reinhard"])
def test_one_transform_for_the_slide(sample_slide: Path, method: str) -> None:
    with WSI(sample_slide, 96, "20x") as slide, WSI(sample_slide, 96, "20x") as again:
        normalize = normalizer_for(slide, method)
        assert normalize is not None
        patch = slide.read_patch(1000, 1200)
        out = normalize(patch)
        assert np.array_equal(out, normalizer_for(again, method)(patch))
        assert np.array_equal(out[:40, :40], normalize(patch[:40, :40]))
        assert 2 < np.abs(out.astype(float) - patch).mean() < 80


def test_tissue_pixels_are_tissue(sample_slide: Path) -> None:
    with WSI(sample_slide) as slide:
        pixels = tissue_pixels(slide)
    assert len(pixels) > 50_000
    assert pixels.max(axis=1).mean() < 230


def test_slides_that_have_no_stain(tmp_path: Path) -> None:
    dark = np.zeros((300, 300, 3), np.uint8)
    dark[100:150, 100:150, 2] = 200
    with (
        WSI(write_slide(tmp_path / "dapi.tif", dark)) as slide,
        pytest.raises(UsageError, match="fluorescence"),
    ):
        normalizer_for(slide, "macenko")
    with (
        WSI(write_slide(tmp_path / "glass.tif", np.full((300, 300, 3), 240, np.uint8))) as slide,
        pytest.raises(SlideError, match="too little stained tissue"),
    ):
        normalizer_for(slide, "reinhard")


def test_names_and_own_functions(sample_slide: Path) -> None:
    with WSI(sample_slide) as slide:
        assert normalizer_for(slide, None) is None
        assert normalizer_for(slide, np.negative) is np.negative
        with pytest.raises(UsageError, match="macenko, reinhard"):
            normalizer_for(slide, "vahadane")
