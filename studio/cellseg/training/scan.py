"""Scores of a model at many thresholds at once: the network runs once for each image, at its true diameter."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from studio.cellseg.inputs import resolve_channel
from studio.cellseg.models import ModelInfo
from studio.cellseg.networks import Network
from studio.cellseg.training.data import LabelledImage, is_dark, median_diameter, read_pair
from studio.cellseg.training.predict import cut_labels, flow_field, network_input
from studio.cellseg.training.scores import NO_SCORES, Scores, compare
from studio.core.jobs import Progress

GIVEN_UP_F1 = 0.004
"""What the mean F1 may lose for the count's sake."""


@dataclass(frozen=True)
class Thresholds:
    """As in `SegmentParams`."""

    cellprob_threshold: float = 0.0
    flow_threshold: float = 0.4
    min_size: int = 15


GRID = tuple(
    Thresholds(cellprob, flow, size)
    for cellprob, flow, size in itertools.product((-1.0, -0.5, 0.0, 0.5, 1.0), (0.3, 0.4, 0.5, 0.6, 0.8), (15, 40))
)


def scan(
    items: Sequence[LabelledImage],
    info: ModelInfo,
    network: Network,
    progress: Progress,
    grid: Sequence[Thresholds] = GRID,
) -> list[dict[str, Any]]:
    """Scores at each of `grid`.

    The true median diameter of each image is told, so a row says what the network can do, not what finding the
    diameter adds. Images without a cell are left out.

    Returns:
        rows with the thresholds, `f1_50` and `count_bias` (means over folders, each counting the same), and the
        `folders` themselves.
    """
    progress.start(len(items), f"Scanning {info.name}")
    totals: dict[Thresholds, dict[str, Scores]] = {thresholds: {} for thresholds in grid}
    for item in items:
        rgb, truth = read_pair(item)
        diameter_px, folder = median_diameter(truth), item.image.parent.name
        if diameter_px:
            mode = resolve_channel("auto", info, is_dark(rgb))
            y = flow_field(network_input(rgb, mode, info.diam_mean / diameter_px), network)
            for thresholds, of_folder in totals.items():
                score = compare(truth, cut_labels(y, truth.shape, **asdict(thresholds)))
                of_folder[folder] = of_folder.get(folder, NO_SCORES) + score
        progress.advance(1)
    return [_row(thresholds, of_folder) for thresholds, of_folder in totals.items() if of_folder]


def _row(thresholds: Thresholds, of_folder: dict[str, Scores]) -> dict[str, Any]:
    folders = {
        name: {key: round(value, 4) for key, value in score.summary().items()} for name, score in of_folder.items()
    }
    means = {
        key: round(float(np.mean([values[key] for values in folders.values()])), 4) for key in ("f1_50", "count_bias")
    }
    return {**asdict(thresholds), **means, "folders": folders}


def best_row(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The row whose counts are truest, over all folders, of those that cost next to no F1."""
    best = max(row["f1_50"] for row in rows)
    return min((row for row in rows if row["f1_50"] >= best - GIVEN_UP_F1), key=_count_error)


def _count_error(row: dict[str, Any]) -> float:
    return float(np.mean([abs(values["count_bias"]) for values in row["folders"].values()]))
