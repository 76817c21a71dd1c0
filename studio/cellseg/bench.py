"""What segmenting costs, stage by stage, against the bare network and against Cellpose's own `eval`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.firstuse import compile_engine
from studio.cellseg.flowfield import TileInputs
from studio.cellseg.lattice import Rect
from studio.cellseg.networks import Network, load_module, shared_network
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import Plan, make_plan
from studio.cellseg.reference import Framing, best_overlaps, cellpose_eval, on_our_tiles, require_cellpose
from studio.cellseg.result import Segmentation
from studio.cellseg.run import Outcome, Request, run_slide
from studio.core.jobs import NullProgress, Progress
from studio.core.worker import owned_cores
from studio.slide import WSI

if TYPE_CHECKING:
    from studio.slide import ROI

POOL_TILES = 64
"""Different tiles that the bare network is timed with, over and over."""
MOVED_PX = (40, 25)
"""Rows and columns cut off an image to see how much of Cellpose's own answer hangs on where its tiles lie."""
REFERENCE_PX = 4096
"""Cellpose is run on at most this much by this much, in the middle of the region; it keeps all in memory."""


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What to measure."""

    params: SegmentParams
    region_slide: tuple[float, float, float, float] | None = None
    rois: Sequence[ROI] | None = None
    cellpose: bool = True
    """Whether to run Cellpose's `eval` as well."""
    stand_in: bool = False
    """A blob detector instead of the network: everything else at the slide's full size, in little time."""


def bench_segment(slide: WSI, request: BenchRequest, progress: Progress | None = None) -> dict[str, Any]:
    """Run a slide or a region of it, then the bare network on as many tiles, then Cellpose's `eval`.

    Returns:
        plain values: mpx (working megapixels), network_s, total_s, ratio_to_network, cellpose_eval_s,
        speedup_vs_cellpose (both on the same pixels), cells_against_cellpose (`eval` on the tiles of our lattice),
        cells_against_cellpose_on_other_tiles (on its own), cellpose_against_itself_moved, peak_rss_mb, stages (wall
        and CPU seconds, and CPU seconds a megapixel), compile_s (what compiling took: much on a fresh machine, a
        moment ever after), and more. Loading the network and compiling come before all other clocks.

    Raises as `run_slide`, and UsageError without Cellpose 3.1 to compare with.
    """
    progress = progress or NullProgress()
    params = request.params
    if request.cellpose and not request.stand_in:
        require_cellpose()
    plan = make_plan(slide, params, request.region_slide, request.rois)
    network: Network
    if request.stand_in:
        network = BlobNetwork(params.network_px, params.batch)
    else:
        network = shared_network(plan.model, params, progress)
    compiling = _Clock()
    compile_engine()
    compiled = {"compile_s": compiling.wall_s, "compile_cpu_s": compiling.cpu_s}
    _warm_up(slide, plan, network)
    bare_before = _bare_forward(plan, network, POOL_TILES)
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        out = Path(folder) / "bench-masks.zip"
        # What was read for the bare network is none of the pipeline's.
        slide.drop_cache()
        clock = _Clock()
        outcome = run_slide(slide, Request(params, out, request.region_slide, request.rois), progress, network)
        cpu = clock.cpu_s
        tiles = outcome.times.counts["tiles"]
        bare = _bare_forward(plan, network, tiles)
        report = _report(plan, network, outcome, cpu, bare, bare_before) | compiled
        if request.cellpose and not request.stand_in:
            progress.start(0, "Cellpose on the same pixels")
            report |= _against_cellpose(plan, network, outcome, cpu)
    return report


def _warm_up(slide: WSI, plan: Plan, network: Network) -> None:
    """Touch everything once, on a corner of the region."""
    scale, region = plan.grid.scale, plan.region
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        corner = (region.left * scale, region.top * scale, 200 * scale, 200 * scale)
        run_slide(slide, Request(plan.params, Path(folder) / "warm.zip", corner), None, network)


class _Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    @property
    def wall_s(self) -> float:
        return time.perf_counter() - self._wall

    @property
    def cpu_s(self) -> float:
        """Of all threads of the process."""
        return time.process_time() - self._cpu


@dataclass(frozen=True, slots=True)
class _Bare:
    tiles: int
    wall_s: float
    cpu_s: float


def _bare_forward(plan: Plan, network: Network, tiles: int) -> _Bare:
    """The network alone on so many of the region's tiles, read beforehand; as many calls at once as it asks for."""
    wanted = plan.tiles_over(plan.region)
    step = max(1, len(wanted) // POOL_TILES)
    inputs = TileInputs(plan.slide, plan.grid.scale, plan.channel, plan.normalization, plan.lattice)
    pool = [inputs.read(tile) for tile in wanted[::step][:POOL_TILES]]
    size = network.batch if network.at_once == 1 else 1
    batches = [np.stack(pool[n : n + size]) for n in range(0, len(pool), size)]
    network.forward(batches[0])
    calls = [batches[done // size % len(batches)][: tiles - done] for done in range(0, tiles, size)]
    with ThreadPoolExecutor(network.at_once) as callers:
        clock = _Clock()
        done = sum(callers.map(lambda batch: len(network.forward(batch)), calls))
        return _Bare(done, clock.wall_s, clock.cpu_s)


def _report(plan: Plan, network: Network, outcome: Outcome, cpu_s: float, bare: _Bare, before: _Bare) -> dict[str, Any]:
    said = outcome.to_dict()
    mpx = said["mpx"]
    # The mean of before and after, weighed as they were measured: another program's load hits both alike.
    per_tile = (bare.wall_s / bare.tiles + before.wall_s / before.tiles) / 2
    network_s = per_tile * bare.tiles
    stages = {
        name: {**times, "cpu_s_per_mpx": times["cpu_s"] / mpx, "wall_s_per_mpx": times["wall_s"] / mpx}
        for name, times in said["stages"].items()
    }
    return {
        "slide": plan.slide.name,
        "mpx": mpx,
        "cells": outcome.cells,
        "network_s": network_s,
        "total_s": outcome.seconds,
        "ratio_to_network": outcome.seconds / network_s,
        "network_cpu_s": bare.cpu_s,
        "total_cpu_s": cpu_s,
        "cpu_ratio_to_network": cpu_s / bare.cpu_s,
        "peak_rss_mb": outcome.peak_rss_mb,
        "stages": stages,
        "tiles": bare.tiles,
        "tiles_in_region": len(plan.tiles_over(plan.region)),
        "tiles_again": outcome.times.counts["tiles_again"],
        "blocks": said["blocks"],
        "blocks_skipped": said["blocks_skipped"],
        "blocks_redone": outcome.times.counts["redone"],
        "foreground_share": outcome.times.counts["foreground_px"] / max(1, outcome.times.counts["piece_px"]),
        "backend": network.backend,
        "threads": plan.params.workers or owned_cores(),
        "model": plan.params.model,
        "diam_um": plan.params.diam_um,
        "working_mpp": plan.grid.mpp,
        "cellpose_eval_s": None,
        "speedup_vs_cellpose": None,
    }


def _against_cellpose(plan: Plan, network: Network, outcome: Outcome, cpu_s: float) -> dict[str, Any]:
    """Time and cells of `eval`: as it comes, with the image cut a little smaller, and on the tiles of our lattice."""
    params = plan.params
    region = plan.region
    rows, cols = min(region.rows, REFERENCE_PX), min(region.cols, REFERENCE_PX)
    top, left = region.top + (region.rows - rows) // 2, region.left + (region.cols - cols) // 2
    rect = Rect(top, left, top + rows, left + cols)
    module, threads = load_module(plan.model), params.workers or owned_cores()
    timed = cellpose_eval(module, plan, Framing(rect), threads=threads)
    ours_s, ours_cpu_s = outcome.seconds, cpu_s
    if rect != region:
        with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
            scale = plan.grid.scale
            part = (left * scale + 0.01, top * scale + 0.01, cols * scale - 0.02, rows * scale - 0.02)
            plan.slide.drop_cache()
            clock = _Clock()
            ours_s = run_slide(plan.slide, Request(params, Path(folder) / "part.zip", part), None, network).seconds
            ours_cpu_s = clock.cpu_s
    ours = _labels(outcome.out, plan, rect)
    report = {
        "cellpose_eval_s": timed.seconds,
        "cellpose_eval_cpu_s": timed.cpu_s,
        "cellpose_mpx": rect.rows * rect.cols / 1e6,
        "ours_s_there": ours_s,
        "ours_cpu_s_there": ours_cpu_s,
        "speedup_vs_cellpose": timed.seconds / ours_s,
        "cpu_speedup_vs_cellpose": timed.cpu_s / ours_cpu_s,
        "cells_against_cellpose_on_other_tiles": agreement(ours, timed.masks, rect, plan),
        "cells_against_cellpose": None,
    }
    moved = Rect(rect.top + MOVED_PX[0], rect.left + MOVED_PX[1], rect.bottom, rect.right)
    if not moved.empty:
        again = cellpose_eval(module, plan, Framing(moved), threads=threads)
        same = timed.masks[moved.slices(rect)]
        report["cellpose_against_itself_moved"] = agreement(again.masks, same, moved, plan)
    if (framing := on_our_tiles(plan, rect)) is not None:
        found = cellpose_eval(module, plan, framing, threads=threads)
        report["cells_against_cellpose"] = agreement(ours, found.masks[rect.slices(framing.rect)], rect, plan)
    return report


def _labels(path: Path, plan: Plan, rect: Rect) -> NDArray[np.int64]:
    segmentation = Segmentation.load(path)
    try:
        return segmentation.read_labels(
            0, rect.top - plan.region.top, rect.left - plan.region.left, rect.rows, rect.cols
        ).astype(np.int64)
    finally:
        segmentation.close()


def agreement(ours: NDArray[np.int64], theirs: NDArray[np.int64], rect: Rect, plan: Plan) -> dict[str, Any]:
    """How well our masks fit Cellpose's: overall, and the cells within a diameter of an edge between blocks.

    Cells that the rectangle's own edge cuts are left out, where it isn't the slide's: Cellpose sees less there.
    """
    cut = np.ones(theirs.shape, bool)
    at = [int(getattr(rect, side) != getattr(plan.grid.bounds, side)) for side in ("top", "bottom", "left", "right")]
    cut[at[0] : theirs.shape[0] - at[1], at[2] : theirs.shape[1] - at[3]] = False
    near = _near_edges(rect, plan, round(plan.model.diam_mean))
    found = {}
    for name, where in (("all", None), ("near_block_edges", near)):
        kept, best = _counted(ours, theirs, cut, where)
        back, best_back = _counted(theirs, ours, cut, where)
        total = len(kept) + len(back)
        found[name] = {
            "ours": len(kept),
            "cellpose": len(back),
            "f1_50": (np.count_nonzero(best >= 0.5) + np.count_nonzero(best_back >= 0.5)) / max(1, total),
            "matched_90": np.count_nonzero(best_back >= 0.9) / max(1, len(back)),
        }
    return found


def _counted(
    cells: NDArray[np.int64], others: NDArray[np.int64], cut: NDArray[np.bool_], near: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    ids, best = best_overlaps(cells, others)
    counted = ~np.isin(ids, np.unique(cells[cut]))
    if near is not None:
        counted &= np.isin(ids, np.unique(cells[near]))
    return ids[counted], best[counted]


def _near_edges(rect: Rect, plan: Plan, diameter_px: int) -> NDArray[np.bool_]:
    """Pixels within a diameter of an edge between two blocks."""
    near = np.zeros((rect.rows, rect.cols), bool)
    region = plan.region
    for core in plan.blocks:
        for edge, inner in ((core.top, core.top > region.top), (core.bottom, core.bottom < region.bottom)):
            if inner:
                near[max(0, edge - diameter_px - rect.top) : max(0, edge + diameter_px - rect.top)] = True
        for edge, inner in ((core.left, core.left > region.left), (core.right, core.right < region.right)):
            if inner:
                near[:, max(0, edge - diameter_px - rect.left) : max(0, edge + diameter_px - rect.left)] = True
    return near
