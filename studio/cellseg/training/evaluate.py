"""How good a model is: its cells against a person's, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.cellseg.inputs import resolve_channel
from studio.cellseg.models import resolve_model
from studio.cellseg.networks import load_network
from studio.cellseg.params import BUILTIN_MODEL
from studio.cellseg.training.data import LabelledImage, find_labelled, is_dark, median_diameter, read_labels, read_rgb
from studio.cellseg.training.predict import segment_auto, segment_image
from studio.core.jobs import NullProgress, Progress
from studio.errors import UsageError


@dataclass(frozen=True)
class Scores:
    """Counts of one image, which add up over images."""

    truth: int
    found: int
    matched_50: int
    matched_75: int
    intersection: int
    union: int

    def __add__(self, other: Scores) -> Scores:
        return Scores(*(a + b for a, b in zip(self.astuple(), other.astuple(), strict=True)))

    def astuple(self) -> tuple[int, ...]:
        """The counts in order."""
        return (self.truth, self.found, self.matched_50, self.matched_75, self.intersection, self.union)

    def summary(self) -> dict[str, float]:
        """F1 and AP at IoU 0.5, AP at 0.75 (matches over matches + misses + extras), AJI, relative error of the count.

        Two empty label images agree perfectly.
        """
        both = self.truth + self.found
        return {
            "f1_50": 2 * self.matched_50 / both if both else 1.0,
            "ap_50": self.matched_50 / (both - self.matched_50) if both else 1.0,
            "ap_75": self.matched_75 / (both - self.matched_75) if both else 1.0,
            "aji": self.intersection / self.union if self.union else 1.0,
            "count_bias": self.found / self.truth - 1 if self.truth else float(self.found > 0),
        }


def compare(truth: NDArray[np.int32], found: NDArray[np.int32]) -> Scores:
    """Counts of one image; both are (H, W) int32 labels."""
    truth, found = _dense(truth), _dense(found)
    n_truth, n_found = int(truth.max(initial=0)), int(found.max(initial=0))
    pairs = np.bincount(
        (truth.astype(np.int64) * (n_found + 1) + found).ravel(), minlength=(n_truth + 1) * (n_found + 1)
    )
    table = pairs.reshape(n_truth + 1, n_found + 1)
    area_truth, area_found = table.sum(1)[1:], table.sum(0)[1:]
    overlap = table[1:, 1:]
    union = area_truth[:, None] + area_found[None, :] - overlap
    iou = overlap / np.maximum(union, 1)
    # Above one half no cell can match two others, so counting pairs is enough.
    matched = [int(np.count_nonzero(iou > t)) for t in (0.5, 0.75)]
    inter, total, used = 0, 0, np.zeros(n_found, bool)
    for i in range(n_truth):
        j = int(iou[i].argmax()) if n_found else -1
        if j < 0 or overlap[i, j] == 0:
            total += int(area_truth[i])
            continue
        inter += int(overlap[i, j])
        total += int(union[i, j])
        used[j] = True
    total += int(area_found[~used].sum())
    return Scores(n_truth, n_found, matched[0], matched[1], inter, total)


def _dense(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Ids without gaps, background 0."""
    ids, at = np.unique(labels, return_inverse=True)
    return np.asarray(at.reshape(labels.shape) + (0 if ids[0] == 0 else 1), np.int32)


def evaluate(
    folders: Path | str | Sequence[Path | str],
    model: str = BUILTIN_MODEL,
    *,
    diameter_px: float | None = None,
    split: str = "all",
    channel: str = "auto",
    cellprob_threshold: float = 0.0,
    flow_threshold: float = 0.4,
    backend: str = "auto",
    threads: int = 1,
    pictures: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score a model on labelled images.

    Args:
        folders: one or several, searched with subfolders for images with labels beside them.
        model: name or path.
        diameter_px: cell diameter in the images' pixels; None finds it for each image.
        split: `all`, or `held-out` or `train`, the parts of `train`'s fixed split.
        channel: as in `SegmentParams`; `auto` looks at each image's background.
        cellprob_threshold: as in `SegmentParams`.
        flow_threshold: as in `SegmentParams`.
        backend: as in `load_network`.
        threads: of the CPU.
        pictures: folder for pictures of the outlines, truth green, found magenta.
        progress: told of every image.

    Returns:
        images, cells, f1_50, ap_50, ap_75, aji, count_bias over all cells, f1_50_interval (95 %, by drawing
        images anew 1000 times), and per_image rows with the same scores.

    Raises:
        UsageError: no labelled image found.
        ModelError: no such model.
    """
    items = _items(folders, split)
    info = resolve_model(model)
    network = load_network(info, threads=threads, backend=backend)
    progress = progress or NullProgress()
    progress.start(len(items), f"Evaluating {info.name}")
    rows, scores = [], []
    for item in items:
        rgb, truth = read_rgb(item.image), read_labels(item.labels)
        if rgb.shape[:2] != truth.shape:
            raise UsageError(f"{item.image} and {item.labels} differ in size.")
        mode = resolve_channel(channel, info, is_dark(rgb))
        diameter = diameter_px
        if diameter is None:
            found, diameter = segment_auto(rgb, network, mode, info.diam_mean)
        else:
            found = segment_image(
                rgb,
                network,
                mode,
                info.diam_mean / diameter,
                cellprob_threshold=cellprob_threshold,
                flow_threshold=flow_threshold,
            )
        score = compare(truth, found)
        scores.append(score)
        rows.append(
            {
                "image": item.image.name,
                "diameter_px": round(diameter, 2),
                "truth_diameter_px": round(median_diameter(truth), 2),
                "cells": score.truth,
                "found": score.found,
                **_rounded(score.summary()),
            }
        )
        if pictures is not None:
            _draw(pictures / f"{item.image.stem}.png", rgb, truth, found)
        progress.advance(1)
    total = _sum(scores)
    return {
        "model": info.name,
        "images": len(items),
        "cells": total.truth,
        **_rounded(total.summary()),
        "f1_50_interval": _interval(scores),
        "per_image": rows,
    }


def _items(folders: Path | str | Sequence[Path | str], split: str) -> list[LabelledImage]:
    if split not in ("all", "held-out", "train"):
        raise UsageError(f"Unknown split {split!r}; choose all, held-out or train.")
    paths = [Path(f) for f in ([folders] if isinstance(folders, str | Path) else folders)]
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"There is no folder {path}.")
    items = [item for path in paths for item in find_labelled(path)]
    if split != "all":
        items = [item for item in items if item.held_out == (split == "held-out")]
    if not items:
        raise UsageError(
            f"No labelled image in {', '.join(map(str, paths))}: put NAME_label.tif or NAME_masks.png beside NAME.png."
        )
    return items


def _sum(scores: list[Scores]) -> Scores:
    return sum(scores, Scores(0, 0, 0, 0, 0, 0))


def _interval(scores: list[Scores], draws: int = 1000) -> list[float]:
    rng = np.random.default_rng(0)
    table = np.array([s.astuple() for s in scores])
    values = []
    for _ in range(draws):
        total = table[rng.integers(len(table), size=len(table))].sum(0)
        values.append(Scores(*map(int, total)).summary()["f1_50"])
    return [round(float(v), 4) for v in np.percentile(values, (2.5, 97.5))]


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in values.items()}


def _draw(path: Path, rgb: NDArray[np.uint8], truth: NDArray[np.int32], found: NDArray[np.int32]) -> None:
    zoom = 2
    picture = np.repeat(np.repeat(rgb[..., ::-1], zoom, 0), zoom, 1).copy()
    for labels, colour in ((truth, (0, 200, 0)), (found, (255, 0, 255))):
        big = np.repeat(np.repeat(labels, zoom, 0), zoom, 1)
        edge = (big != np.roll(big, 1, 0)) | (big != np.roll(big, 1, 1))
        edge[0], edge[:, 0] = False, False
        picture[edge] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)
