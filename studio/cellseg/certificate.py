"""How far a block's piece can be trusted: the proof that its halo was enough.

See "The certificate" in `studio/cellseg/README.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg import dynamics
from studio.cellseg.lattice import Rect

REACH_CELL = 64
"""Side of the squares in which the longest excursions are noted for the audit."""

_MAP_MARGIN = dynamics.GROW_STEPS + 2
"""What is known of an end point depends on the histogram this far around it (growth and the 5 x 5 maximum)."""
_SINK_MARGIN = dynamics.GROW_STEPS + _MAP_MARGIN
"""A cell's pixels depend on the histogram this far around its sink."""

Paths = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]
"""Of each foreground pixel of a piece its flat index, and row and column where its path ends (`follow.follow`)."""


@dataclass(frozen=True, slots=True)
class Walks:
    """What the paths of a piece say about how far it can be trusted."""

    trusted: Rect
    """The part of the piece in which no path was lost."""
    ends: Rect
    """Around every end of the core's pixels; empty where there is none."""
    excursion: int
    """The longest of the halo's."""
    reach: NDArray[np.int32]
    """Longest excursion of the core's pixels in each square of the slide's REACH_CELL grid that the core touches."""


def survey(rect: Rect, core: Rect, bounds: Rect, paths: Paths) -> Walks:
    """Look at all paths of a piece `rect` around a core of a slide (or a region) `bounds`."""
    span = reach_span(core)
    reach = np.zeros((span.rows, span.cols), np.int32)
    # Edges beyond which the slide goes on: a path can only be lost there.
    open_ = np.array([rect.top > bounds.top, rect.left > bounds.left,
                      rect.bottom < bounds.bottom, rect.right < bounds.right])  # fmt: skip
    inner = np.array([core.top - rect.top, core.left - rect.left, core.bottom - rect.top, core.right - rect.left])
    first = (rect.top - span.top * REACH_CELL, rect.left - span.left * REACH_CELL)
    depth, excursion, ends = _walk_over(*paths, rect.rows, rect.cols, inner, open_, reach, *first)
    margin = depth + 1
    trusted = Rect(
        rect.top + margin * (rect.top > bounds.top),
        rect.left + margin * (rect.left > bounds.left),
        rect.bottom - margin * (rect.bottom < bounds.bottom),
        rect.right - margin * (rect.right < bounds.right),
    )
    top, left, bottom, right = ends
    return Walks(
        trusted, Rect(rect.top + top, rect.left + left, rect.top + bottom, rect.left + right), excursion, reach
    )


@njit(cache=True, nogil=True)
def _walk_over(  # type: ignore[no-untyped-def]
    start, end_y, end_x, rows, cols, inner, open_, reach, first_y, first_x
):
    """Depth of the deepest pixel that lost its path (-1: none), longest excursion in the halo, box of the core's ends.

    Notes the longest excursions of the core's pixels in `reach`.
    """
    depth, excursion = -1, 0
    top, left, bottom, right = rows, cols, 0, 0
    for n in range(start.size):
        y, x = start[n] // cols, start[n] % cols
        if end_y[n] == dynamics.ESCAPED:
            here = 2**30
            if open_[0]:
                here = min(here, y)
            if open_[1]:
                here = min(here, x)
            if open_[2]:
                here = min(here, rows - 1 - y)
            if open_[3]:
                here = min(here, cols - 1 - x)
            depth = max(depth, here)
            continue
        away = max(abs(end_y[n] - y), abs(end_x[n] - x))
        if inner[0] <= y < inner[2] and inner[1] <= x < inner[3]:
            top, left = min(top, end_y[n]), min(left, end_x[n])
            bottom, right = max(bottom, end_y[n] + 1), max(right, end_x[n] + 1)
            v, u = (y + first_y) // REACH_CELL, (x + first_x) // REACH_CELL
            reach[v, u] = max(reach[v, u], away)
        else:
            excursion = max(excursion, away)
    return depth, excursion, (top, left, bottom, right)


def needed_around(core: Rect, bounds: Rect, walks: Walks, radius: int) -> Rect:
    """Where the histogram must be right: around every end of the core's pixels, their sinks, and holes' owners.

    `radius` is the largest distance of a cell's pixel from its sink.
    """
    needed = core.grown(radius + _SINK_MARGIN)
    if not walks.ends.empty:
        # A sink lies within GROW_STEPS of the end point, and its cell within _SINK_MARGIN of the sink.
        needed = needed.union(walks.ends.grown(dynamics.GROW_STEPS + _SINK_MARGIN))
    return needed.clipped(bounds)


def missing_halo(rect: Rect, bounds: Rect, needed: Rect, walks: Walks) -> int:
    """How many pixels of halo are wanting (0 or less: none), judged by the excursions seen in the halo."""
    if rect == bounds:
        return 0
    trusted = walks.trusted
    margin = max(rect.top - bounds.top and trusted.top - rect.top, rect.left - bounds.left and trusted.left - rect.left,
                 bounds.bottom - rect.bottom and rect.bottom - trusted.bottom,
                 bounds.right - rect.right and rect.right - trusted.right)  # fmt: skip
    wanted = max(walks.excursion, margin) + 2
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


def reach_span(core: Rect) -> Rect:
    """The squares of the REACH_CELL grid that a core touches."""
    return Rect(
        core.top // REACH_CELL,
        core.left // REACH_CELL,
        -(-core.bottom // REACH_CELL),
        -(-core.right // REACH_CELL),
    )
