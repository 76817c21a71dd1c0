"""Stain normalisation: one transform for the slide, measured on its tissue, applied to every tile.

Measured on the slide and not on each tile, a cell's colours don't depend on
what else its tile happens to show. `macenko` (Macenko et al. 2009) maps the
slide's two stain directions and strengths to reference ones; `reinhard`
(Reinhard et al. 2001) maps mean and spread of each channel of CIE L*a*b*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.errors import SlideError, UsageError

if TYPE_CHECKING:
    from studio.slide import WSI

Normalizer = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""RGB (…, 3) to RGB of the same shape."""

METHODS = ("macenko", "reinhard")

_LIGHT = 240.0
"""Brightness of empty glass that optical density is measured against."""
_MIN_OD = 0.15
_ANGLE_PERCENTILES = (1.0, 99.0)
_STRONG_PERCENTILE = 99.0
_MIN_PIXELS = 500

# Haematoxylin and eosin, and their 99th percentiles, as given with Macenko's method.
_REFERENCE_STAINS = np.array([[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]])
_REFERENCE_STRENGTH = np.array([1.9705, 1.0308])
# Mean and standard deviation of L*, a*, b*: medians over 201 H&E fields of 17 tissues.
_REFERENCE_LAB = np.array([[54.2, 28.3, -16.8], [11.8, 5.3, 5.0]])

_FIELDS = 48
_FIELD_PX = 128
_SAMPLE_MPP = 1.0


@dataclass(frozen=True, eq=False)
class Macenko:
    """Maps optical densities by one 3 × 3 matrix: unmix the slide's stains, scale, mix the reference's.

    >>> rng = np.random.default_rng(0)
    >>> pixels = rng.integers(60, 180, (1000, 3), dtype=np.uint8)
    >>> Macenko.fit(pixels, target=pixels)(pixels[:3]).shape
    (3, 3)
    """

    matrix: NDArray[np.float32]
    """(3, 3): reference density = density @ matrix."""

    @classmethod
    def fit(cls, pixels: NDArray[np.uint8], target: NDArray[np.uint8] | None = None) -> Macenko:
        """From tissue pixels (N, 3) to the reference, or to the stains of other tissue pixels."""
        stains, strength = _stains(pixels)
        goal, goal_strength = (_REFERENCE_STAINS, _REFERENCE_STRENGTH) if target is None else _stains(target)
        unmix = np.linalg.pinv(stains)
        return cls((unmix.T * (goal_strength / strength) @ goal.T).astype(np.float32))

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture in the reference's stains."""
        light = _LIGHT * np.exp(-(_DENSITY[rgb] @ self.matrix))
        return _to_bytes(light)


@dataclass(frozen=True, eq=False)
class Reinhard:
    """Scales and shifts L*, a*, b*.

    >>> rng = np.random.default_rng(0)
    >>> pixels, pale = (rng.integers(low, low + 90, (1000, 3), dtype=np.uint8) for low in (60, 140))
    >>> abs(float(Reinhard.fit(pixels, target=pale)(pixels).mean()) - float(pale.mean())) < 2
    True
    """

    scale: NDArray[np.float32]
    shift: NDArray[np.float32]

    @classmethod
    def fit(cls, pixels: NDArray[np.uint8], target: NDArray[np.uint8] | None = None) -> Reinhard:
        """From tissue pixels (N, 3) to the reference, or to the colours of other tissue pixels."""
        mean, spread = _moments(pixels)
        goal_mean, goal_spread = _REFERENCE_LAB if target is None else _moments(target)
        scale = goal_spread / np.maximum(spread, 1e-3)
        return cls(scale.astype(np.float32), (goal_mean - mean * scale).astype(np.float32))

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture in the reference's colours."""
        return _rgb_from_lab(_lab(rgb) * self.scale + self.shift)


def normalizer_for(slide: WSI, method: str | Normalizer | None) -> Normalizer | None:
    """The transform that a name stands for on this slide; callables and None are passed through.

    Raises UsageError for an unknown name or a fluorescence slide, SlideError
    where there is too little tissue to measure.

    >>> normalizer_for(slide, "reinhard")(slide.read_patch(1000, 1200)).shape
    (96, 96, 3)
    """
    check_normalizer(method)
    if method is None or not isinstance(method, str):
        return method
    if slide.is_fluorescence():
        raise UsageError(f"{slide.path.name} is a fluorescence slide: it has no stain to normalise. Use no normalizer.")
    pixels = tissue_pixels(slide)
    if len(pixels) < _MIN_PIXELS:
        raise SlideError(
            f"{slide.path.name} has too little stained tissue to measure its colours for {method}. Use no normalizer."
        )
    return Macenko.fit(pixels) if method == "macenko" else Reinhard.fit(pixels)


def check_normalizer(method: str | Normalizer | None) -> None:
    """Raise UsageError for a name that stands for no method."""
    if isinstance(method, str) and method not in METHODS:
        raise UsageError(f"There is no normalizer {method!r}. Choose one of {', '.join(METHODS)}, or None.")


def tissue_pixels(slide: WSI) -> NDArray[np.uint8]:
    """(N, 3) RGB of stained pixels from fields spread evenly over the slide's tissue, at about 1 µm per pixel."""
    tissue = slide.tissue()
    mpp = slide.mpp or _SAMPLE_MPP
    scale = max(1.0, _SAMPLE_MPP / mpp)
    spots = np.argwhere(tissue.mask)
    chosen = spots[np.linspace(0, len(spots) - 1, min(_FIELDS, len(spots))).astype(np.intp)] if len(spots) else spots
    found = [np.zeros((0, 3), np.uint8)]
    half = _FIELD_PX * scale / 2
    for row, col in (chosen + 0.5) * tissue.scale:
        field = slide.read_rect(col - half, row - half, scale, _FIELD_PX, _FIELD_PX)
        found.append(field[_stained(field)])
    return np.concatenate(found)


def _stained(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels with enough dye in every channel to tell its colour."""
    enough: NDArray[np.bool_] = (_DENSITY[rgb] > _MIN_OD).all(axis=-1)
    return enough


def _stains(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two stain directions (3, 2), haematoxylin first, and the 99th percentile of each one's strength."""
    density = _DENSITY[pixels].reshape(-1, 3).astype(np.float64)
    _, vectors = np.linalg.eigh(np.cov(density.T))
    plane = vectors[:, [2, 1]]
    plane *= np.where(plane.sum(axis=0) < 0, -1.0, 1.0)
    flat = density @ plane
    angles = np.arctan2(flat[:, 1], flat[:, 0])
    ends = np.percentile(angles, _ANGLE_PERCENTILES)
    stains = plane @ np.stack([np.cos(ends), np.sin(ends)])
    # Haematoxylin absorbs more red than eosin does.
    stains = stains[:, np.argsort(-stains[0])]
    strength = np.percentile(density @ np.linalg.pinv(stains).T, _STRONG_PERCENTILE, axis=0)
    return stains, np.maximum(strength, 1e-3)


def _moments(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lab = _lab(pixels).reshape(-1, 3).astype(np.float64)
    return lab.mean(axis=0), lab.std(axis=0)


def _lab(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    import cv2

    flat = rgb.reshape(-1, 1, 3).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_RGB2LAB), np.float32).reshape(rgb.shape)


def _rgb_from_lab(lab: NDArray[np.float32]) -> NDArray[np.uint8]:
    import cv2

    rgb = cv2.cvtColor(lab.reshape(-1, 1, 3), cv2.COLOR_LAB2RGB).reshape(lab.shape)
    return _to_bytes(rgb * 255)


def _to_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """0 to 255, rounded and clipped."""
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


_DENSITY: NDArray[np.float32] = -np.log((np.arange(256, dtype=np.float32) + 1) / (_LIGHT + 1))
"""Optical density of each of the 256 brightnesses."""
