"""Endless training examples: turned, scaled and restained pieces of fields, with the flows they should give."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.cellseg.inputs import to_channels
from studio.cellseg.training.augment import augment_colour, normalise, restain, stain_of
from studio.cellseg.training.data import median_diameter, split_pieces
from studio.cellseg.training.generator import Field, fluorescence_field, he_field
from studio.cellseg.training.planted import plant

CROP_PX = 224
DIAMETERS = (0.9, 0.25, 0.46, 1.42)
"""Median nucleus diameter of a training piece over `diam_mean`, log-normal: middle, spread, least, largest."""
SHARES = {"bright": 0.37, "dark": 0.15, "taught": 0.36}
"""How often each kind of real field is drawn. Within a kind every folder has the same share, however few its images."""
RESTAIN_SHARE = 0.5
PLANT_SHARE = 0.2
"""How often a real H&E field gets synthetic nuclei in its gaps, pale and long ones among them."""
_INSIDE, _CELL = 2, 1
_SURE = 200
"""Trust, of 255, above which a pixel outside cells is background for certain."""


@dataclass(frozen=True)
class Prepared:
    """A field with its targets made once: `target` (H, W, 4) uint8 holds dY, dX (128 ± 127), flags and trust."""

    rgb: NDArray[np.uint8]
    target: NDArray[np.uint8]
    diameter_px: float
    fluorescence: bool
    stain: NDArray[np.float32]


def prepare(field: Field) -> Prepared:
    """Flows of the field at its own scale. Turned and scaled they stay right, where making them anew is slow."""
    target = np.empty((*field.labels.shape, 4), np.uint8)
    target[..., :2] = np.round(np.moveaxis(cell_flows(field.labels), 0, -1) * 127) + 128
    target[..., 2] = np.where(field.labels > 0, _INSIDE | _CELL, _INSIDE)
    target[..., 3] = 255 if field.trust is None else field.trust
    return Prepared(field.rgb, target, median_diameter(field.labels), field.fluorescence, stain_of(field.rgb))


def cell_flows(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """(2, H, W) float32 unit flows dY, dX towards the cells' middles, as Cellpose makes them; 0 outside."""
    from cellpose.dynamics import masks_to_flows_cpu

    if labels.max(initial=0) == 0:
        return np.zeros((2, *labels.shape), np.float32)
    return np.asarray(masks_to_flows_cpu(split_pieces(labels))[0], np.float32)


class Sampler:
    """Deterministic in its seed; `rng` is its whole state."""

    def __init__(
        self,
        labelled: list[Field],
        taught: list[Field],
        seed: int,
        generated_share: float = 0.12,
        diam_mean: float = 24.0,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self._diam_mean = diam_mean
        self._pools: list[tuple[float, list[list[Prepared]]]] = []
        kinds = {
            "bright": [f for f in labelled if not f.fluorescence],
            "dark": [f for f in labelled if f.fluorescence],
            "taught": taught,
        }
        for kind, fields in kinds.items():
            folders: dict[str, list[Prepared]] = {}
            for field in fields:
                folders.setdefault(field.source, []).append(prepare(field))
            if folders:
                self._pools.append((SHARES[kind], list(folders.values())))
        self._stains = [p.stain for _, pool in self._pools for folder in pool for p in folder if not p.fluorescence]
        self._generated_share = generated_share if self._pools else 1.0

    def again(self, seed: int, diam_mean: float) -> Sampler:
        """Another beginning on the same fields."""
        other = copy.copy(self)
        other.rng, other._diam_mean = np.random.default_rng(seed), diam_mean
        return other

    def example(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(2, 224, 224) network input and (4, 224, 224): foreground, dY, dX, weight."""
        rng = self.rng
        middle, spread, least, largest = DIAMETERS
        diameter_px = self._diam_mean * float(np.clip(middle * np.exp(rng.normal(0, spread)), least, largest))
        planted = None
        if rng.uniform() < self._generated_share:
            make = he_field if rng.uniform() < 0.7 else fluorescence_field
            source = prepare(make(rng, CROP_PX, diameter_px))
            rgb, packed, turn = source.rgb, source.target, np.eye(2)
        else:
            source = self._draw()
            rgb, packed, turn = self._crop(source, diameter_px)
            if not source.fluorescence and rng.uniform() < PLANT_SHARE:
                rgb, planted = plant(rng, rgb, (packed[..., 2] & _CELL) > 0, packed[..., 3] > _SURE, diameter_px)
        if not source.fluorescence and self._stains and rng.uniform() < RESTAIN_SHARE:
            rgb = restain(rng, rgb, source.stain, self._stains[int(rng.integers(len(self._stains)))])
        rgb = augment_colour(rng, rgb, source.fluorescence)
        x = normalise(rng, to_channels(rgb, "fluorescence" if source.fluorescence else "hematoxylin"))
        # The engine pads with zeros beyond the slide's edge.
        x[:, packed[..., 2] == 0] = 0
        target = unpack(packed, turn)
        if planted is not None:
            new = planted > 0
            target[0][new], target[3][new] = 1, 1
            target[1:3, new] = cell_flows(planted)[:, new]
        return x, target

    def _draw(self) -> Prepared:
        shares = np.array([share for share, _ in self._pools])
        _, pool = self._pools[int(self.rng.choice(len(shares), p=shares / shares.sum()))]
        folder = pool[int(self.rng.integers(len(pool)))]
        return folder[int(self.rng.integers(len(folder)))]

    def _crop(
        self, source: Prepared, diameter_px: float
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]:
        """A turned, scaled, mirrored piece in which nuclei measure about `diameter_px`, and the matrix of its turn."""
        rng = self.rng
        scale = float(np.clip(diameter_px / (source.diameter_px or diameter_px), 0.25, 4.0))
        angle = rng.uniform(0, 2 * np.pi)
        stretch = np.exp(rng.normal(0, 0.06))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turn = turn @ np.diag([stretch, rng.choice([-1, 1]) / stretch])
        forward = turn * scale
        height, width = source.target.shape[:2]
        reach = CROP_PX / 2 / scale
        centre = np.array([_place(rng, width, reach), _place(rng, height, reach)])
        matrix = np.hstack([forward, (np.full(2, CROP_PX / 2) - forward @ centre)[:, None]])
        rgb = source.rgb
        if scale < 0.7:
            rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 0.4 / scale), np.uint8)
        size = (CROP_PX, CROP_PX)
        rgb = np.asarray(
            cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8
        )
        packed = np.asarray(cv2.warpAffine(source.target, matrix, size, flags=cv2.INTER_NEAREST), np.uint8)
        return rgb, packed, turn


def _place(rng: np.random.Generator, side_px: int, reach_px: float) -> float:
    low, high = min(reach_px * 0.8, side_px / 2), max(side_px - reach_px * 0.8, side_px / 2)
    return float(rng.uniform(low, high + 1e-6))


def unpack(packed: NDArray[np.uint8], turn: NDArray[np.float64]) -> NDArray[np.float32]:
    """(4, H, W) float32 foreground, dY, dX, weight of packed targets whose picture was turned by `turn` (x, y)."""
    out = np.zeros((4, *packed.shape[:2]), np.float32)
    cell = (packed[..., 2] & _CELL) > 0
    flows = (packed[..., :2][cell].astype(np.float32) - 128) / 127
    turned = flows[:, ::-1] @ turn.T.astype(np.float32)
    turned /= np.maximum(np.hypot(turned[:, 0], turned[:, 1]), 1e-3)[:, None]
    out[0] = cell
    out[1][cell], out[2][cell] = turned[:, 1], turned[:, 0]
    out[3] = packed[..., 3] * np.float32(1 / 255)
    return out
