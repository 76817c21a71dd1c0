"""Training fields: reading folders, the held-out split, augmentation, flow targets."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from studio.cellseg.inputs import to_channels
from studio.cellseg.training.generator import Field, fluorescence_field, he_field, jpeg
from studio.cellseg.training.teacher import classical_nuclei
from studio.errors import UsageError

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
LABEL_ENDINGS = ("_label.tif", "_label.tiff", "_label.png", "_masks.tif", "_masks.tiff", "_masks.png", "_masks.npy")
HELD_OUT_SHARE = 0.2
CROP_PX = 224
NUCLEUS_UM = 7.0
"""Usual nucleus diameter in H&E sections, by which unlabelled fields of known mpp are scaled."""
DIAMETER_RANGE = (11.0, 32.0)
"""Median nucleus diameters in pixels that the network meets in training, log-uniform."""


@dataclass(frozen=True)
class LabelledImage:
    """Paths of an image and its labels."""

    image: Path
    labels: Path

    @property
    def held_out(self) -> bool:
        """Whether this image is for evaluation only: by a hash of its name, so it never changes."""
        digest = hashlib.sha256(self.image.stem.encode()).digest()
        return digest[0] / 256 < HELD_OUT_SHARE


def find_labelled(folder: Path) -> list[LabelledImage]:
    """Images below `folder` with labels beside them (`NAME_label.tif`, `NAME_masks.png`, …), sorted by path."""
    found = []
    for image in sorted(folder.rglob("*")):
        if image.suffix.lower() not in IMAGE_SUFFIXES or any(image.name.endswith(e) for e in LABEL_ENDINGS):
            continue
        for ending in LABEL_ENDINGS:
            labels = image.with_name(image.stem + ending)
            if labels.is_file():
                found.append(LabelledImage(image, labels))
                break
    return found


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of a picture; grey ones are repeated. UsageError when it can't be read."""
    data = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if data is None:
        raise UsageError(f"{path} is no picture that can be read; training takes PNG, JPEG and TIFF.")
    return np.ascontiguousarray(data[..., ::-1])


def read_labels(path: Path) -> NDArray[np.int32]:
    """(H, W) int32 instance labels from TIFF, PNG or NPY."""
    if path.suffix == ".npy":
        data = np.load(path, allow_pickle=False)
    elif path.suffix == ".png":
        data = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    else:
        import tifffile

        data = tifffile.imread(path)
    if data is None or np.ndim(data) != 2:
        raise UsageError(f"{path} holds no two-dimensional label image.")
    return np.asarray(data).astype(np.int32)


def median_diameter(labels: NDArray[np.int32]) -> float:
    """Median equivalent-circle diameter in pixels of the cells of a label image, 0 when there are none."""
    areas = np.bincount(labels.ravel())[1:]
    areas = areas[areas > 8]
    return float(np.median(np.sqrt(areas * 4 / np.pi))) if len(areas) else 0.0


def is_dark(rgb: NDArray[np.uint8]) -> bool:
    """Whether the background is dark, as in fluorescence."""
    return float(np.median(rgb.max(axis=2))) < 110


def load_fields(folders: list[Path], held_out: bool = False) -> list[Field]:
    """All labelled images of the folders (the held-out ones, or the others) in memory."""
    fields = []
    for folder in folders:
        for item in find_labelled(folder):
            if item.held_out != held_out:
                continue
            rgb, labels = read_rgb(item.image), read_labels(item.labels)
            fields.append(Field(rgb, labels, is_dark(rgb), source=folder.name))
    return fields


def teach_fields(folder: Path) -> list[Field]:
    """Unlabelled H&E fields with the classical teacher's labels; each folder's `meta.json` gives the mpp.

    Fields in which the teacher found almost nothing, or shapes far from the usual size, are left out.
    """
    fields = []
    for meta_path in sorted(folder.rglob("meta.json")):
        number = re.match(r"\D*([0-9.]+)", str(json.loads(meta_path.read_text()).get("mpp", "")))
        if not number:
            log.warning("%s has no mpp; its fields are left out", meta_path)
            continue
        mpp = float(number.group(1))
        if mpp > 0.7:
            continue
        for image in sorted(meta_path.parent.glob("*.jpg")):
            rgb = read_rgb(image)
            labels = classical_nuclei(rgb, NUCLEUS_UM / mpp)
            if labels.max() >= 12:
                fields.append(Field(rgb, labels, False, source="taught"))
    return fields


class Sampler:
    """Endless stream of augmented training examples. Deterministic in its seed."""

    def __init__(self, labelled: list[Field], taught: list[Field], seed: int, generated_share: float = 0.15) -> None:
        self.rng = np.random.default_rng(seed)
        self.pools: list[tuple[float, list[Field]]] = []
        bright = [f for f in labelled if not f.fluorescence]
        dark = [f for f in labelled if f.fluorescence]
        for weight, pool in ((0.33, bright), (0.17, dark), (0.35, taught)):
            if pool:
                self.pools.append((weight, pool))
        self.generated_share = generated_share if self.pools else 1.0

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        while True:
            yield self.example()

    def example(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(2, 224, 224) network input and (4, 224, 224): foreground, dY, dX, weight."""
        rng = self.rng
        diameter_px = float(np.exp(rng.uniform(*np.log(DIAMETER_RANGE))))
        if rng.uniform() < self.generated_share:
            make = he_field if rng.uniform() < 0.7 else fluorescence_field
            field = make(rng, CROP_PX, diameter_px)
            rgb, labels = field.rgb, field.labels
        else:
            weights = np.array([w for w, _ in self.pools])
            _, pool = self.pools[int(rng.choice(len(weights), p=weights / weights.sum()))]
            field = pool[int(rng.integers(len(pool)))]
            rgb, labels = self._crop(field, diameter_px)
        rgb = augment_colour(rng, rgb, field.fluorescence)
        x = normalise(rng, to_channels(rgb, "fluorescence" if field.fluorescence else "hematoxylin"))
        return x, flow_targets(labels, taught=field.source == "taught")

    def _crop(self, field: Field, diameter_px: float) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """A turned, scaled, mirrored piece of a field in which nuclei measure about `diameter_px`."""
        rng = self.rng
        measured = median_diameter(field.labels) or diameter_px
        scale = float(np.clip(diameter_px / measured, 0.25, 4.0))
        angle = rng.uniform(0, 2 * np.pi)
        stretch = np.exp(rng.normal(0, 0.06))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        forward = turn @ np.diag([scale * stretch, scale / stretch * rng.choice([-1, 1])])
        height, width = field.labels.shape
        reach = CROP_PX / 2 / scale
        centre = np.array([_place(rng, width, reach), _place(rng, height, reach)])
        matrix = np.hstack([forward, (np.full(2, CROP_PX / 2) - forward @ centre)[:, None]])
        rgb: Any = field.rgb
        if scale < 0.7:
            rgb = cv2.GaussianBlur(rgb, (0, 0), 0.4 / scale)
        size = (CROP_PX, CROP_PX)
        rgb = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        labels = cv2.warpAffine(
            field.labels.astype(np.float32), matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101
        )
        return rgb, split_reflections(labels.astype(np.int32))


def _place(rng: np.random.Generator, side_px: int, reach_px: float) -> float:
    low, high = min(reach_px * 0.7, side_px / 2), max(side_px - reach_px * 0.7, side_px / 2)
    return float(rng.uniform(low, high + 1e-6))


def split_reflections(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Labels in which every connected piece is a cell of its own (mirror images share their number)."""
    out = np.zeros_like(labels)
    count = 0
    for index, where in enumerate(ndimage.find_objects(labels), start=1):
        if where is None:
            continue
        pieces, n = ndimage.label(labels[where] == index)
        for piece in range(1, n + 1):
            inside = pieces == piece
            if inside.sum() >= 6:
                count += 1
                out[where][inside] = count
    return out


def augment_colour(rng: np.random.Generator, rgb: NDArray[np.uint8], fluorescence: bool) -> NDArray[np.uint8]:
    """Another scanner, stainer and focus: stain gains and hues in optical density, blur, noise, JPEG."""
    image = rgb.astype(np.float32)
    if not fluorescence:
        density = -np.log((image + 1) / 256)
        mix = np.eye(3) + rng.normal(0, 0.06, (3, 3))
        density = density @ mix.astype(np.float32) * np.exp(rng.normal(0, 0.25)) + rng.normal(0, 0.02, 3)
        image = 256 * np.exp(-density) - 1
    else:
        image = image * np.exp(rng.normal(0, 0.3)) + rng.uniform(0, 12)
        if rng.uniform() < 0.3:
            image = 255 * (np.clip(image, 0, 255) / 255) ** np.exp(rng.normal(0, 0.3))
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
        low, high = np.percentile(channel, (1, 99))
        spread = max(float(high - low), floor)
        low = low + spread * rng.normal(-0.02, 0.06)
        spread *= np.exp(rng.normal(0.08, 0.2))
        out[i] = np.clip((channel - low) / spread, -2, 5)
    return out


def flow_targets(labels: NDArray[np.int32], taught: bool = False) -> NDArray[np.float32]:
    """(4, H, W) float32: foreground 0/1, unit flow dY and dX as Cellpose makes them, loss weight.

    Around cells of the classical teacher the border is uncertain, so it weighs less.
    """
    from cellpose.dynamics import masks_to_flows_cpu

    out = np.zeros((4, *labels.shape), dtype=np.float32)
    out[3] = 1.0
    if labels.max() == 0:
        return out
    out[0] = labels > 0
    out[1:3] = masks_to_flows_cpu(labels)[0]
    if taught:
        inside = labels > 0
        border = ndimage.binary_dilation(inside) & ~ndimage.binary_erosion(inside)
        out[3][border] = 0.4
    return out


def summary(fields: list[Field]) -> dict[str, Any]:
    """How many fields and cells there are of each source."""
    table: dict[str, Any] = {}
    for field in fields:
        row = table.setdefault(field.source, {"fields": 0, "cells": 0})
        row["fields"] += 1
        row["cells"] += len(np.unique(field.labels)) - 1
    return table
