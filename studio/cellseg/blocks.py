"""One block: the cells of its core, found from the flows on core and halo, and the proof that the halo was enough.

See `studio/cellseg/README.md` for why the outcome is a property of the slide.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg import cells, dynamics
from studio.cellseg.certificate import Paths, missing_halo, needed_around, survey
from studio.cellseg.follow import follow
from studio.cellseg.lattice import Rect
from studio.cellseg.params import SegmentParams
from studio.cellseg.where import Where

FIRST_HALO = 96
"""Working pixels around a core to begin with; about three cells of 30 px."""
LEAST_HALO = 64
"""Tried first where more would cost passes of the network."""
LAST_HALO = 2048
HALO_STEP = 32

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
    paths: Paths = follow(
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


@dataclass(slots=True)
class Members:
    """All pixels of a piece that some sink draws, before it is said which of them are cells."""

    core: Rect
    halo: int
    labels: NDArray[np.int32]
    """(H, W) of the piece; 0 or 1 + row in `sinks`."""
    sinks: NDArray[np.int32]
    """Of `dynamics.find_sinks`, in the piece's pixels."""
    table: NDArray[np.int32]
    """Of `cells.measure`."""
    needed: Rect
    trusted: Rect
    reach: NDArray[np.int32]
    errors: NDArray[np.float64]
    """(S,) flow error of each, NaN where nobody has asked for it yet."""
    holes: NDArray[np.bool_]
    """(S,) whether each closes something in; known where its flow error is."""


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
    paths = paths or follow_piece(piece, bounds, params.niter, interp=params.interp)
    members = find_members(piece, core, bounds, halo, paths)
    if isinstance(members, HaloTooSmall):
        return members
    return choose_cells(members, members.labels, piece, params, where)


def find_members(
    piece: FlowPiece,
    core: Rect,
    bounds: Rect,
    halo: int,
    paths: Paths,
    room: NDArray[np.int32] | None = None,
    threads: int = 1,
) -> Members | HaloTooSmall:
    """The first half of `segment_block`: all that the thresholds of whole cells don't touch.

    With `room`, (3, H, W), nothing large is allocated, and the labels lie in its last part. `threads` is how many cores
    to use.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="studio-survey") as pool:
        surveyed = pool.submit(survey, piece.rect, core, bounds, paths) if threads > 1 else None
        labels, sinks, table = _drawn(piece.rect, paths, room)
        walks = survey(piece.rect, core, bounds, paths) if surveyed is None else surveyed.result()
    needed = needed_around(core, bounds, walks, int(table[:, cells.RADIUS].max(initial=0)))
    grow = missing_halo(piece.rect, bounds, needed, walks)
    if grow > 0 and halo < LAST_HALO:
        return HaloTooSmall(min(LAST_HALO, halo + -(-max(grow, halo // 4) // HALO_STEP) * HALO_STEP))
    errors, holes = np.full(len(sinks), np.nan), np.zeros(len(sinks), bool)
    return Members(core, halo, labels, sinks, table, needed, walks.trusted, walks.reach, errors, holes)


def _drawn(
    rect: Rect, paths: Paths, room: NDArray[np.int32] | None
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Labels, sinks, and the members' measures."""
    shape = (rect.rows, rect.cols)
    start, end_y, end_x = paths
    rooms = (None, None, None) if room is None else room
    counts = dynamics.histogram(shape, end_y, end_x, rooms[0])
    # Sorted by the array's rows and columns, which differ from the slide's by a constant: the slide's order.
    sinks = dynamics.find_sinks(counts)
    owner = dynamics.grow_sinks(counts, sinks, rooms[1])
    labels = dynamics.label_pixels(shape, start, end_y, end_x, owner, rooms[2])
    # What the rest needs is the most that a block takes (`plan.piece_bytes`).
    del counts, owner
    return labels, sinks, cells.measure(labels, sinks)


def choose_cells(
    members: Members,
    labels: NDArray[np.int32],
    piece: FlowPiece,
    params: SegmentParams,
    where: Where | None = None,
    threads: int = 1,
    room: NDArray[np.int32] | None = None,
) -> BlockCells:
    """The second half: which of a core's members are cells, and which pixels they have.

    Args:
        members: what `find_members` says of the piece; flow errors that it lacks are filled in.
        labels: its labels, or a copy of them; used up.
        piece: the flows.
        params: thresholds.
        where: as for `segment_block`.
        threads: how many cores to use.
        room: as large as the labels, to work in.
    """
    core, rect, table = members.core, piece.rect, members.table
    keep = _judge(members, labels, piece.flow, rect, params, where, threads)
    cells.drop_cells(labels, keep)
    order = np.lexsort((table[:, cells.FIRST_X], table[:, cells.TOP]))
    filled = cells.fill_holes(labels, table, order[(keep & members.holes)[order]], room)
    at = core.slices(rect)
    return BlockCells(
        core,
        *_parts(filled[at], piece.logit[at], core, rect, members.sinks, members.errors),
        needed=members.needed,
        trusted=members.trusted,
        reach=members.reach,
        halo=members.halo,
    )


def _judge(
    members: Members,
    labels: NDArray[np.int32],
    flow: NDArray[np.float32],
    rect: Rect,
    params: SegmentParams,
    where: Where | None,
    threads: int,
) -> NDArray[np.bool_]:
    """Which cells stay; those that can't touch the core go unjudged."""
    core, table, sinks = members.core, members.table, members.sinks
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
    (asked,) = np.nonzero(keep & np.isnan(members.errors))
    if asked.size:
        _look_at(members, labels, flow, asked, threads)
    if params.flow_threshold > 0:
        keep[keep] = members.errors[keep] <= params.flow_threshold
    return keep


def _look_at(
    members: Members,
    labels: NDArray[np.int32],
    flow: NDArray[np.float32],
    asked: NDArray[np.int64],
    threads: int,
) -> None:
    """Fill in flow errors of some members, and which have holes."""
    table = members.table

    def some(ks: NDArray[np.int64]) -> None:
        wanted = np.zeros(len(table), bool)
        wanted[ks] = True
        members.errors[ks] = cells.flow_errors(labels, flow, table, wanted)[ks]
        members.holes[ks] = cells.have_holes(labels, table, wanted)[ks]

    if threads < 2:
        some(asked)
        return
    # The largest come last: each thread gets of all sizes.
    parts = 4 * threads
    with ThreadPoolExecutor(threads, thread_name_prefix="studio-errors") as pool:
        list(pool.map(some, (asked[part::parts] for part in range(parts))))


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
    return _renumber(labels, number), parts


@njit(cache=True, nogil=True)
def _renumber(labels, number):  # type: ignore[no-untyped-def]
    out = np.empty(labels.shape, np.int32)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            out[y, x] = number[labels[y, x]]
    return out
