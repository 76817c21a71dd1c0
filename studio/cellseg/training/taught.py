"""Fields that nobody labelled: a classical method or an earlier network labels them, and says how far to trust it."""

from __future__ import annotations

import json
import logging
import re
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from studio.cellseg.networks import Network
from studio.cellseg.training.data import read_rgb
from studio.cellseg.training.generator import Field
from studio.cellseg.training.predict import flow_field, labels_from_flows, network_input
from studio.cellseg.training.taughtlabels import Taught, TaughtLabels
from studio.cellseg.training.teacher import classical_nuclei
from studio.core.jobs import NullProgress, Progress

log = logging.getLogger(__name__)

NUCLEUS_UM = 7.0
"""Usual nucleus diameter in H&E sections, by which unlabelled fields of known mpp are scaled."""
LARGEST_MPP = 0.7
LEAST_CELLS = 12
FIELDS_A_FOLDER = 9
"""Unlabelled fields taken of a folder, unless told otherwise."""
BORDER_TRUST = 0.4
"""What the pixels on a cell's border count: neither teacher knows them well."""
CELL_LOGIT = -0.6
"""A network is less sure of nuclei it has seldom seen; they are better learnt from than missed."""
DOUBT_LOGIT = -1.5
"""Between this and a cell nobody knows: to call it background would teach the next network the same misses."""
RIM_PX = 4
"""Working pixels around a cell that are background, though the network may not be sure of it."""
SECOND_SCALE = 1.3
"""Of the network's second view of a field, for nuclei smaller than usual."""
FLOW_ERROR = 0.35


def teach_fields(
    folder: Path,
    network: Network | None = None,
    diam_mean: float = 0.0,
    progress: Progress | None = None,
    most: int = FIELDS_A_FOLDER,
    known: TaughtLabels | None = None,
) -> list[Field]:
    """Unlabelled H&E fields with a teacher's labels; each folder's `meta.json` gives the mpp.

    Args:
        folder: searched with its subfolders for `meta.json` with JPEGs beside it.
        network: an earlier network as the teacher, with the classical method for a second opinion; None leaves
            it to the classical method.
        diam_mean: cell diameter in pixels that `network` expects.
        progress: told of every field.
        most: fields taken of each folder with a `meta.json`, the first by name.
        known: labels of an earlier call, which are taken as they are; new ones are added.

    Fields in which the teacher found almost nothing are left out.
    """
    progress, known = progress or NullProgress(), known or TaughtLabels()
    images = _images(folder, most)
    if images:
        progress.start(len(images), "Labelling unlabelled fields")
    fields = []
    for image, mpp in images:
        rgb = read_rgb(image)
        labels, trust = known.of(image, partial(_teach, rgb, NUCLEUS_UM / mpp, network, diam_mean))
        if labels.max() >= LEAST_CELLS:
            fields.append(Field(rgb, labels, False, source=f"taught {image.parent.name}", trust=trust))
        progress.advance(1)
    return fields


def _teach(rgb: NDArray[np.uint8], diameter_px: float, network: Network | None, diam_mean: float) -> Taught:
    labels = classical_nuclei(rgb, diameter_px)
    if network is None:
        return labels, _border_trust(labels)
    return second_opinion(rgb, labels, network, diam_mean / diameter_px)


def _images(folder: Path, most: int) -> list[tuple[Path, float]]:
    found = []
    for meta_path in sorted(folder.rglob("meta.json")):
        number = re.match(r"\D*([0-9.]+)", str(json.loads(meta_path.read_text()).get("mpp", "")))
        if not number:
            log.warning("%s has no mpp; its fields are left out", meta_path)
            continue
        mpp = float(number.group(1))
        if mpp <= LARGEST_MPP:
            found += [(image, mpp) for image in sorted(meta_path.parent.glob("*.jpg"))[:most]]
    return found


def _border_trust(labels: NDArray[np.int32]) -> NDArray[np.uint8]:
    inside = labels > 0
    border = ndimage.binary_dilation(inside) & ~ndimage.binary_erosion(inside)
    return np.where(border, 255 * BORDER_TRUST, 255).astype(np.uint8)


def second_opinion(
    rgb: NDArray[np.uint8], classical: NDArray[np.int32], network: Network, scale: float
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """A network's labels of a field, and the trust in each pixel.

    The network looks at the field, and at its mirror image enlarged. Its cells are taken where their flows hold
    together. Pixels count by how sure it is; where the classical method sees a nucleus and the network none, where the
    network's own cell was dropped or all but found, nobody knows, and they count nothing.
    """
    y = flow_field(network_input(rgb, "hematoxylin", scale), network)
    large = network_input(np.ascontiguousarray(rgb[:, ::-1]), "hematoxylin", scale * SECOND_SCALE)
    mirrored = flow_field(large, network)[:, :, ::-1] * np.array([1, -1, 1], np.float32)[:, None, None]
    size = (y.shape[2], y.shape[1])
    y = (y + np.stack([cv2.resize(np.ascontiguousarray(part), size) for part in mirrored])) / 2
    small = labels_from_flows(y, CELL_LOGIT, FLOW_ERROR, 40)
    height, width = rgb.shape[:2]
    drawn = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    labels = np.asarray(drawn, np.float32).astype(np.int32)
    logit = np.asarray(cv2.resize(y[2], (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    trust = np.clip(np.abs(np.tanh(logit / 2)) * 1.4, 0.25, 1)
    inside = labels > 0
    # Every cell has a rim of doubt. Not to learn where cells end would let them grow.
    near = ndimage.binary_dilation(inside, iterations=max(1, round(RIM_PX / scale)))
    doubted = ~near & ((classical > 0) | (logit > DOUBT_LOGIT))
    trust[ndimage.binary_dilation(doubted, iterations=2) & ~inside] = 0
    return labels, np.asarray(trust * 255, np.uint8)
