"""A part of a slide, segmented into memory: the same blocks and the same cells as a whole-slide run has there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.blockdata import BlockData, keep_block
from studio.cellseg.finish import paste
from studio.cellseg.flowfield import TileStore
from studio.cellseg.merge import MergedCells, merge_parts
from studio.cellseg.networks import Network
from studio.cellseg.params import SegmentParams
from studio.cellseg.pipeline import Pipeline, StageTimes
from studio.cellseg.plan import Plan, in_order, make_plan
from studio.cellseg.source import MaskGeometry
from studio.core.jobs import Progress

if TYPE_CHECKING:
    from studio.slide import WSI
    from studio.slide.roi import ROI


@dataclass(frozen=True, slots=True)
class Preview:
    """Cells of a part of a slide."""

    plan: Plan
    labels: NDArray[np.uint32]
    """(rows, columns) at mask resolution; 1…N in the order of a whole-slide run's numbers."""
    flows: NDArray[np.float16]
    """(rows, columns, 3): unit-scale dY, dX, cell probability; 0 outside the foreground."""
    cells: MergedCells

    @property
    def geometry(self) -> MaskGeometry:
        """Where the labels lie on the slide."""
        return self.plan.grid.geometry(self.plan.mask)

    @property
    def centroids(self) -> NDArray[np.float64]:
        """(N, 2) row, column in mask pixels, of what lies in the part."""
        return self.cells.centroids(self.plan.grid, self.plan.mask)


def preview(
    slide: WSI,
    params: SegmentParams,
    rect_slide: tuple[float, float, float, float] | None,
    network: Network,
    progress: Progress,
    rois: Sequence[ROI] | None = None,
) -> Preview:
    """Segment a rectangle (x, y, width, height in slide pixels) of a slide; None: all of it.

    Raises as `make_plan`, and SlideError.
    """
    plan = make_plan(slide, params, rect_slide, rois)
    progress.start(len(plan.blocks), "Segmenting the view")
    return segment_plan(plan, network, progress)


def segment_plan(
    plan: Plan,
    network: Network,
    progress: Progress,
    *,
    store: TileStore | None = None,
    focus: tuple[int, int] | None = None,
    on_block: Callable[[BlockData], None] | None = None,
    times: StageTimes | None = None,
) -> Preview:
    """Do the blocks of a plan and put them together.

    Args:
        plan: what to do.
        network: of the plan's model.
        progress: told of each block.
        store: keeps the network's tiles from call to call, and knows those of earlier ones.
        focus: working row and column to begin at; None: in the order that takes the least memory.
        on_block: told of each block once it is done.
        times: takes what the stages took.
    """
    blocks: list[BlockData] = []
    pipeline = Pipeline(
        plan,
        network,
        harvest=lambda block, piece: keep_block(block, piece, plan.grid, flows=True),
        times=times,
        store=store,
    )
    order = in_order(plan, list(plan.blocks), focus)
    with contextlib.closing(pipeline.run(order, poll=lambda: progress.advance(0))) as finished:
        for done in finished:
            pipeline.say(progress)
            blocks.append(done.extra)
            if on_block is not None:
                on_block(done.extra)
            progress.advance(1)
    cells = merge_parts([block.cells for block in blocks])
    mask = plan.mask
    labels = np.zeros((mask.rows, mask.cols), np.uint32)
    flows = np.zeros((mask.rows, mask.cols, 3), np.float16)
    for block in blocks:
        paste(labels, mask, cells.numbers(block.cells)[block.labels], block.mask)
        if block.flows is not None:
            paste(flows, mask, block.flows, block.mask)
    return Preview(plan, labels, flows, cells)
