"""How good a model is: its cells against a person's, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studio.cellseg.inputs import resolve_channel
from studio.cellseg.models import resolve_model
from studio.cellseg.networks import load_network
from studio.cellseg.params import BUILTIN_MODEL, usual_flow_threshold
from studio.cellseg.training.data import LabelledImage, find_labelled, is_dark, median_diameter, read_pair
from studio.cellseg.training.pictures import draw_comparison
from studio.cellseg.training.predict import segment_auto, segment_image
from studio.cellseg.training.scores import NO_SCORES, Scores, compare
from studio.cellseg.training.target import check_folder
from studio.core.jobs import NullProgress, Progress
from studio.errors import UsageError

SPLITS = ("all", "held-out", "train", "validation")


def evaluate(
    folders: Path | str | Sequence[Path | str],
    model: str = BUILTIN_MODEL,
    *,
    diameter_px: float | None = None,
    split: str = "all",
    channel: str = "auto",
    cellprob_threshold: float = 0.0,
    flow_threshold: float | None = None,
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
        split: one of `SPLITS`: of the fixed parts, `validation` is one of `train`.
        channel: as in `SegmentParams`; `auto` looks at each image's background.
        cellprob_threshold: as in `SegmentParams`.
        flow_threshold: as in `SegmentParams`; None is what is usual for the model.
        backend: as in `load_network`.
        threads: of the CPU.
        pictures: folder for a picture of each image, see `training.pictures`.
        progress: told of every image.

    Returns:
        images, cells, f1_50, ap_50, ap_75, aji, count_bias over all cells, `f1_50_interval` and the like (95 %, by
        drawing images anew 1000 times), the same for each folder in `per_folder`, and per_image rows.

    Raises:
        UsageError: no labelled image found, labels that don't fit their image, no place for pictures.
        ModelError: no such model.
    """
    items = labelled_images(folders, split)
    if pictures is not None:
        check_folder(pictures, "the pictures")
    info = resolve_model(model)
    network = load_network(info, threads=threads, backend=backend)
    if flow_threshold is None:
        flow_threshold = usual_flow_threshold(info.name)
    progress = progress or NullProgress()
    progress.start(len(items), f"Evaluating {info.name}")
    rows, scores = [], []
    for item in items:
        rgb, truth = read_pair(item)
        mode = resolve_channel(channel, info, is_dark(rgb))
        limits: Any = {"cellprob_threshold": cellprob_threshold, "flow_threshold": flow_threshold}
        if diameter_px is None:
            auto = segment_auto(rgb, network, mode, info.diam_mean, **limits)
            found, diameter, why = auto.labels, auto.diameter_px, auto.why_default
        else:
            found, diameter = segment_image(rgb, network, mode, info.diam_mean / diameter_px, **limits), diameter_px
            why = ""
        score = compare(truth, found)
        scores.append(score)
        rows.append(
            {
                "image": item.image.name,
                "folder": item.image.parent.name,
                "diameter_px": round(diameter, 2),
                "default_because": why or None,
                "truth_diameter_px": round(median_diameter(truth), 2),
                "cells": score.truth,
                "found": score.found,
                **_rounded(score.summary()),
            }
        )
        if pictures is not None:
            draw_comparison(pictures / f"{item.image.parent.name}-{item.image.stem}.png", rgb, truth, found)
        progress.advance(1)
    names = list(dict.fromkeys(row["folder"] for row in rows))
    folder_scores = {n: [s for s, row in zip(scores, rows, strict=True) if row["folder"] == n] for n in names}
    return {
        "model": info.name,
        **_pooled(scores),
        "per_folder": {name: _pooled(some) for name, some in folder_scores.items()},
        "per_image": rows,
    }


def _pooled(scores: list[Scores]) -> dict[str, Any]:
    """Scores over all cells of some images, with their intervals."""
    total = sum(scores, NO_SCORES)
    return {"images": len(scores), "cells": total.truth, **_rounded(total.summary()), **_intervals(scores)}


def labelled_images(folders: Path | str | Sequence[Path | str], split: str = "all") -> list[LabelledImage]:
    """Labelled images of some folders, or one part of their split. UsageError when there are none."""
    if split not in SPLITS:
        raise UsageError(f"Unknown split {split!r}; choose {', '.join(SPLITS)}.")
    paths = [Path(f) for f in ([folders] if isinstance(folders, str | Path) else folders)]
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"There is no folder {path}.")
    items = [item for path in paths for item in find_labelled(path)]
    if split == "validation":
        items = [item for item in items if item.validation]
    elif split != "all":
        items = [item for item in items if item.held_out == (split == "held-out")]
    if not items:
        raise UsageError(
            f"No labelled image in {', '.join(map(str, paths))}: put NAME_label.tif or NAME_masks.png beside NAME.png."
        )
    return items


def _intervals(scores: list[Scores], draws: int = 1000) -> dict[str, list[float]]:
    """95 % of what other draws of the images would have given. Images of one slide are alike, so the truth is wider."""
    rng = np.random.default_rng(0)
    table = np.array([s.astuple() for s in scores])
    drawn = [table[rng.integers(len(table), size=len(table))].sum(0) for _ in range(draws)]
    values = [Scores(*map(int, total)).summary() for total in drawn]
    return {
        f"{name}_interval": [round(float(v), 4) for v in np.percentile([row[name] for row in values], (2.5, 97.5))]
        for name in ("f1_50", "ap_50", "aji", "count_bias")
    }


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in values.items()}
