"""A run: plan, finished blocks of earlier attempts, the other blocks, the audit, the result file."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.cellseg.audit import Audit, Claim
from studio.cellseg.blockdata import BlockData, keep_block
from studio.cellseg.blocks import LAST_HALO, BlockCells, FlowPiece
from studio.cellseg.estimate import Estimate, Estimator
from studio.cellseg.finish import write_result
from studio.cellseg.heap import Heap
from studio.cellseg.journal import Journal, earlier_runs, explained
from studio.cellseg.lattice import Rect
from studio.cellseg.livesource import block_event, plan_event
from studio.cellseg.networks import BACKENDS, Network, shared_network
from studio.cellseg.params import SegmentParams
from studio.cellseg.peak import PeakMemory
from studio.cellseg.pipeline import Pipeline, StageTimes
from studio.cellseg.plan import Plan, block_px, in_order, make_plan
from studio.cellseg.stains import StainSums
from studio.cellseg.storedflows import STORED_FROM, flows_from
from studio.core.jobs import NullProgress, Progress
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.slide import WSI
    from studio.slide.roi import ROI

log = logging.getLogger(__name__)

JOURNAL_FORMAT = 3

_HEAP_SHARE = 0.5
"""Of the memory budget: what may be taken before freed memory is handed back to the system."""

_NO_EFFECT = ("block", "window", "batch", "workers", "memory_gb", "device", "backend")
"""Parameters that an identity names by what they amount to, or not at all."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is asked to do."""

    params: SegmentParams
    out: Path
    region_slide: tuple[float, float, float, float] | None = None
    """x, y, width, height in slide pixels; None: the whole slide."""
    rois: Sequence[ROI] | None = None
    focus_slide: tuple[float, float] | None = None
    """x, y: blocks are done nearest to this point first."""
    overwrite: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished run says about itself."""

    plan: Plan
    out: Path
    cells: int
    shape: tuple[int, int]
    seconds: float
    peak_rss_mb: float
    resumed_blocks: int
    times: StageTimes
    estimate: Estimate | None
    backend: str

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `segment`."""
        plan, times = self.plan, self.times
        return {
            "out": str(self.out),
            "cells": self.cells,
            "shape": list(self.shape),
            "mpp": plan.grid.mpp * plan.grid.downscale,
            "seconds": self.seconds,
            "peak_rss_mb": self.peak_rss_mb,
            "model": plan.params.model,
            "diam_um": plan.params.diam_um,
            "backend": self.backend,
            "blocks": len(plan.blocks) + len(plan.skipped),
            "blocks_skipped": len(plan.skipped),
            "resumed_blocks": self.resumed_blocks,
            "tissue_share": None if plan.where is None else plan.where.share,
            "mpx": plan.region.rows * plan.region.cols / 1e6,
            "stages": {
                name: {"wall_s": times.wall_s[name], "cpu_s": times.cpu_s[name]} for name in sorted(times.wall_s)
            },
            "estimate": None if self.estimate is None else self.estimate.to_dict(),
        }


def run_slide(
    slide: WSI, request: Request, progress: Progress | None = None, network: Network | None = None
) -> Outcome:
    """Segment a slide (or a region) into a result file; goes on where an earlier attempt stopped.

    Args:
        slide: an open slide.
        request: what to do.
        progress: told of blocks; what its `advance` raises stops the run, which stays resumable.
        network: instead of the model's own, for tests.

    Raises:
        UsageError: the target exists and `overwrite` is off.
        ParameterError, ModelError, MissingMppError: see `make_plan`.
        RunError: the target is being written by another run, the disk is full.
        SlideError: the slide can't be read (any more).
    """
    began_s = time.monotonic()
    progress = progress or NullProgress()
    if request.out.exists() and not request.overwrite:
        raise UsageError(f"{request.out} exists already. Choose another name, or allow it to be replaced.")
    progress.start(0, "Looking at the slide")
    plan = make_plan(slide, request.params, request.region_slide, request.rois)
    slide.limit_cache(plan.slide_bytes)
    network = network or network_for(plan, request, progress)
    journal = Journal(request.out, identity(plan, network, request.rois))
    with PeakMemory() as peak, contextlib.closing(journal):
        run = _Run(plan, network, journal, request, progress, peak)
        resumed = run.resume()
        run.blocks()
        run.prove()
        cells, shape = run.write()
        journal.remove()
    return Outcome(
        plan=plan,
        out=request.out,
        cells=cells,
        shape=shape,
        seconds=time.monotonic() - began_s,
        peak_rss_mb=peak.mb,
        resumed_blocks=resumed,
        times=run.times,
        estimate=run.estimate,
        backend=network.backend,
    )


def network_for(plan: Plan, request: Request, progress: Progress) -> Network:
    """The network of a run. Where the back end is left to us, an unfinished run keeps the one that it began with.

    Raises as `shared_network`.
    """
    params = request.params
    if params.backend == "auto":
        same = json.loads(json.dumps(_subject(plan, request.rois)))
        for said in earlier_runs(request.out):
            backend = said.get("network", {}).get("backend")
            if said | same == said and backend in BACKENDS:
                # Gone since (another machine, a package removed): then auto it is, and a new beginning.
                with contextlib.suppress(UsageError):
                    return shared_network(plan.model, params.changed(backend=backend), progress)
    return shared_network(plan.model, params, progress)


def identity(plan: Plan, network: Network, rois: Sequence[ROI] | None) -> dict[str, Any]:
    """All that the labels of a block depend on, and the block size; plain JSON values."""
    return _subject(plan, rois) | {
        "network": {"backend": network.backend, "tile_px": network.tile_px, "batch": network.batch},
        "versions": versions(network),
    }


def _subject(plan: Plan, rois: Sequence[ROI] | None) -> dict[str, Any]:
    """The part of the identity that is known before the network."""
    params = {name: value for name, value in plan.params.to_dict().items() if name not in _NO_EFFECT}
    return {
        "format": JOURNAL_FORMAT,
        "slide": {"fingerprint": plan.slide.fingerprint, "size": list(plan.slide.size), "mpp": plan.grid.mpp_slide},
        "params": params | {"model": plan.model.name},
        "model_sha256": plan.model.sha256,
        "channel": plan.channel,
        "normalization": [list(plan.normalization.low), list(plan.normalization.high)],
        "region": list(plan.region.astuple()),
        "rois": rois_digest(rois),
        "block_px": block_px(plan.params),
    }


def rois_digest(rois: Sequence[ROI] | None) -> str | None:
    """A digest of the shapes of regions of interest."""
    return None if rois is None else hashlib.sha256(json.dumps(_shapes(rois)).encode()).hexdigest()


def _shapes(rois: Sequence[ROI]) -> list[list[Any]]:
    """Rings of x, y of each region: its outline, then its holes."""
    return [[ring.tolist() for ring in (roi.outline, *roi.holes)] for roi in rois]


def versions(network: Network) -> dict[str, str]:
    """Versions of what computes the cells."""
    names = ["studio-wsi", "numpy", "numba", "openvino" if network.backend.startswith("openvino") else "torch"]
    return {name: version for name in names if (version := _version(name)) is not None}


@functools.cache
def _version(package: str) -> str | None:
    """Of an installed package, read once: it takes some milliseconds each."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


class _Run:
    """The steps of `run_slide` once everything is in place."""

    def __init__(
        self, plan: Plan, network: Network, journal: Journal, request: Request, progress: Progress, peak: PeakMemory
    ) -> None:
        self.plan = plan
        self.times = StageTimes()
        self.estimate: Estimate | None = None
        self._network = network
        self._journal = journal
        self._request = request
        self._progress = progress
        self._peak = peak
        self._audit = Audit(plan.grid.shape)
        self._cells: dict[Rect, int] = {}
        """Of each finished block, how many cells it has a part of."""
        self._stains = StainSums.of(plan.slide)
        self._heap = Heap(plan.params.memory_gb * 1e9 * _HEAP_SHARE)

    def resume(self) -> int:
        """Say what is to come and take in the blocks of earlier attempts; returns how many there are."""
        plan = self.plan
        flows = plan.params.save_flows
        self._progress.emit(
            "plan", plan_event(plan.grid.geometry(plan.mask), plan.mask, plan.grid.downscale, flows=flows)
        )
        for block in self._journal.finished(list(plan.blocks)):
            self._note(block)
            self._announce(block)
        return len(self._cells)

    def blocks(self) -> None:
        """Do all blocks that aren't there yet, show them, and estimate the rest after the first few."""
        plan, focus = self.plan, self._request.focus_slide
        todo = [core for core in plan.blocks if core not in self._cells]
        done_cells = sum(self._cells.values())
        estimator = Estimator(plan, self._journal, self._peak, len(todo), done_cells)
        title = message = f"Segmenting {plan.slide.name}"
        self._progress.start(len(plan.blocks), title, done=len(self._cells))
        order = in_order(plan, todo, None if focus is None else plan.grid.work_from_slide(*focus))
        for block in self._through(order, {}):
            self._announce(block)
            if estimator.add(len(block.cells)) and estimator.estimate is not None:
                self.estimate = estimator.estimate
                message = f"{title} ({self.estimate.text})"
                self._progress.emit("estimate", self.estimate.to_dict())
            self._progress.advance(1, message)

    def prove(self) -> None:
        """Do blocks again whose halo turns out to have been too small, until all are proven."""
        while wanted := self._audit.failed():
            log.info("%d blocks need a larger halo", len(wanted))
            self._progress.start(len(wanted), "Looking again where cells are larger than expected")
            for _ in self._through(list(wanted), wanted):
                self._progress.advance(1)
        for core in self._audit.unproven():
            log.warning("Block %s: paths of more than %d px; its cells may depend on the cut", core, LAST_HALO)

    def write(self) -> tuple[int, tuple[int, int]]:
        """Put the result in place; returns the number of cells and the shape of the mask."""
        plan = self.plan
        self._progress.start(0, "Writing the result")

        def advance() -> None:
            self._progress.advance(0)
            self._heap.look()

        meta = result_meta(plan, self._network, self._request.rois)
        with explained(self._journal.folder), self.times.measure("write"):
            return write_result(plan, self._journal, self._request.out, meta, advance)

    def _through(self, cores: list[Rect], halos: dict[Rect, int]) -> Iterator[BlockData]:
        pipeline = Pipeline(
            self.plan,
            self._network,
            harvest=self._keep,
            times=self.times,
            pixels=True,
            flows_from=flows_from(self.plan.params),
        )
        with contextlib.closing(pipeline.run(cores, halos, lambda: self._progress.advance(0))) as finished:
            for done in finished:
                pipeline.say(self._progress)
                self._note(done.extra)
                yield done.extra

    def _keep(self, block: BlockCells, piece: FlowPiece) -> BlockData:
        """In the pipeline's threads: make a block durable, and let go of its pictures."""
        kept = keep_block(block, piece, self.plan.grid, flows=self.plan.params.save_flows, stains=self._stains)
        self._journal.write(kept)
        self._heap.look()
        return replace(kept, labels=np.zeros((0, 0), np.int32), flows=None)

    def _note(self, block: BlockData) -> None:
        self._cells[block.core] = len(block.cells)
        self._audit.add(Claim(block.core, block.needed, block.trusted, block.halo), block.reach)

    def _announce(self, block: BlockData) -> None:
        self._progress.emit("block", block_event(block, self._journal.path(block.core)))


def result_meta(plan: Plan, network: Network, rois: Sequence[ROI] | None) -> dict[str, Any]:
    """What a result says about how it came to be; the same for the same run, whatever happened on the way."""
    slide, model, params = plan.slide, plan.model, plan.params
    meta: dict[str, Any] = {
        "slide": {
            "name": slide.name,
            "size": list(slide.size),
            "mpp": plan.grid.mpp_slide,
            "fingerprint": slide.fingerprint,
        },
        "mpp": plan.grid.mpp * plan.grid.downscale,
        "diam_um": params.diam_um,
        "params": params.to_dict(),
        "model": {"name": model.name, "sha256": model.sha256, "diam_mean": model.diam_mean},
        "network": {"backend": network.backend, "tile_px": network.tile_px, "batch": network.batch},
        "channel": plan.channel,
        "normalization": {"low": list(plan.normalization.low), "high": list(plan.normalization.high)},
        "versions": versions(network),
        "counts": {"blocks": len(plan.blocks) + len(plan.skipped), "blocks_skipped": len(plan.skipped)},
    }
    if (stored_from := flows_from(params)) is not None:
        meta[STORED_FROM] = stored_from
    if plan.where is not None:
        meta["counted_share"] = plan.where.share
    if rois is not None:
        meta["rois"] = _shapes(rois)
    return meta
