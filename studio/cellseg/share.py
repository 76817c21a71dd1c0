"""Parts of a whole-slide run for other processes and machines to do, into the run directory of one target.

Blocks don't depend on who does them, and each is durable once it is done. So
helpers do ranges of blocks in any order, and an ordinary run on the same
target then takes them in, proves them, does what is missing, and writes the
result. All see the slide and the target under one path.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.cellseg.blockdata import BlockData, keep_block
from studio.cellseg.blocks import BlockCells, FlowPiece
from studio.cellseg.journal import Journal
from studio.cellseg.networks import Network, shared_network
from studio.cellseg.params import SegmentParams
from studio.cellseg.pipeline import Pipeline
from studio.cellseg.plan import Plan, in_order, make_plan
from studio.cellseg.run import identity
from studio.cellseg.stains import StainSums
from studio.cellseg.storedflows import flows_from
from studio.core.jobs import Progress
from studio.slide import WSI, open_slide

if TYPE_CHECKING:
    from studio.slide import ROI


@dataclass(frozen=True)
class SharedRun:
    """A run to help with; picklable."""

    slide_path: str
    mpp: float | None
    """µm per pixel over what the slide says."""
    mpp_if_missing: float | None
    params: dict[str, Any]
    """Of `SegmentParams`."""
    rois: str | None
    """File of regions to keep to."""
    out: str


@dataclass
class _Bench:
    """What a helper keeps from one range of a slide to the next: planning a large slide takes seconds."""

    run: SharedRun
    slide: WSI
    plan: Plan
    network: Network
    rois: Sequence[ROI] | None

    def journal(self) -> Journal:
        return Journal(Path(self.run.out), identity(self.plan, self.network, self.rois), shared=True)


_bench: _Bench | None = None
_lock = threading.Lock()
"""A process does one thing at a time: the engine has threads of its own."""


def count_blocks(progress: Progress, *, run: SharedRun) -> tuple[int, int, str]:
    """(blocks that aren't done yet, all blocks, the back end here) of a run; plans it and makes its directory.

    Blocks of different back ends are never mixed, so who helps has to use the one that counted.
    """
    with _at(run, progress) as bench, contextlib.closing(bench.journal()) as journal:
        left = sum(core not in journal for core in bench.plan.blocks)
        return left, len(bench.plan.blocks), bench.network.backend


def do_blocks(progress: Progress, *, run: SharedRun, first: int, stop: int) -> int:
    """Do blocks `first` to `stop` of a run, in its own order, those that aren't done yet; returns how many were done.

    What `progress.advance` raises ends it; finished blocks stay.
    """
    with _at(run, progress) as bench, contextlib.closing(bench.journal()) as journal:
        plan = bench.plan
        todo = [core for core in in_order(plan, list(plan.blocks), None)[first:stop] if core not in journal]
        stains = StainSums.of(plan.slide)

        def keep(block: BlockCells, piece: FlowPiece) -> BlockData:
            kept = keep_block(block, piece, plan.grid, flows=plan.params.save_flows, stains=stains)
            journal.write(kept)
            return replace(kept, labels=np.zeros((0, 0), np.int32), flows=None)

        pipeline = Pipeline(plan, bench.network, harvest=keep, pixels=True, flows_from=flows_from(plan.params))
        with contextlib.closing(pipeline.run(todo, {}, lambda: progress.advance(0))) as finished:
            for _ in finished:
                pipeline.say(progress)
                progress.advance(1)
    return len(todo)


@contextlib.contextmanager
def _at(run: SharedRun, progress: Progress) -> Iterator[_Bench]:
    """The bench of a run, kept for the next range of the same one; an error drops it."""
    global _bench
    with _lock:
        if _bench is None or _bench.run != run:
            _clear()
            _bench = _prepared(run, progress)
        try:
            yield _bench
        except BaseException:
            _clear()
            raise


def _prepared(run: SharedRun, progress: Progress) -> _Bench:
    from studio.slide import read_rois

    slide = open_slide(run.slide_path, mpp=run.mpp)
    try:
        if slide.mpp is None and run.mpp_if_missing is not None:
            slide.set_mpp(run.mpp_if_missing)
        rois = None if run.rois is None else read_rois(run.rois)
        plan = make_plan(slide, SegmentParams.from_dict(run.params), None, rois)
        slide.limit_cache(plan.slide_bytes)
        network = shared_network(plan.model, plan.params, progress)
    except BaseException:
        slide.close()
        raise
    return _Bench(run, slide, plan, network, rois)


def _clear() -> None:
    global _bench
    if _bench is not None:
        _bench.slide.close()
        _bench = None
