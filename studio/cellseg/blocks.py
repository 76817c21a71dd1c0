"""One block: the cells of its core, found from the flows on core and halo, and the proof that the halo was enough.

See `studio/cellseg/README.md` for why the outcome is a property of the slide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.cellseg import cells, dynamics
from studio.cellseg.lattice import Rect
from studio.cellseg.params import SegmentParams
from studio.cellseg.where import Where

FIRST_HALO = 96
"""Working pixels around a core to begin with; about three cells of 30 px."""
LEAST_HALO = 64
"""Tried first where more would cost passes of the network."""
LAST_HALO = 2048
HALO_STEP = 32
REACH_CELL = 64
"""Side of the squares in which the longest excursions are noted for the audit."""

_MAP_MARGIN = dynamics.GROW_STEPS + 2
"""What is known of an end point depends on the histogram this far around it (growth and the 5 x 5 maximum)."""
_SINK_MARGIN = dynamics.GROW_STEPS + _MAP_MARGIN
"""A cell's pixels depend on the histogram this far around its sink."""

Paths = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]
"""Of each foreground pixel of a piece its flat index, and row and column where its path ends (`dynamics.follow`)."""

PART = np.dtype(
    [
        *((name, "<i4") for name in ("row", "col", "area", "top", "left", "bottom", "right")),
        *((name, "<i8") for name in ("sum_row", "sum_col", "sum_logit")),
        ("flow_error", "<f4"),
    ]
)
"""A cell's part in one core: its name (row and column of its sink), sums over its pixels there (`cells.partial_sums`),
and the flow error of the whole cell."""


@dataclass(frozen=True, slots=True)
class FlowPiece:
    """The flow field on a rectangle of working pixels."""

    rect: Rect
    flow: NDArray[np.float32]
    """(H, W, 2), the network's flow / 5, 0 outside the foreground."""
    inside: NDArray[np.bool_]
    """(H, W), cell probability over the threshold."""
    logit: NDArray[np.float32]
    """(H, W), cell probability logit."""
    rgb: NDArray[np.uint8] | None = None
    """(H, W, 3), the slide's own pixels; None where nobody asked for them."""
    wide: FlowPiece | None = None
    """The same with a lower threshold, for who stores flows; None where nobody does."""


@dataclass(frozen=True, slots=True)
class BlockCells:
    """What a block found. Everything but `labels` of it is in working pixels of the slide."""

    core: Rect
    labels: NDArray[np.int32]
    """(core rows, core columns); 0 or 1 + row in `cells`."""
    cells: NDArray[np.void]
    """PART; one row for each cell with a pixel in the core, sorted by name."""
    needed: Rect
    """Where the histogram of end points has to be right for the labels to be right."""
    trusted: Rect
    """Pixels outside this rectangle were not followed to their end, here at least."""
    reach: NDArray[np.int32]
    """Longest excursion of the core's pixels in each square of the slide's REACH_CELL grid that the core touches."""
    halo: int


@dataclass(frozen=True, slots=True)
class HaloTooSmall:
    """The certificate failed: redo the block with this much halo."""

    halo: int


def follow_piece(
    piece: FlowPiece, bounds: Rect, niter: int, rows: slice = slice(None), *, interp: bool = True
) -> Paths:
    """Where the pixels of a piece end, or those of some of its rows."""
    rect, inside = piece.rect, piece.inside
    if rows != slice(None):
        inside = np.zeros_like(inside)
        inside[rows] = piece.inside[rows]
    paths: Paths = dynamics.follow(
        piece.flow,
        inside,
        niter,
        bounds.top - rect.top,
        bounds.left - rect.left,
        bounds.bottom - 1 - rect.top,
        bounds.right - 1 - rect.left,
        interp,
    )
    return paths


def segment_block(
    piece: FlowPiece,
    core: Rect,
    bounds: Rect,
    params: SegmentParams,
    halo: int,
    where: Where | None = None,
    paths: Paths | None = None,
) -> BlockCells | HaloTooSmall:
    """Find the cells of a core.

    Args:
        piece: flows on `core.grown(halo)` clipped to `bounds`.
        core: the pixels to label.
        bounds: all working pixels of the slide.
        params: thresholds and iterations.
        halo: how far `piece` reaches around `core`.
        where: cells whose sink lies outside of it are left out (tissue, regions of interest). None: all.
        paths: where the piece's pixels end, if it is known already.
    """
    rect = piece.rect
    shape = (rect.rows, rect.cols)
    start, end_y, end_x = paths or follow_piece(piece, bounds, params.niter, interp=params.interp)
    counts = dynamics.histogram(shape, end_y, end_x)
    # Sorted by the array's rows and columns, which differ from the slide's by a constant: the slide's order.
    sinks = dynamics.find_sinks(counts)
    owner = dynamics.grow_sinks(counts, sinks)
    labels = dynamics.label_pixels(shape, start, end_y, end_x, owner)
    # What the rest needs is the most that a block takes (`plan.piece_bytes`).
    del counts, owner
    table = cells.measure(labels, sinks)

    needed = _needed(core, rect, bounds, start, end_y, end_x, table)
    grow = _missing_halo(piece, core, bounds, needed, start, end_y, end_x)
    if grow > 0 and halo < LAST_HALO:
        return HaloTooSmall(min(LAST_HALO, halo + -(-max(grow, halo // 4) // HALO_STEP) * HALO_STEP))

    at = core.slices(rect)
    keep, errors = _judge(labels, piece.flow, table, sinks, rect, core, params, where)
    cells.drop_cells(labels, keep)
    order = np.lexsort((table[:, cells.FIRST_X], table[:, cells.TOP]))
    filled = cells.fill_holes(labels, table, order[keep[order]])
    trusted = _followed(rect, bounds, start, end_y)
    return BlockCells(
        core,
        *_parts(filled[at], piece.logit[at], core, rect, sinks, errors),
        needed=needed,
        trusted=trusted,
        reach=_reach(core, rect, start, end_y, end_x),
        halo=halo,
    )


def _needed(
    core: Rect,
    rect: Rect,
    bounds: Rect,
    start: NDArray[np.int32],
    end_y: NDArray[np.int32],
    end_x: NDArray[np.int32],
    table: NDArray[np.int32],
) -> Rect:
    """Where the histogram must be right: around every end of the core's pixels, their sinks, and holes' owners."""
    radius = int(table[:, cells.RADIUS].max(initial=0))
    needed = core.grown(radius + _SINK_MARGIN)
    y, x = start // rect.cols + rect.top, start % rect.cols + rect.left
    of_core = (y >= core.top) & (y < core.bottom) & (x >= core.left) & (x < core.right) & (end_y != dynamics.ESCAPED)
    if of_core.any():
        rows, cols = end_y[of_core] + rect.top, end_x[of_core] + rect.left
        ends = Rect(int(rows.min()), int(cols.min()), int(rows.max()) + 1, int(cols.max()) + 1)
        # A sink lies within GROW_STEPS of the end point, and its cell within _SINK_MARGIN of the sink.
        needed = needed.union(ends.grown(dynamics.GROW_STEPS + _SINK_MARGIN))
    return needed.clipped(bounds)


def _followed(rect: Rect, bounds: Rect, start: NDArray[np.int32], end_y: NDArray[np.int32]) -> Rect:
    """The part of `rect` in which no path was lost."""
    y, x = start // rect.cols, start % rect.cols
    depth = np.full(start.shape, 2**30, np.int32)
    for open_, away in (
        (rect.top > bounds.top, y),
        (rect.left > bounds.left, x),
        (rect.bottom < bounds.bottom, rect.rows - 1 - y),
        (rect.right < bounds.right, rect.cols - 1 - x),
    ):
        if open_:
            np.minimum(depth, away, out=depth)
    lost = depth[end_y == dynamics.ESCAPED]
    margin = int(lost.max()) + 1 if lost.size else 0
    return Rect(
        rect.top + margin * (rect.top > bounds.top),
        rect.left + margin * (rect.left > bounds.left),
        rect.bottom - margin * (rect.bottom < bounds.bottom),
        rect.right - margin * (rect.right < bounds.right),
    )


def _missing_halo(
    piece: FlowPiece,
    core: Rect,
    bounds: Rect,
    needed: Rect,
    start: NDArray[np.int32],
    end_y: NDArray[np.int32],
    end_x: NDArray[np.int32],
) -> int:
    """How many pixels of halo are wanting (0 or less: none), judged by the excursions seen in the halo."""
    rect = piece.rect
    if rect == bounds:
        return 0
    trusted = _followed(rect, bounds, start, end_y)
    known = end_y != dynamics.ESCAPED
    y, x = start // rect.cols, start % rect.cols
    away = np.maximum(np.abs(end_y - y), np.abs(end_x - x))
    in_core = (
        (y >= core.top - rect.top) & (y < core.bottom - rect.top)
        & (x >= core.left - rect.left) & (x < core.right - rect.left)
    )  # fmt: skip
    excursion = int(away[known & ~in_core].max(initial=0))
    margin = max(rect.top - bounds.top and trusted.top - rect.top, rect.left - bounds.left and trusted.left - rect.left,
                 bounds.bottom - rect.bottom and rect.bottom - trusted.bottom,
                 bounds.right - rect.right and rect.right - trusted.right)  # fmt: skip
    wanted = max(excursion, margin) + 2
    have = [
        gap
        for gap, open_ in (
            (needed.top - rect.top, rect.top > bounds.top),
            (needed.left - rect.left, rect.left > bounds.left),
            (rect.bottom - needed.bottom, rect.bottom < bounds.bottom),
            (rect.right - needed.right, rect.right < bounds.right),
        )
        if open_
    ]
    return wanted - min(have, default=wanted)


def _judge(
    labels: NDArray[np.int32],
    flow: NDArray[np.float32],
    table: NDArray[np.int32],
    sinks: NDArray[np.int32],
    rect: Rect,
    core: Rect,
    params: SegmentParams,
    where: Where | None,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which cells stay, and the flow error of those near the core; cells that can't touch the core go unjudged."""
    top, left, bottom, right = (
        core.top - rect.top,
        core.left - rect.left,
        core.bottom - rect.top,
        core.right - rect.left,
    )
    near = (
        (table[:, cells.AREA] > 0)
        & (table[:, cells.TOP] < bottom) & (table[:, cells.BOTTOM] > top)
        & (table[:, cells.LEFT] < right) & (table[:, cells.RIGHT] > left)
    )  # fmt: skip
    keep = near & (table[:, cells.AREA] >= params.min_size)
    if where is not None:
        (at,) = np.nonzero(keep)
        keep[at] = where.holds(sinks[at, 1] + rect.top, sinks[at, 2] + rect.left)
    errors = cells.flow_errors(labels, flow, table, keep)
    if params.flow_threshold > 0:
        keep &= errors <= params.flow_threshold
    return keep, errors


def _parts(
    labels: NDArray[np.int32],
    logit: NDArray[np.float32],
    core: Rect,
    rect: Rect,
    sinks: NDArray[np.int32],
    errors: NDArray[np.float64],
) -> tuple[NDArray[np.int32], NDArray[np.void]]:
    """The core's labels renumbered by name, and the cells' parts."""
    sums = cells.partial_sums(labels, logit, core.top, core.left, len(sinks))
    present = np.flatnonzero(sums[:, 0])
    rows, cols = sinks[present, 1] + rect.top, sinks[present, 2] + rect.left
    order = np.lexsort((cols, rows))
    present = present[order]
    parts = np.zeros(len(present), PART)
    parts["row"], parts["col"] = rows[order], cols[order]
    for n, name in enumerate(("area", "top", "left", "bottom", "right", "sum_row", "sum_col", "sum_logit")):
        parts[name] = sums[present, n]
    parts["flow_error"] = errors[present]
    number = np.zeros(len(sinks) + 1, np.int32)
    number[present + 1] = np.arange(1, len(present) + 1)
    return number[labels], parts


def reach_span(core: Rect) -> Rect:
    """The squares of the REACH_CELL grid that a core touches."""
    return Rect(
        core.top // REACH_CELL,
        core.left // REACH_CELL,
        -(-core.bottom // REACH_CELL),
        -(-core.right // REACH_CELL),
    )


def _reach(
    core: Rect, rect: Rect, start: NDArray[np.int32], end_y: NDArray[np.int32], end_x: NDArray[np.int32]
) -> NDArray[np.int32]:
    span = reach_span(core)
    reach = np.zeros((span.rows, span.cols), np.int32)
    y, x = start // rect.cols, start % rect.cols
    away = np.maximum(np.abs(end_y - y), np.abs(end_x - x))
    y, x = y + rect.top, x + rect.left
    of_core = (y >= core.top) & (y < core.bottom) & (x >= core.left) & (x < core.right) & (end_y != dynamics.ESCAPED)
    np.maximum.at(reach, (y[of_core] // REACH_CELL - span.top, x[of_core] // REACH_CELL - span.left), away[of_core])
    return reach
