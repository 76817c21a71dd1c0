"""Which width and which working size: short trainings of the same length on the same examples, side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.cellseg.models import resolve_model
from studio.cellseg.networks import load_network
from studio.cellseg.training.evaluate import labelled_images
from studio.cellseg.training.scan import Thresholds, scan
from studio.cellseg.training.speed import network_cost
from studio.cellseg.training.train import TrainSettings, fit, read_data
from studio.core.jobs import NullProgress, Progress

NUCLEUS_UM = 7.0
"""Nucleus for which costs are given: it spans the network's `diam_mean` pixels, as in the images scored."""


def sweep(
    folders: Sequence[Path | str],
    out: Path,
    widths: Sequence[int],
    diam_means: Sequence[float],
    *,
    settings: TrainSettings,
    threads: int = 1,
    device: str = "auto",
    seconds: float = 4.0,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Train a network for each width and working size, and score it on the images left out to choose by.

    Args:
        folders: as for `train`; unlabelled fields get the classical method's labels.
        out: folder of the weights. Those that are there already aren't trained again.
        widths: channels of the first level; each further level has twice as many.
        diam_means: pixels across a cell.
        settings: steps, batch, seed and so on of each training.
        threads: of the CPU.
        device: of the training; costs are those of the CPU.
        seconds: least time for measuring each network's cost.
        progress: told of every step.

    Returns:
        rows with widths, diam_mean, steps, f1_50, count_bias, `folders` (see `scan`), backend, cpu_s_per_mpx
        (working megapixels) and cpu_s_per_mm2 (nuclei of `NUCLEUS_UM` spanning `diam_mean`).
    """
    progress, settings = progress or NullProgress(), replace(settings, validation=True)
    items = labelled_images(folders, "validation")
    sampler, data = read_data(folders, settings, None, threads, progress)
    rows = []
    for diam_mean in diam_means:
        for first in widths:
            own = replace(settings, widths=(first, 2 * first, 4 * first, 8 * first), diam_mean=diam_mean)
            path = out / f"width{first}-diam{diam_mean:g}-steps{own.steps}.pt"
            if not path.is_file():
                again = sampler.again(own.seed, diam_mean)
                fit(own, again, data, path, resume=True, device=device, progress=progress)
            info = resolve_model(str(path))
            network = load_network(info, batch=1, device="cpu", threads=threads)
            scored = scan(items, info, network, progress, (Thresholds(),))[0]
            cost = network_cost(network, seconds)
            rows.append(
                {
                    "widths": list(own.widths),
                    "diam_mean": diam_mean,
                    "steps": own.steps,
                    **{key: scored[key] for key in ("f1_50", "count_bias", "folders")},
                    "backend": network.backend,
                    "cpu_s_per_mpx": round(cost, 3),
                    "cpu_s_per_mm2": round(cost / (NUCLEUS_UM / diam_mean) ** 2, 2),
                }
            )
            (out / "sweep.json").write_text(json.dumps(rows, indent=1) + "\n")
    return rows
