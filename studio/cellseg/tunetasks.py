"""What tuning asks of the interactive worker: cells of a view, again and again with other thresholds.

The network's tiles of the last view stay in the process. Thresholds come after
the network, so with others only the dynamics run; a view beside the last one
needs only the tiles that are new in it. Both are one and the same task, and
its outcome is that of a fresh preview, because a tile is what it is.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.blockdata import BlockData
from studio.cellseg.blocks import FIRST_HALO
from studio.cellseg.diameter import estimate_diameter
from studio.cellseg.flowfield import TileStore
from studio.cellseg.livesource import live_ids, owned
from studio.cellseg.models import resolve_model
from studio.cellseg.networks import Network, shared_network
from studio.cellseg.params import SegmentParams
from studio.cellseg.pipeline import Pipeline, StageTimes
from studio.cellseg.plan import Plan, make_plan, recut
from studio.cellseg.preview import Preview, segment_plan
from studio.cellseg.retune import Field, fits, open_field, retune
from studio.cellseg.tasks import Rect, slide_at
from studio.core.jobs import Progress
from studio.core.worker import owned_cores

if TYPE_CHECKING:
    from studio.slide.roi import ROI

STREAM_BLOCKS = 20
"""Blocks that a streamed view is cut into, about; more would spend their time on halos."""
SIDES_PX = (256, 1024)
"""Smallest and largest side of such a block."""

AHEAD_HALO = 192
"""Twice the usual one; enough for nearly all thresholds that leave cells apart."""


@dataclass(slots=True)
class _Kept:
    """The network's tiles of the last views, and what they were made from."""

    made_from: tuple[Any, ...]
    tiles: TileStore
    field: Field | None = None
    """What thresholds were applied to last."""
    field_of: tuple[Any, ...] = ()
    halo: int = FIRST_HALO
    """What the last field needed."""

    def turn_to(self, plan: Plan) -> None:
        """Forget the field unless it is that of a plan."""
        rois = (plan.where.rois or ()) if plan.where is not None else ()
        outlines = tuple(ring.tobytes() for roi in rois for ring in (roi.outline, *roi.holes))
        field_of = (plan.region, plan.params.otsu, outlines)
        if self.field_of != field_of:
            self.field, self.field_of, self.halo = None, field_of, FIRST_HALO


_kept: _Kept | None = None


def view_task(
    progress: Progress,
    *,
    slide_path: str,
    mpp: float | None,
    params: dict[str, Any],
    rect_slide: Rect,
    auto_diameter: bool = False,
    rois: Sequence[ROI] | None = None,
    stream: bool = True,
    flows: bool = True,
    ahead: bool = False,
) -> dict[str, Any]:
    """Segment a part of a slide, from the middle outwards, with what is known of the network's answer already.

    Args:
        progress: told of blocks; with `stream`, `emit("cells", …)` hands each over: geometry (of the whole view),
            row, col (of the block in the view's mask), labels (h, w) uint32 that are unique but not 1 to N, flows
            (h, w, 3) float16, centroids (n, 2) of the cells that the block owns.
        slide_path: the slide.
        mpp: µm per slide pixel; None: the slide's own.
        params: of `SegmentParams`.
        rect_slide: x, y, width, height in slide pixels.
        auto_diameter: find the cell diameter there first, beginning with the one in `params`.
        rois: only cells inside of these.
        stream: whether blocks are handed over one by one.
        flows: whether the flows are wanted.
        ahead: whether to get ready for other thresholds: the network for what they may want of the view's
            surroundings, the paths of pixels for all that they may be.

    Returns:
        labels (H, W) uint16, or uint32 where they need it, flows (H, W, 3) float16 or None, geometry
        (`MaskGeometry`'s fields), centroids (N, 2) in mask pixels, cells, params (as used), diameter
        (`DiameterEstimate`'s fields, or None), seconds, cpu_s (of this process), network_s, tiles (how many went
        through the network).
    """
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    asked = SegmentParams.from_dict(params)
    with slide_at(slide_path, mpp) as slide:
        network = shared_network(resolve_model(asked.model), asked, progress)
        estimate = None
        if auto_diameter:
            estimate = estimate_diameter(slide, asked, network, progress, rect_slide, rois)
            asked = asked.changed(diam_um=estimate.diam_um)
        plan = make_plan(slide, asked, rect_slide, rois)
        kept = _kept_for(plan, network)
        times = StageTimes()
        if stream:
            found = _streamed(plan, network, kept, progress, times)
        else:
            progress.start(1, "Applying the thresholds")
            kept.turn_to(plan)
            if ahead:
                _look_ahead(plan, network, kept, progress, times)
            found = _retuned(plan, network, kept, progress, times, flows=flows)
            if ahead and kept.field is not None:
                kept.field.get_ready(plan.params, plan.grid.bounds, _threads(plan), lambda: progress.advance(0))
    return {
        "labels": _narrow(found.labels, len(found.cells)),
        "flows": found.flows if flows else None,
        "geometry": asdict(found.geometry),
        "centroids": found.centroids,
        "cells": len(found.cells),
        "params": asked.to_dict(),
        "diameter": None if estimate is None else estimate.to_dict(),
        "seconds": time.monotonic() - began_s,
        "cpu_s": time.process_time() - began_cpu_s,
        "network_s": times.wall_s["network"],
        "tiles": times.counts["tiles"],
    }


def _streamed(plan: Plan, network: Network, kept: _Kept, progress: Progress, times: StageTimes) -> Preview:
    """The view in blocks from its middle outwards, each handed over once it is done."""
    plan = recut(plan, _stream_px(plan))
    progress.start(len(plan.blocks), "Segmenting the view")

    def hand_over(block: BlockData) -> None:
        if not block.mask.empty:
            progress.emit("cells", _as_event(plan, block))

    region = plan.region
    middle = ((region.top + region.bottom) // 2, (region.left + region.right) // 2)
    return segment_plan(plan, network, progress, store=kept.tiles, focus=middle, on_block=hand_over, times=times)


def _retuned(
    plan: Plan, network: Network, kept: _Kept, progress: Progress, times: StageTimes, *, flows: bool
) -> Preview:
    """The view at once, on the field that is kept; where that doesn't reach far enough the network does the rest."""
    threads = _threads(plan)
    halo = kept.halo if fits(plan, kept.halo) else FIRST_HALO
    while True:
        progress.advance(0)
        if kept.field is None or kept.field.halo != halo:
            kept.field = open_field(plan, kept.tiles, halo)
        if kept.field is None:
            break
        found = retune(kept.field, plan, threads, flows=flows)
        if isinstance(found, Preview):
            return found
        kept.halo = halo = found.halo
    # In one block where possible, so that the next field finds all tiles of its halo.
    plan = recut(plan, _longest(plan) if fits(plan, halo) else _stream_px(plan))
    return segment_plan(plan, network, progress, store=kept.tiles, times=times)


def _look_ahead(plan: Plan, network: Network, kept: _Kept, progress: Progress, times: StageTimes) -> None:
    """Have the tiles of a wide halo computed: lower thresholds make longer paths, which lead further out."""
    if kept.halo >= AHEAD_HALO or not fits(plan, AHEAD_HALO):
        return
    pipeline = Pipeline(recut(plan, _longest(plan)), network, times=times, store=kept.tiles)
    with contextlib.closing(
        pipeline.run([plan.region], {plan.region: AHEAD_HALO}, lambda: progress.advance(0))
    ) as done:
        for _ in done:
            kept.halo = AHEAD_HALO


def _narrow(labels: NDArray[np.uint32], cells: int) -> NDArray[np.unsignedinteger[Any]]:
    """Labels in half the bytes where that will do: there are fewer to hand over."""
    return labels.astype(np.uint16) if cells <= np.iinfo(np.uint16).max else labels


def _stream_px(plan: Plan) -> int:
    """Side of a streamed view's blocks."""
    side = math.sqrt(plan.region.rows * plan.region.cols / STREAM_BLOCKS)
    return int(min(SIDES_PX[1], max(SIDES_PX[0], -(-side // 16) * 16)))


def _threads(plan: Plan) -> int:
    return plan.params.workers or owned_cores()


def _longest(plan: Plan) -> int:
    return max(plan.region.rows, plan.region.cols)


def _kept_for(plan: Plan, network: Network) -> _Kept:
    """What is kept from the last view where it is of use to this plan, else nothing yet."""
    global _kept
    # Half the budget is for the field and its paths, but for views that none is kept of.
    budget = plan.cache_bytes // 2 if fits(plan) else plan.cache_bytes
    # All that a tile's content depends on, and its place.
    made_from = (
        str(plan.slide.path), plan.slide.fingerprint, plan.model.sha256, plan.grid.scale, plan.channel,
        plan.normalization, plan.lattice, network.backend, plan.params.batch, network.tile_px, budget,
    )  # fmt: skip
    if _kept is None or _kept.made_from != made_from:
        _kept = _Kept(made_from, TileStore(budget))
    return _kept


def _as_event(plan: Plan, block: BlockData) -> dict[str, Any]:
    return {
        "geometry": asdict(plan.grid.geometry(plan.mask)),
        "row": block.mask.top - plan.mask.top,
        "col": block.mask.left - plan.mask.left,
        "labels": live_ids(block.cells)[block.labels],
        "flows": block.flows,
        "centroids": _sinks(plan, block),
    }


def _sinks(plan: Plan, block: BlockData) -> NDArray[np.float64]:
    """(n, 2) row, column in mask pixels of the sinks of the cells that a block owns: near enough to their centroids."""
    own = block.cells[owned(block.cells, block.core)]
    work = np.stack([own["row"], own["col"]], axis=1).astype(np.float64)
    points: NDArray[np.float64] = (work + 0.5) / plan.grid.downscale - 0.5 - [plan.mask.top, plan.mask.left]
    return points
