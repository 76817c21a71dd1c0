"""A view's cells with other thresholds: what comes after the network, done again on the field that it gave.

The view is one block here, and paths that a threshold doesn't concern stay
(`retrace.py`). The cells are those of any other way to cut the view up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.blockdata import LOGITS, keep_block
from studio.cellseg.blocks import FIRST_HALO, FlowPiece, HaloTooSmall, Paths, follow_piece, segment_block
from studio.cellseg.flowfield import TileStore, add_up, split
from studio.cellseg.lattice import Rect
from studio.cellseg.merge import merge_parts
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import Plan
from studio.cellseg.preview import Preview
from studio.cellseg.retrace import KnownPaths

MOST_PX = 16_000_000
"""Largest field that is kept, halo included, in working pixels: 28 bytes each, and 13 more while cells are found."""

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
    _known_niter: int = 0
    _last: tuple[tuple[float, int], FlowPiece, Paths] | None = None
    """The threshold and the steps of the last time, and what came of them."""
    _flows: tuple[NDArray[np.bool_], NDArray[np.float16]] | None = None
    """Foreground of the region when flows were wanted last, and they."""

    def piece_with_paths(self, params: SegmentParams, bounds: Rect, threads: int) -> tuple[FlowPiece, Paths]:
        """The field's foreground and where its pixels end."""
        threshold, niter = params.cellprob_threshold, params.niter
        if not params.interp:
            # Seldom wanted; what is known of paths is of interpolated ones.
            piece = split(self.total, self.rect, threshold)
            return piece, follow_piece(piece, bounds, niter, interp=False)
        if self._last is None or self._last[0] != (threshold, niter):
            if self._known is None or self._known_niter != niter:
                self._known, self._known_niter = KnownPaths.none((self.rect.rows, self.rect.cols)), niter
            piece = (
                split(self.total, self.rect, threshold) if self._last is None else self._moved(self._last[1], threshold)
            )
            self._last = (threshold, niter), piece, self._known.follow(piece, threshold, niter, bounds, threads)
        return self._last[1:]

    def _moved(self, piece: FlowPiece, threshold: float) -> FlowPiece:
        """The last piece with another threshold; its arrays are used up."""
        inside = piece.logit > np.float32(threshold)
        rows, cols = np.nonzero(inside != piece.inside)
        network = self.total[rows, cols, :2] / np.float32(FLOW_UNITS)
        piece.flow[rows, cols] = np.where(inside[rows, cols, None], network, np.float32(0))
        return FlowPiece(piece.rect, piece.flow, inside, piece.logit)

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
        self._flows = inside, flows
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
    params, bounds = plan.params, plan.grid.bounds
    piece, paths = field.piece_with_paths(params, bounds, threads)
    found = segment_block(piece, field.region, bounds, params, field.halo, plan.where, paths)
    if isinstance(found, HaloTooSmall):
        return found
    whole = plan.grid.downscale == 1
    block = keep_block(found, piece, plan.grid, flows=flows and not whole)
    cells = merge_parts([block.cells])
    kept = field.flows(piece) if flows and whole else block.flows
    nothing = np.zeros((0, 0, 3), np.float16)
    # The one block's own numbers are those of all cells.
    return Preview(plan, block.labels.view(np.uint32), nothing if kept is None else kept, cells)
