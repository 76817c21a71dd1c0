"""Other thresholds for a whole slide without the network: blocks are made again from the flows that a result stores.

What comes after the network (`blocks.py`) is the same as in a run, with the same certificate, journal and numbering;
only the flow field is read from the file, where it has float16 precision. Beyond what is stored all is background.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.audit import Audit, Claim
from studio.cellseg.blockdata import BlockData, keep_block
from studio.cellseg.blocks import FIRST_HALO, FlowPiece, HaloTooSmall, segment_block
from studio.cellseg.finish import write_result
from studio.cellseg.journal import Journal, explained
from studio.cellseg.lattice import TILE_OVERLAP, Rect, TileLattice, WorkGrid, block_grid
from studio.cellseg.models import ModelInfo
from studio.cellseg.normalize import Normalization
from studio.cellseg.params import SegmentParams
from studio.cellseg.peak import PeakMemory
from studio.cellseg.plan import Plan, block_px
from studio.cellseg.result import Segmentation
from studio.cellseg.searched import rois_of
from studio.cellseg.stains import StainSums
from studio.cellseg.storedflows import STORED_FROM, changed_params, stored_from
from studio.cellseg.tasks import slide_at
from studio.cellseg.where import everywhere_or
from studio.core.jobs import NullProgress, Progress
from studio.core.worker import owned_cores
from studio.errors import ParameterError, UsageError

if TYPE_CHECKING:
    from studio.slide import WSI


def reflow_task(
    progress: Progress,
    *,
    slide_path: str,
    mpp: float | None,
    masks: str,
    changes: dict[str, Any],
    out: str,
    overwrite: bool = True,
) -> dict[str, Any]:
    """Apply other thresholds to the stored flows of a result, into a new result file; see `reflow`.

    Returns:
        out, cells, shape, mpp, seconds, peak_rss_mb, model, diam_um, blocks, blocks_skipped, resumed_blocks.
    """
    with slide_at(slide_path, mpp) as slide, Segmentation.load(masks) as segmentation:
        return reflow(slide, segmentation, changes, Path(out).absolute(), progress, overwrite=overwrite) | {"out": out}


def reflow(
    slide: WSI,
    segmentation: Segmentation,
    changes: dict[str, Any],
    out: Path,
    progress: Progress | None = None,
    *,
    overwrite: bool = True,
) -> dict[str, Any]:
    """Make the cells of a result anew with other thresholds; goes on where an earlier attempt stopped.

    Args:
        slide: the result's slide, for its tissue and stains.
        segmentation: a result file of a run with *Save flows*.
        changes: of `THRESHOLDS`, `block`, `workers` and `memory_gb`.
        out: the result file to make, not the one that is read.
        progress: told of blocks; may cancel.
        overwrite: replace a file at `out`.

    Raises:
        UsageError: no usable flows, a threshold they can't give, another slide, a bad target.
        RunError: the target is being written by another run, the disk is full.
    """
    began_s = time.monotonic()
    progress = progress or NullProgress()
    params = changed_params(segmentation, changes)
    if (why := segmentation.mismatch(slide)) is not None:
        raise UsageError(f"Thresholds can't be applied: {why}")
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists already. Choose another name, or allow it to be replaced.")
    file = segmentation.file
    if file is not None and out.exists() and out.samefile(file.path):
        raise UsageError(f"{out} is the file the flows come from. Choose another name.")
    progress.start(0, "Looking at the flows")
    plan = _plan(slide, segmentation, params)
    slide.limit_cache(plan.slide_bytes)
    meta = _meta(segmentation, plan)
    journal = Journal(out, {"reflow": meta, "block_px": block_px(params)})
    with PeakMemory() as peak, contextlib.closing(journal):
        work = _Reflow(plan, segmentation, journal, progress)
        resumed = work.resume()
        work.blocks()
        work.prove()
        progress.start(0, "Writing the result")
        with explained(journal.folder):
            cells, shape = write_result(plan, journal, out, meta, lambda: progress.advance(0))
        journal.remove()
    return {
        "out": str(out),
        "cells": cells,
        "shape": list(shape),
        "mpp": plan.grid.mpp,
        "seconds": time.monotonic() - began_s,
        "peak_rss_mb": peak.mb,
        "model": params.model,
        "diam_um": params.diam_um,
        "blocks": len(plan.blocks) + len(plan.skipped),
        "blocks_skipped": len(plan.skipped),
        "resumed_blocks": resumed,
    }


def _plan(slide: WSI, segmentation: Segmentation, params: SegmentParams) -> Plan:
    """The plan of the run that made a result, as far as it matters after the network."""
    meta, place = segmentation.meta, segmentation.geometry
    mpp = float(meta["slide"]["mpp"])
    name, diam_mean = str(meta["model"]["name"]), float(meta["model"]["diam_mean"])
    grid = WorkGrid(slide.size, params.diam_um / diam_mean / mpp, mpp, 1.0)
    if abs(grid.scale / place.scale_x - 1) > 1e-6:
        raise ParameterError("The result's parameters and its masks contradict each other; it can't be made again.")
    top, left = round(place.offset_y / grid.scale), round(place.offset_x / grid.scale)
    region = Rect(top, left, top + place.shape[0], left + place.shape[1])
    where = everywhere_or(slide, grid, tissue=params.otsu, rois=rois_of(meta))
    cores = block_grid(region, block_px(params))
    done = [core for core in cores if where is None or where.touches_field(core)]
    values = meta["normalization"]
    return Plan(
        slide=slide,
        params=params.changed(save_flows=True),
        # Only named: no weights are needed.
        model=ModelInfo(name, name, "file", None, False, None, diam_mean, "auto", False, ""),
        grid=grid,
        lattice=TileLattice(grid.shape, params.network_px, TILE_OVERLAP),
        channel=str(meta["channel"]),
        normalization=Normalization(tuple(values["low"]), tuple(values["high"])),
        region=region,
        blocks=tuple(done),
        skipped=tuple(core for core in cores if core not in set(done)),
        where=where,
    )


def _meta(segmentation: Segmentation, plan: Plan) -> dict[str, Any]:
    """The description of the new result: the old one's, with what is other."""
    dropped = ("counts", "format", "geometry", "columns", "kind")
    meta = {key: value for key, value in segmentation.meta.items() if key not in dropped}
    counts = {"blocks": len(plan.blocks) + len(plan.skipped), "blocks_skipped": len(plan.skipped)}
    return meta | {
        "params": plan.params.to_dict(),
        "counts": counts,
        STORED_FROM: stored_from(segmentation),
    }


class _Reflow:
    """Blocks from stored flows, into a journal."""

    def __init__(self, plan: Plan, segmentation: Segmentation, journal: Journal, progress: Progress) -> None:
        self._done: set[Rect] = set()
        self._plan = plan
        self._segmentation = segmentation
        self._journal = journal
        self._progress = progress
        self._audit = Audit(plan.grid.shape)
        self._stains = StainSums.of(plan.slide)
        self._threads = plan.blocks_at_once(plan.params.workers or owned_cores())

    def resume(self) -> int:
        """Take in the blocks of an earlier attempt; returns how many there are."""
        for block in self._journal.finished(list(self._plan.blocks)):
            self._note(block)
        return len(self._done)

    def blocks(self) -> None:
        """Do all blocks that aren't there yet."""
        plan = self._plan
        todo = [core for core in plan.blocks if core not in self._done]
        self._progress.start(len(plan.blocks), f"Applying thresholds to {plan.slide.name}", done=len(self._done))
        for _ in self._through(todo, {}):
            self._progress.advance(1)

    def prove(self) -> None:
        """Do blocks again whose halo turns out to have been too small, until all are proven."""
        while wanted := self._audit.failed():
            self._progress.start(len(wanted), "Looking again where cells are larger than expected")
            for _ in self._through(list(wanted), wanted):
                self._progress.advance(1)

    def _through(self, cores: list[Rect], halos: dict[Rect, int]) -> Iterator[BlockData]:
        waiting = iter(cores)
        pending: set[Future[BlockData]] = set()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="studio-cells") as pool:
            try:
                while True:
                    for core in waiting:
                        pending.add(pool.submit(self._block, core, max(FIRST_HALO, halos.get(core, 0))))
                        if len(pending) > self._threads:
                            break
                    if not pending:
                        return
                    done, pending = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
                    self._progress.advance(0)
                    for future in done:
                        block = future.result()
                        self._note(block)
                        yield block
            finally:
                pool.shutdown(cancel_futures=True)

    def _block(self, core: Rect, halo: int) -> BlockData:
        """In the pool: find a block's cells, with more halo until it is enough, and make it durable."""
        plan = self._plan
        while True:
            piece, stored = self._piece(core, halo)
            found = segment_block(piece, core, plan.region, plan.params, halo, plan.where)
            if not isinstance(found, HaloTooSmall):
                break
            halo = found.halo
        kept = keep_block(found, piece, plan.grid, flows=False, stains=self._stains)
        # All that was stored, so that the threshold can be lowered again.
        kept = replace(kept, flows=np.ascontiguousarray(stored[core.slices(piece.rect)]))
        self._journal.write(kept)
        return replace(kept, labels=np.zeros((0, 0), np.int32), flows=None)

    def _piece(self, core: Rect, halo: int) -> tuple[FlowPiece, NDArray[np.float16]]:
        """The flow field around a core as it is stored, and as `segment_block` takes it."""
        plan = self._plan
        rect = core.grown(halo).clipped(plan.region)
        origin = plan.region
        stored = self._segmentation.read_flow(0, rect.top - origin.top, rect.left - origin.left, rect.rows, rect.cols)
        logit = stored[..., 2].astype(np.float32)
        # Where nothing is stored all three are 0, which a threshold below 0 would take for foreground.
        inside = (logit > plan.params.cellprob_threshold) & stored.any(axis=2)
        flow = np.where(inside[..., None], stored[..., :2].astype(np.float32), np.float32(0))
        rgb = np.zeros((rect.rows, rect.cols, 3), np.uint8)
        rgb[core.slices(rect)] = plan.slide.read_working(plan.grid.scale, core.top, core.left, core.rows, core.cols)
        return FlowPiece(rect, flow, inside, logit, rgb), stored

    def _note(self, block: BlockData) -> None:
        self._done.add(block.core)
        self._audit.add(Claim(block.core, block.needed, block.trusted, block.halo), block.reach)
