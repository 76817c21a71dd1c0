"""Other scanners, stainers and focus: what must not matter is varied, what must matter is kept."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.cellseg.training.generator import jpeg

EMPTY_OD = 0.12
"""Mean optical density (natural logarithm) below which a pixel is glass, not tissue."""


def optical_density(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3) float32, natural logarithm."""
    return np.asarray(-np.log((rgb.astype(np.float32) + 1) / 256), np.float32)


def stain_of(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(2, 3) float32: mean and spread of the optical density of a field's tissue, red, green, blue."""
    density = optical_density(rgb).reshape(-1, 3)
    tissue = density[density.mean(axis=1) > EMPTY_OD]
    if len(tissue) < 100:
        tissue = density
    return np.stack([tissue.mean(axis=0), tissue.std(axis=0) + 0.02]).astype(np.float32)


def restain(
    rng: np.random.Generator, rgb: NDArray[np.uint8], own: NDArray[np.float32], other: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The picture moved some way from its own stain to another field's, both from `stain_of`."""
    share = rng.uniform(0.3, 1.0)
    spread = np.clip(other[1] / own[1], 0.4, 2.5) ** share
    mean = own[0] + share * (other[0] - own[0])
    density = (optical_density(rgb) - own[0]) * spread + mean
    # Glass stays glass, however dense the other tissue is.
    glass = np.clip(1 - optical_density(rgb).mean(axis=2, keepdims=True) / EMPTY_OD, 0, 1)
    density = np.clip(density * (1 - glass), 0, None)
    return np.clip(256 * np.exp(-density) - 1, 0, 255).astype(np.uint8)


def augment_colour(rng: np.random.Generator, rgb: NDArray[np.uint8], fluorescence: bool) -> NDArray[np.uint8]:
    """Stain gains and hues in optical density, blur, sharpening, noise, JPEG."""
    if fluorescence:
        image = rgb.astype(np.float32) * np.exp(rng.normal(0, 0.3)) + rng.uniform(0, 12)
        if rng.uniform() < 0.3:
            image = 255 * (np.clip(image, 0, 255) / 255) ** np.exp(rng.normal(0, 0.3))
    else:
        mix = np.eye(3) + rng.normal(0, 0.06, (3, 3))
        density = optical_density(rgb) @ mix.astype(np.float32)
        density = density * np.exp(rng.normal(0, 0.25)) + rng.normal(0, 0.02, 3)
        image = 256 * np.exp(-density) - 1
    if rng.uniform() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    elif rng.uniform() < 0.2:
        image = image + 0.8 * (image - cv2.GaussianBlur(image, (0, 0), 1.5))
    if rng.uniform() < 0.4:
        image = image + rng.normal(0, rng.uniform(1, 9), image.shape)
    out = np.clip(image, 0, 255).astype(np.uint8)
    return jpeg(out, int(rng.integers(40, 96))) if rng.uniform() < 0.5 else out


def normalise(rng: np.random.Generator, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Percentiles to 0…1 as the engine does, shaken: a slide's percentiles are not this field's.

    In an all but empty field the percentiles say nothing, so the spread has a floor, and what is brighter than
    any slide's normalisation would leave it is cut: one such field spoils the running statistics of thousands.
    """
    out = np.empty_like(x)
    floor = 8.0 if x.max() > 8 else 0.05
    for i, channel in enumerate(x):
        low, high = np.percentile(channel[::2, ::2], (1, 99))
        spread = max(float(high - low), floor)
        low = low + spread * rng.normal(-0.02, 0.06)
        spread *= np.exp(rng.normal(0.08, 0.2))
        # Keratin or pigment elsewhere on the slide may be far darker than any nucleus, which leaves nuclei pale.
        if rng.uniform() < 0.2:
            spread *= np.exp(rng.uniform(0, 0.8))
        out[i] = np.clip((channel - low) / spread, -2, 5)
    return out
