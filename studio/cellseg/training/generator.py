"""Synthetic fields with known nuclei: domain-randomised H&E and fluorescence.

Not meant to be pretty: meant to vary in everything that must not matter (stain, texture, size,
crowding, chromatin, blur, JPEG), so that a network learns what does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


@dataclass(frozen=True)
class Field:
    """One training field: `rgb` (H, W, 3) uint8, `labels` (H, W) int32, and what kind of light made it.

    `trust` (H, W) uint8 says how much each pixel counts in the loss, of 255; None where all count fully.
    """

    rgb: NDArray[np.uint8]
    labels: NDArray[np.int32]
    fluorescence: bool
    source: str = "generated"
    trust: NDArray[np.uint8] | None = None


def _noise(rng: np.random.Generator, size_px: int, scale_px: float) -> NDArray[np.float32]:
    """Smooth noise of unit variance with structures of about `scale_px`."""
    small = max(4, int(np.ceil(size_px / max(scale_px, 1.0))) + 2)
    field = cv2.resize(rng.standard_normal((small, small)).astype(np.float32), (size_px, size_px), interpolation=2)
    return np.asarray(field / (field.std() + 1e-6), dtype=np.float32)


def place_nuclei(rng: np.random.Generator, size_px: int, diameter_px: float, most: float = 0.55) -> NDArray[np.int32]:
    """Labels of wobbly ellipses, scattered or in crowds, later ones lying under earlier ones; `most`: share of area."""
    labels = np.zeros((size_px, size_px), dtype=np.int32)
    density = rng.uniform(0.02, most)
    wanted = int(density * size_px**2 / (np.pi / 4 * diameter_px**2))
    crowd = ndimage.gaussian_filter(rng.standard_normal((size_px, size_px)), size_px / rng.uniform(6, 20))
    crowd_weight = rng.uniform(0, 3)
    elongation = rng.uniform(1.0, 2.6)
    direction = rng.uniform(0, np.pi)
    rows, cols = np.mgrid[:size_px, :size_px].astype(np.float32)
    index = 0
    for _ in range(wanted):
        y, x = rng.uniform(0, size_px, 2)
        lift = crowd[int(y), int(x)] / (crowd.std() + 1e-9)
        if rng.uniform() > 1 / (1 + np.exp(-crowd_weight * lift)) * 2:
            continue
        radius = diameter_px / 2 * np.exp(rng.normal(0, 0.22))
        ratio = np.sqrt(np.clip(rng.normal(elongation, 0.3), 1, 3.5))
        angle = direction + rng.normal(0, 0.5) if elongation > 1.6 else rng.uniform(0, np.pi)
        reach = int(radius * ratio * 1.4) + 2
        r0, r1 = max(0, int(y) - reach), min(size_px, int(y) + reach + 1)
        c0, c1 = max(0, int(x) - reach), min(size_px, int(x) + reach + 1)
        dy, dx = rows[r0:r1, c0:c1] - y, cols[r0:r1, c0:c1] - x
        u = (dx * np.cos(angle) + dy * np.sin(angle)) / ratio
        v = (-dx * np.sin(angle) + dy * np.cos(angle)) * ratio
        theta = np.arctan2(v, u)
        wobble = 1 + sum(rng.normal(0, 0.05) * np.cos(k * theta + rng.uniform(0, 6.3)) for k in (2, 3, 4))
        inside = np.hypot(u, v) < radius * wobble
        free = labels[r0:r1, c0:c1] == 0
        if inside.sum() == 0 or (inside & free).sum() < 0.6 * inside.sum():
            continue
        index += 1
        labels[r0:r1, c0:c1][inside & free] = index
    return labels


def chromatin(rng: np.random.Generator, labels: NDArray[np.int32], diameter_px: float) -> NDArray[np.float32]:
    """Stain inside the nuclei: each its own depth, texture, and a vesicular or solid profile."""
    size_px = labels.shape[0]
    count = int(labels.max())
    depth = np.concatenate([[0.0], np.exp(rng.normal(0, rng.uniform(0.05, 0.4), count))]).astype(np.float32)
    vesicular = np.concatenate([[0.0], (rng.uniform(size=count) < rng.uniform(0, 0.8)) * rng.uniform(0.2, 0.7)])
    inside = (labels > 0).astype(np.float32)
    edges = labels != ndimage.grey_erosion(labels, size=3)
    distance = ndimage.distance_transform_edt((labels > 0) & ~edges)
    rim = np.exp(-distance / (diameter_px * 0.12))
    texture = 1 + rng.uniform(0.05, 0.35) * _noise(rng, size_px, diameter_px / rng.uniform(4, 9))
    profile = 1 - vesicular[labels] * (1 - rim)
    return np.asarray(inside * depth[labels] * np.clip(texture, 0.2, 2.5) * profile, dtype=np.float32)


def he_field(rng: np.random.Generator, size_px: int, diameter_px: float) -> Field:
    """A haematoxylin-and-eosin-like field."""
    labels = place_nuclei(rng, size_px, diameter_px)
    nuclei = chromatin(rng, labels, diameter_px) * rng.uniform(0.35, 1.2)
    haze = np.clip(_noise(rng, size_px, diameter_px * rng.uniform(1, 5)), 0, None) * rng.uniform(0, 0.12)
    hematoxylin = nuclei + haze + rng.uniform(0, 0.08)
    eosin = np.clip(
        rng.uniform(0.1, 0.5)
        + rng.uniform(0.05, 0.2) * _noise(rng, size_px, diameter_px * rng.uniform(0.6, 3))
        + rng.uniform(0.0, 0.12) * _noise(rng, size_px, diameter_px * 0.2),
        0,
        None,
    )
    lumen = _noise(rng, size_px, diameter_px * rng.uniform(3, 8)) > rng.uniform(0.9, 3)
    eosin[lumen & (labels == 0)] *= 0.1
    eosin *= np.where(labels > 0, rng.uniform(0.3, 1.0), 1.0)
    stain_h = np.array([0.65, 0.704, 0.286]) + rng.normal(0, 0.06, 3)
    stain_e = np.array([0.072, 0.99, 0.105]) + rng.normal(0, 0.06, 3)
    density = hematoxylin[..., None] * np.abs(stain_h) + eosin[..., None] * np.abs(stain_e)
    rgb = 255 * rng.uniform(0.9, 1.0) * 10**-density
    return Field(_camera(rng, rgb), labels, fluorescence=False)


def fluorescence_field(rng: np.random.Generator, size_px: int, diameter_px: float) -> Field:
    """Bright nuclei on a dark, uneven background."""
    labels = place_nuclei(rng, size_px, diameter_px)
    nuclei = ndimage.gaussian_filter(chromatin(rng, labels, diameter_px), rng.uniform(0.3, diameter_px / 14))
    haze = np.clip(_noise(rng, size_px, size_px / rng.uniform(2, 6)), 0, None) * rng.uniform(0, 0.15)
    light = nuclei * rng.uniform(0.3, 1.2) + haze + rng.uniform(0, 0.1)
    light = light * 180 + rng.normal(0, rng.uniform(0.5, 8), light.shape)
    colour = np.ones(3) if rng.uniform() < 0.5 else np.eye(3)[rng.integers(3)] * 0.9 + 0.1 * rng.uniform(size=3)
    return Field(_camera(rng, light[..., None] * colour), labels, fluorescence=True)


def _camera(rng: np.random.Generator, rgb: NDArray[Any]) -> NDArray[np.uint8]:
    """Blur, noise and JPEG, as a scanner adds them."""
    blurred = ndimage.gaussian_filter(rgb, (*(rng.uniform(0.2, 1.3),) * 2, 0))
    noisy = blurred + rng.normal(0, rng.uniform(0, 5), rgb.shape)
    return jpeg(np.clip(noisy, 0, 255).astype(np.uint8), int(rng.integers(55, 98)))


def jpeg(rgb: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """The picture after a JPEG of that quality."""
    _, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])
