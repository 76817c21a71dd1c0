"""Labelled images: reading folders, the held-out split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from studio.cellseg.training.generator import Field
from studio.errors import UsageError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
LABEL_ENDINGS = ("_label.tif", "_label.tiff", "_label.png", "_masks.tif", "_masks.tiff", "_masks.png", "_masks.npy")
HELD_OUT_SHARE = 0.2
VALIDATION_SHARE = 0.2
"""Of the images that are not held out."""


@dataclass(frozen=True)
class LabelledImage:
    """Paths of an image and its labels."""

    image: Path
    labels: Path

    @property
    def held_out(self) -> bool:
        """Whether this image is for evaluation only: by a hash of its name, so it never changes."""
        return self._digest()[0] / 256 < HELD_OUT_SHARE

    @property
    def validation(self) -> bool:
        """Whether this image is one to choose by (thresholds, widths), if a training leaves some out for that."""
        return not self.held_out and self._digest()[1] / 256 < VALIDATION_SHARE

    def _digest(self) -> bytes:
        return hashlib.sha256(self.image.stem.encode()).digest()


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


def read_pair(item: LabelledImage) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """(H, W, 3) uint8 of a picture and (H, W) int32 of its labels. UsageError when they can't be read or don't fit."""
    rgb, labels = read_rgb(item.image), read_labels(item.labels)
    if rgb.shape[:2] != labels.shape:
        sizes = " and ".join(f"{width} × {height}" for height, width in (rgb.shape[:2], labels.shape))
        raise UsageError(f"{item.image} and {item.labels} differ in size: {sizes} pixels.")
    return rgb, labels


def read_labels(path: Path) -> NDArray[np.int32]:
    """(H, W) int32 instance labels from TIFF, PNG or NPY. UsageError when it holds something else."""
    try:
        data = _array_in(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read as a label image ({error}).") from error
    if data is None:
        raise UsageError(f"{path} can't be read as a label image.")
    wanted = "A label image has one whole number for each pixel: 0 for the background, 1, 2, … for the cells."
    if data.ndim != 2:
        shape = " × ".join(map(str, data.shape))
        raise UsageError(f"{path} holds a picture with several channels or pages ({shape}). {wanted}")
    if data.dtype.kind not in "buif" or (data != data.astype(np.int32)).any() or (data.size and data.min() < 0):
        raise UsageError(f"{path} holds other numbers than labels. {wanted}")
    return np.asarray(data.astype(np.int32))


def _array_in(path: Path) -> NDArray[Any] | None:
    if path.suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False))
    if path.suffix == ".png":
        return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    import tifffile

    return np.asarray(tifffile.imread(path))


def median_diameter(labels: NDArray[np.int32]) -> float:
    """Median equivalent-circle diameter in pixels of the cells of a label image, 0 when there are none."""
    areas = np.bincount(labels.ravel())[1:]
    areas = areas[areas > 8]
    return float(np.median(np.sqrt(areas * 4 / np.pi))) if len(areas) else 0.0


def split_pieces(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Labels in which every connected piece is a cell of its own, ids 1…N; specks are dropped."""
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


def is_dark(rgb: NDArray[np.uint8]) -> bool:
    """Whether the background is dark, as in fluorescence."""
    return float(np.median(rgb.max(axis=2))) < 110


def load_fields(folders: list[Path], *, held_out: bool = False, validation: bool = True) -> list[Field]:
    """All labelled images of the folders (the held-out ones, or the others) in memory.

    With `validation` off, those to choose by are left out of the others.
    """
    fields = []
    for folder in folders:
        for item in find_labelled(folder):
            if item.held_out != held_out or (item.validation and not validation):
                continue
            rgb, labels = read_pair(item)
            fields.append(Field(rgb, labels, is_dark(rgb), source=folder.name))
    return fields


def summary(fields: list[Field]) -> dict[str, Any]:
    """How many fields and cells there are of each source."""
    table: dict[str, Any] = {}
    for field in fields:
        row = table.setdefault(field.source, {"fields": 0, "cells": 0})
        row["fields"] += 1
        row["cells"] += len(np.unique(field.labels)) - 1
    return table
