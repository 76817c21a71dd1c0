"""Segmentation of one picture in memory, with the engine's lattice and dynamics, for scoring models."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.cellseg import cells, dynamics
from studio.cellseg.follow import follow
from studio.cellseg.inputs import to_channels
from studio.cellseg.lattice import TileLattice
from studio.cellseg.networks import Network
from studio.cellseg.rounds import Round, settled, why_not
from studio.cellseg.training.data import median_diameter

OVERLAP_PX = 32
_FIRST_GUESSES = (1.0, 0.6, 1.6)


def segment_image(
    rgb: NDArray[np.uint8],
    network: Network,
    mode: str,
    scale: float,
    *,
    cellprob_threshold: float = 0.0,
    flow_threshold: float = 0.4,
    min_size: int = 15,
) -> NDArray[np.int32]:
    """Labels of the cells of a picture.

    Args:
        rgb: (H, W, 3) uint8.
        network: from `load_network`.
        mode: channel mode, not `auto`.
        scale: working pixels per picture pixel (`diam_mean` / cell diameter in picture pixels).
        cellprob_threshold: least logit of a cell's pixel.
        flow_threshold: largest mean squared flow error of a kept cell, 0 keeps all.
        min_size: smallest kept cell in working pixels.

    Returns:
        (H, W) int32, ids 1…N; found at the working scale, drawn at the picture's.
    """
    y = flow_field(network_input(rgb, mode, scale), network)
    return cut_labels(
        y,
        (rgb.shape[0], rgb.shape[1]),
        cellprob_threshold=cellprob_threshold,
        flow_threshold=flow_threshold,
        min_size=min_size,
    )


def cut_labels(
    y: NDArray[np.float32],
    shape: tuple[int, ...],
    *,
    cellprob_threshold: float = 0.0,
    flow_threshold: float = 0.4,
    min_size: int = 15,
) -> NDArray[np.int32]:
    """(3, h, w) of the network at working scale to labels of `shape`, the picture's (H, W)."""
    return drawn(labels_from_flows(y, cellprob_threshold, flow_threshold, min_size), shape)


def drawn(labels: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Labels at working scale as labels of `shape`, the picture's (H, W)."""
    height, width = shape
    resized = cv2.resize(labels.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    return renumbered(np.asarray(resized).astype(np.int32))


def network_input(rgb: NDArray[np.uint8], mode: str, scale: float) -> NDArray[np.float32]:
    """(2, h, w) float32: the picture at working scale, its channels normalised by its own percentiles."""
    height, width = rgb.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # OpenCV's area filter is for shrinking; for enlarging it degenerates to nearest neighbour.
    work = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x = to_channels(np.asarray(work, np.uint8), mode)
    for channel in x:
        low, high = np.percentile(channel, (1, 99))
        channel[:] = (channel - low) / (high - low) if high > low else 0
    return x


def flow_field(x: NDArray[np.float32], network: Network) -> NDArray[np.float32]:
    """(2, H, W) to (3, H, W), tile by tile with tapered overlap."""
    shape = (x.shape[1], x.shape[2])
    lattice = TileLattice(shape, network.tile_px, OVERLAP_PX)
    margin = network.tile_px
    padded = np.pad(x, ((0, 0), (margin, margin), (margin, margin)))
    total = np.zeros((3, *padded.shape[1:]), np.float32)
    weight = np.zeros(padded.shape[1:], np.float32)
    tiles = [(i, j) for i in range(lattice.counts[0]) for j in range(lattice.counts[1])]
    for start in range(0, len(tiles), network.batch):
        part = tiles[start : start + network.batch]
        places = []
        for tile in part:
            rect = lattice.tile_rect(tile)
            places.append(
                (slice(rect.top + margin, rect.bottom + margin), slice(rect.left + margin, rect.right + margin))
            )
        y = network.forward(np.stack([padded[:, rows, cols] for rows, cols in places]))
        for tile, (rows, cols), out in zip(part, places, y, strict=True):
            w = lattice.weights(tile[0], 0)[:, None] * lattice.weights(tile[1], 1)[None, :]
            total[:, rows, cols] += out * w
            weight[rows, cols] += w
    inside = (slice(margin, margin + shape[0]), slice(margin, margin + shape[1]))
    return np.asarray(total[:, *inside] / weight[inside])


def labels_from_flows(
    y: NDArray[np.float32], cellprob_threshold: float, flow_threshold: float, min_size: int
) -> NDArray[np.int32]:
    """(3, H, W) of the network to (H, W) int32 labels, as the engine makes them of one whole image."""
    inside = y[2] > cellprob_threshold
    flow = np.ascontiguousarray(np.moveaxis(y[:2] * inside / 5, 0, -1), dtype=np.float32)
    height, width = inside.shape
    start, end_y, end_x = follow(flow, inside, 200, 0, 0, height - 1, width - 1)
    counts = dynamics.histogram((height, width), end_y, end_x)
    sinks = dynamics.find_sinks(counts)
    if not len(sinks):
        return np.zeros((height, width), np.int32)
    owner = dynamics.grow_sinks(counts, sinks)
    labels = dynamics.label_pixels((height, width), start, end_y, end_x, owner)
    table = cells.measure(labels, sinks)
    keep = table[:, cells.AREA] > 0
    if flow_threshold > 0:
        keep &= cells.flow_errors(labels, flow, table, keep) <= flow_threshold
    cells.drop_cells(labels, keep)
    table = cells.measure(labels, sinks)
    present = np.flatnonzero(table[:, cells.AREA] > 0)
    order = present[np.lexsort((table[present, cells.FIRST_X], table[present, cells.TOP]))]
    labels = cells.fill_holes(labels, table, order)
    areas = np.bincount(labels.ravel(), minlength=len(sinks) + 1)
    labels[areas[labels] < min_size] = 0
    return renumbered(labels)


def renumbered(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """The same cells with ids 1…N without gaps."""
    ids = np.unique(labels)
    table = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    table[ids[ids > 0]] = np.arange(1, np.count_nonzero(ids) + 1)
    return np.asarray(table[labels])


@dataclass(frozen=True, slots=True)
class Found:
    """Cells of a picture, at a diameter that was looked for."""

    labels: NDArray[np.int32]
    diameter_px: float
    """What a cell was taken to measure in the picture's pixels."""
    why_default: str
    """Why that is the default, as the end of a sentence; empty where the cells themselves say how large they are."""


def segment_auto(
    rgb: NDArray[np.uint8],
    network: Network,
    mode: str,
    diam_mean: float,
    rounds: int = 3,
    *,
    cellprob_threshold: float = 0.0,
    flow_threshold: float = 0.4,
) -> Found:
    """Cells, and their diameter, found by segmenting and measuring in turn.

    Where no round finds what is surely cells, the diameter is `diam_mean` pixels, the picture's own scale.
    """
    shape = (rgb.shape[0], rgb.shape[1])
    told: list[float] = []
    looks: list[NDArray[np.int32]] = []
    said: list[Round] = []

    def look(scale: float) -> Round:
        y = flow_field(network_input(rgb, mode, scale), network)
        work = labels_from_flows(y, cellprob_threshold, flow_threshold, min_size=15)
        looks.append(drawn(work, shape))
        told.append(diam_mean / scale)
        said.append(_round(looks[-1], median_logit(work, y[2])))
        return said[-1]

    covered, diameter = 0.0, diam_mean
    for guess in _FIRST_GUESSES:
        found = look(guess)
        # What fills most area is the scale at which the network sees cells best.
        if found.sure and found.covered > 1.1 * covered:
            covered, diameter = found.covered, found.diameter
    if covered:
        for _ in range(rounds):
            found = look(_scale(diam_mean, diameter))
            if settled(said) != len(said) - 1 or abs(found.diameter / diameter - 1) < 0.08:
                break
            diameter = found.diameter
    chosen = settled(said)
    if chosen is None:
        return Found(looks[0], diam_mean, why_not(said))
    return Found(looks[chosen], told[chosen], "")


def median_logit(labels: NDArray[np.int32], logit: NDArray[np.float32]) -> float:
    """Median over the cells (ids 1…N) of their mean cell probability logit; 0 without cells."""
    areas = np.bincount(labels.ravel())[1:]
    sums = np.bincount(labels.ravel(), logit.ravel())[1:]
    return float(np.median(sums / areas)) if len(areas) else 0.0


def _round(labels: NDArray[np.int32], logit: float) -> Round:
    return Round(median_diameter(labels), int(labels.max(initial=0)), np.count_nonzero(labels) / labels.size, logit)


def _scale(diam_mean: float, diameter_px: float) -> float:
    return float(np.clip(diam_mean / max(diameter_px, 1.0), 0.1, 6.0))
