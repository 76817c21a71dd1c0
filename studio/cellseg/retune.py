"""A view's cells with other thresholds: what comes after the network, done again on the field that it gave.

The view is one block here, and paths that a threshold doesn't concern stay
(`retrace.py`). The cells are those of any other way to cut the view up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg.blockdata import LOGITS, keep_block
from studio.cellseg.blocks import (
    FIRST_HALO,
    BlockCells,
    FlowPiece,
    HaloTooSmall,
    Members,
    choose_cells,
    find_members,
    follow_piece,
)
from studio.cellseg.flowfield import TileStore, add_up, split
from studio.cellseg.lattice import Rect
from studio.cellseg.merge import merge_parts
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import Plan
from studio.cellseg.preview import Preview
from studio.cellseg.retrace import BANDS, KnownPaths, side_by_side

MOST_PX = 16_000_000
"""Largest field that is kept, halo included, in working pixels: 41 bytes each, some ten more while cells are found, and
`retrace.MOST_BYTES`."""

READY_FOR = tuple(0.25 * step for step in range(-24, 25))
"""Cell probability thresholds whose paths are followed ahead; 19 in 20 paths of those between are among them."""

FLOW_UNITS = 5.0
"""Times unit length that the network's flow has; see `flowfield.split`."""


@dataclass(slots=True)
class Field:
    """The network's answer on a view and a halo, and the paths that have been followed in it. One thread at a time."""

    region: Rect
    halo: int
    rect: Rect
    total: NDArray[np.float32]
    """(rows, columns, 3) on `rect`, of `add_up`; off the plan's field the logit is minus infinity."""
    _known: KnownPaths | None = None
    _piece: FlowPiece | None = None
    """With the threshold of the last time."""
    _members: Members | HaloTooSmall | None = None
    """What came of it, its number of steps, and whether they were interpolated."""
    _members_of: tuple[float, int, bool] | None = None
    _room: NDArray[np.int32] | None = None
    """(3, rows, columns): the last holds the members' labels; in the others cells are chosen."""
    _flows: tuple[NDArray[np.bool_], NDArray[np.float16]] | None = None
    """Foreground of the region when flows were wanted last, and they."""

    def members(self, params: SegmentParams, bounds: Rect, threads: int) -> tuple[FlowPiece, Members | HaloTooSmall]:
        """The field's foreground, and all that lies around its sinks."""
        threshold, niter = params.cellprob_threshold, params.niter
        members_of = (threshold, niter, params.interp)
        if self._piece is None:
            self._piece = split(self.total, self.rect, threshold)
        elif self._members_of is None or self._members_of[0] != threshold:
            self._members_of = None
            _move(self._piece, self.total, threshold, threads)
        if self._members is None or self._members_of != members_of:
            self._members = None
            if params.interp:
                self._known = self._known or KnownPaths((self.rect.rows, self.rect.cols))
                paths = self._known.follow(self._piece, threshold, niter, bounds, threads)
            else:
                # Seldom wanted; what is known of paths is of interpolated ones.
                paths = follow_piece(self._piece, bounds, niter, interp=False)
            if self._room is None:
                self._room = np.empty((3, self.rect.rows, self.rect.cols), np.int32)
            self._members = find_members(self._piece, self.region, bounds, self.halo, paths, self._room, threads)
            self._members_of = members_of
        return self._piece, self._members

    def get_ready(self, params: SegmentParams, bounds: Rect, threads: int, poll: Callable[[], None]) -> None:
        """Follow the paths of other thresholds as well, the nearest first, so that a jump to one finds most known.

        `poll` is called now and then, and may raise to end it.
        """
        piece, _ = self.members(params, bounds, threads)
        if not params.interp or self._known is None:
            return
        own = params.cellprob_threshold
        try:
            for threshold in sorted(READY_FOR, key=lambda each: abs(each - own)):
                if self._known.full:
                    break
                poll()
                _move(piece, self.total, threshold, threads)
                self._known.follow(piece, threshold, params.niter, bounds, threads)
        finally:
            _move(piece, self.total, own, threads)

    def cells(self, plan: Plan, threads: int) -> tuple[FlowPiece, BlockCells | HaloTooSmall]:
        """The field's foreground, and the cells of the region."""
        piece, members = self.members(plan.params, plan.grid.bounds, threads)
        if isinstance(members, HaloTooSmall):
            return piece, members
        assert self._room is not None
        labels = self._room[0]
        np.copyto(labels, members.labels)
        return piece, choose_cells(members, labels, piece, plan.params, plan.where, threads, self._room[1])

    def flows(self, piece: FlowPiece) -> NDArray[np.float16]:
        """Flows of the region as `keep_block` samples them without downscale; only what changed is sampled anew."""
        at = self.region.slices(self.rect)
        inside, flow, logit = piece.inside[at], piece.flow[at], piece.logit[at]
        if self._flows is None:
            before, flows = np.zeros_like(inside), np.zeros((*inside.shape, 3), np.float16)
        else:
            before, flows = self._flows[0], self._flows[1].copy()
        changed = np.nonzero(before != inside)
        flows[(*changed, slice(2))] = flow[changed]
        flows[(*changed, 2)] = np.where(inside[changed], np.clip(logit[changed], *LOGITS), 0)
        self._flows = inside.copy(), flows
        return flows


def fits(plan: Plan, halo: int = FIRST_HALO) -> bool:
    """Whether a plan's region with so much halo is small enough for a field."""
    rect = plan.piece(plan.region, halo)
    return rect.rows * rect.cols <= MOST_PX


def open_field(plan: Plan, tiles: TileStore, halo: int = FIRST_HALO) -> Field | None:
    """The field of a plan's region with so much halo; None where it is too large, or tiles of it are missing."""
    if not fits(plan, halo):
        return None
    rect = plan.piece(plan.region, halo)
    over = plan.tiles_over(rect)
    if not tiles.ready(over):
        return None
    total = add_up(tiles, plan.lattice, over, rect)
    field = None if plan.where is None else plan.where.field_mask(rect)
    if field is not None:
        total[~field] = (0, 0, -np.inf)
    return Field(plan.region, halo, rect, total)


def retune(field: Field, plan: Plan, threads: int, *, flows: bool = True) -> Preview | HaloTooSmall:
    """The cells of a plan on its field; `plan.params` may differ from those it was opened with by thresholds.

    Without `flows` those of the outcome are empty.
    """
    piece, found = field.cells(plan, threads)
    if isinstance(found, HaloTooSmall):
        return found
    whole = plan.grid.downscale == 1
    block = keep_block(found, piece, plan.grid, flows=flows and not whole)
    cells = merge_parts([block.cells])
    kept = field.flows(piece) if flows and whole else block.flows
    nothing = np.zeros((0, 0, 3), np.float16)
    # The one block's own numbers are those of all cells.
    return Preview(plan, block.labels.view(np.uint32), nothing if kept is None else kept, cells)


def _move(piece: FlowPiece, total: NDArray[np.float32], threshold: float, threads: int) -> None:
    """Give a piece of `split` another threshold, in place."""
    cuts = np.linspace(0, piece.rect.rows, BANDS + 1).astype(int).tolist()

    def band(n: int) -> None:
        _move_rows(piece.flow, piece.inside, piece.logit, total, np.float32(threshold), cuts[n], cuts[n + 1])

    side_by_side(band, range(BANDS), threads)


@njit(cache=True, nogil=True, boundscheck=False)
def _move_rows(flow, inside, logit, total, threshold, first, stop):  # type: ignore[no-untyped-def]
    for y in range(first, stop):
        for x in range(logit.shape[1]):
            now = logit[y, x] > threshold
            if now != inside[y, x]:
                inside[y, x] = now
                for c in range(2):
                    flow[y, x, c] = total[y, x, c] / np.float32(FLOW_UNITS) if now else np.float32(0.0)
