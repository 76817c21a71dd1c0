"""The resampling kernel against what is known exactly, and against Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from studio.slide.resample import resample, taps
from tests.make_slides import tissue_like

STEPS = [0.35, 1.0, 1.37, 2.0, 3.9998, 11.3]


def whole(image: NDArray[np.uint8], step: float) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    rows, cols = taps(0, round(height / step), step), taps(0, round(width / step), step)
    return resample(image, rows, cols, (0, 0), (height, width))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_a_constant_stays_constant(step: float, value: int) -> None:
    assert np.unique(whole(np.full((97, 61, 3), value, np.uint8), step)).tolist() == [value]


@pytest.mark.parametrize("step", STEPS)
def test_a_gradient_keeps_its_place(step: float) -> None:
    slope = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (40, 256, 3))
    out = whole(np.ascontiguousarray(slope), step).astype(float)
    centre = (np.arange(out.shape[1]) + 0.5) * step - 0.5
    inside = (centre > step) & (centre < 255 - step)
    assert inside.sum() >= 10
    assert np.abs(out[0, inside, 0] - centre[inside]).max() <= 0.51
    assert (out == out[:1]).all()


def test_step_one_is_the_identity() -> None:
    image = tissue_like(50, 70)
    assert np.array_equal(whole(image, 1.0), image)


@pytest.mark.parametrize("size", [(30, 40), (111, 93), (60, 60)])
def test_shrinking_agrees_with_pillow(size: tuple[int, int]) -> None:
    # Pillow's bilinear filter is the same triangle; it cuts taps off at the edges where ours repeats pixels.
    image = tissue_like(240, 240)
    cols, rows = size
    out = resample(image, taps(0, rows, 240 / rows), taps(0, cols, 240 / cols), (0, 0), (240, 240))
    reference = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    gap = np.abs(out.astype(int) - reference)[4:-4, 4:-4]
    assert gap.max() <= 2
    assert gap.mean() < 0.3


def test_detail_finer_than_the_step_averages_out() -> None:
    checks = (np.indices((200, 200)).sum(axis=0) % 2 * 255).astype(np.uint8)
    out = whole(np.repeat(checks[..., None], 3, axis=2), 5.0)
    assert np.abs(out[1:-1, 1:-1].astype(int) - 127).max() <= 2
