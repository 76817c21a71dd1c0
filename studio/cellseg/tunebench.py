"""What tuning a view costs: the preview, and each threshold that is moved on it, as the window waits for them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.cellseg.params import SegmentParams
from studio.core.jobs import Job, JobState, NullProgress, Progress
from studio.core.worker import Worker, owned_cores
from studio.errors import StudioError

VIEW_TASK = "studio.cellseg.tunetasks:view_task"

MOVES: dict[str, tuple[float, ...]] = {
    "cellprob_threshold": (0.05, 0.1, 0.2, 0.4, 0.7, -0.05, -0.3, -0.6, -1.0, 0.0, -2.0, 1.0, -3.0, 2.0, 0.0),
    "cellprob_threshold to the slider's ends": (-6.0, 0.0, -4.35, 6.0, -5.8, 3.3, 0.0),
    "flow_threshold": (0.3, 0.35, 0.6, 1.0, 0.2, 0.0, 0.5),
    "min_size": (20, 40, 80, 150, 0, 300, 15),
    "niter": (100, 150, 250, 400, 50, 199, 200),
}
"""Values that each parameter is moved to, one after the other; the last is the usual one."""

_POLL_S = 0.0005


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """What to measure."""

    slide: Path
    params: SegmentParams
    rect_slide: tuple[float, float, float, float]
    """x, y, width, height of the view in slide pixels."""
    mpp: float | None = None
    rounds: int = 3
    """How often all moves are made."""


def bench_tune(request: TuneRequest, progress: Progress | None = None) -> dict[str, Any]:
    """Preview a view in a worker process of the window's kind, then move each threshold on it.

    Loading, compiling, and a first preview at another scale come before all clocks; a step's clock runs from the
    request to the arrays in this process.

    Returns:
        plain values: cells, mpx (working megapixels of the view), preview_ms, network_ms (the network's part of it),
        ready_ms (getting ready for all thresholds), tiles, steps (by parameter: n, p50_ms, max_ms, the ratios of p50
        and max to network_ms and to preview_ms, CPU times of the worker alike, and p50_outside_ms, the part before
        and after the task; tiles, how many went through the network), threads.

    Raises StudioError where a task fails.
    """
    progress = progress or NullProgress()
    worker = Worker("tune-bench")
    try:
        return _measured(request, worker, progress)
    finally:
        worker.close()


def _measured(request: TuneRequest, worker: Worker, progress: Progress) -> dict[str, Any]:
    params, rounds = request.params, request.rounds
    progress.start(3 + rounds * sum(map(len, MOVES.values())), "Making a preview")
    x, y, width, height = request.rect_slide
    corner = (x, y, min(width, 600.0), min(height, 600.0))
    # At another scale, so that the preview to be timed finds none of the network's answers.
    other = params.changed(diam_um=params.diam_um * 1.05)
    for how in ({"stream": True}, {"stream": False, "ahead": True}):
        _call(worker, request, other, corner, **how)
    progress.advance()
    preview, preview_ms = _call(worker, request, params, stream=True)
    progress.advance()
    ready, ready_ms = _call(worker, request, params, stream=False, flows=False, ahead=True)
    progress.advance(message="Moving thresholds")
    took: dict[str, list[tuple[float, float, float, int]]] = {name: [] for name in MOVES}
    for _ in range(rounds):
        for name, values in MOVES.items():
            for value in values:
                changed = params.changed(**{name.split()[0]: value})
                moved, moved_ms = _call(worker, request, changed, stream=False, flows=False)
                took[name].append((moved_ms, 1000 * moved["cpu_s"], moved_ms - 1000 * moved["seconds"], moved["tiles"]))
                progress.advance()
    return {
        "slide": request.slide.name,
        "rect_slide": list(request.rect_slide),
        "cells": preview["cells"],
        "mpx": preview["labels"].size * params.downscale**2 / 1e6,
        "preview_ms": preview_ms,
        "preview_cpu_ms": 1000 * preview["cpu_s"],
        "network_ms": 1000 * preview["network_s"],
        "ready_ms": ready_ms,
        "ready_cpu_ms": 1000 * ready["cpu_s"],
        "tiles": preview["tiles"],
        "tiles_ahead": ready["tiles"],
        "steps": {name: _summary(times, preview, preview_ms) for name, times in took.items()},
        "threads": params.workers or owned_cores(),
        "model": params.model,
        "diam_um": params.diam_um,
    }


def _summary(
    took_ms: list[tuple[float, float, float, int]], preview: dict[str, Any], preview_ms: float
) -> dict[str, Any]:
    wall, cpu, outside, tiles = (np.array(column) for column in zip(*took_ms, strict=True))
    p50, most, network_ms = float(np.median(wall)), float(wall.max()), 1000 * preview["network_s"]
    return {
        "n": len(wall),
        "tiles": int(tiles.sum()),
        "p50_cpu_ms": float(np.median(cpu)),
        "max_cpu_ms": float(cpu.max()),
        "p50_cpu_to_preview": float(np.median(cpu)) / (1000 * preview["cpu_s"]),
        "p50_outside_ms": float(np.median(outside)),
        "p50_ms": p50,
        "max_ms": most,
        "p50_to_network": p50 / network_ms,
        "max_to_network": most / network_ms,
        "p50_to_preview": p50 / preview_ms,
        "max_to_preview": most / preview_ms,
    }


def _call(
    worker: Worker,
    request: TuneRequest,
    params: SegmentParams,
    rect: tuple[float, float, float, float] | None = None,
    **how: bool,
) -> tuple[dict[str, Any], float]:
    """A task's result, and the milliseconds until it was here."""
    kwargs = {
        "slide_path": str(request.slide),
        "mpp": request.mpp,
        "params": params.to_dict(),
        "rect_slide": rect or request.rect_slide,
    }
    began_s = time.perf_counter()
    job: Job = worker.submit(VIEW_TASK, kwargs | how, title="Tuning")
    while not job.state.final:
        worker.poll()
        time.sleep(_POLL_S)
    took_ms = 1000 * (time.perf_counter() - began_s)
    if job.state is not JobState.DONE:
        raise StudioError(job.error or "The worker stopped.")
    result: dict[str, Any] = job.result
    return result, took_ms
