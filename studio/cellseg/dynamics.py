"""Where the flows lead: an Euler step, a path, the sinks that paths end in. `follow.py` follows all paths at once.

The method is Cellpose's (Stringer et al. 2021, Nat. Methods 18:100; Cellpose 3.1
`dynamics`), written so that it gives the same bits wherever an array is cut
out of the slide: a position is an integer start and a float32 displacement,
and ties are broken by slide coordinates. All kernels run without the GIL.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

SINK_MIN = 10
"""A sink has more end points than this (Cellpose)."""
GROW_MIN = 2
"""A sink grows over histogram bins with more end points than this (Cellpose)."""
GROW_STEPS = 5
"""How far a sink grows, in pixels (Cellpose: an 11 x 11 window)."""

NEVER = 2**30
"""More steps than anybody takes."""

ESCAPED = np.int32(-(2**31))
"""End row of a pixel whose path left the array, so that nothing is known about it."""


@njit(cache=True, nogil=True, boundscheck=False)
def step_from(  # type: ignore[no-untyped-def]
    flow, y, x, dy, dx, low_y, low_x, high_y, high_x, interp
):
    """One Euler step of the path from pixel y, x that has come to y + dy, x + dx; for compiled code.

    Returns:
        rows and columns y0, x0, y1, x1 of the pixels that the flow is sampled at, y0 = -1 where they aren't all in
        the array; the new displacement, float32.
    """
    one = np.float32(1.0)
    floor_y, floor_x = np.floor(dy), np.floor(dx)
    y0, x0 = y + int(floor_y), x + int(floor_x)
    y1, x1 = (min(y0 + 1, high_y), min(x0 + 1, high_x)) if interp else (y0, x0)
    if y0 < 0 or x0 < 0 or y1 >= flow.shape[0] or x1 >= flow.shape[1]:
        return -1, x0, y1, x1, dy, dx
    ty, tx = (dy - floor_y, dx - floor_x) if interp else (np.float32(0.0), np.float32(0.0))
    a, b = (one - ty) * (one - tx), (one - ty) * tx
    c, d = ty * (one - tx), ty * tx
    # Unsigned, so that no index is looked at for being negative.
    v0, u0, v1, u1 = np.uint64(y0), np.uint64(x0), np.uint64(y1), np.uint64(x1)
    step_y = flow[v0, u0, 0] * a + flow[v0, u1, 0] * b + flow[v1, u0, 0] * c + flow[v1, u1, 0] * d
    step_x = flow[v0, u0, 1] * a + flow[v0, u1, 1] * b + flow[v1, u0, 1] * c + flow[v1, u1, 1] * d
    new_y = min(np.float32(high_y - y), max(np.float32(low_y - y), dy + step_y))
    new_x = min(np.float32(high_x - x), max(np.float32(low_x - x), dx + step_x))
    return y0, x0, y1, x1, new_y, new_x


@njit(cache=True, nogil=True, boundscheck=False)
def path(  # type: ignore[no-untyped-def]
    flow, logit, threshold, y, x, niter, low_y, low_x, high_y, high_x, interp
):
    """Follow the flow from one pixel; for compiled code.

    Args:
        flow: (H, W, 2) float32, step in y and x per iteration (Cellpose's flow / 5), 0 outside the foreground.
        logit: (H, W) float32 to note what the path depends on, or None.
        threshold: float32, what the flow's foreground lies above in `logit`.
        y: row to begin in.
        x: column.
        niter: Euler steps.
        low_y: first row of the slide in this array's coordinates. Paths are held at the slide's edges, as
            Cellpose holds them at the image's; where the array ends earlier, a path that leaves it is ESCAPED.
        low_x: first column.
        high_y: last row.
        high_x: last column.
        interp: step by the flow between four pixels; else by that of the pixel one stands in.

    Returns:
        end row and column (or ESCAPED); the highest logit of the background and the lowest of the foreground that
        the flow was sampled at; `settled` and `every`, such that with a number of steps that is larger than
        `settled` by a multiple of `every`, or the same, the path ends there as well.
    """
    height, width = flow.shape[0], flow.shape[1]
    dy = dx = np.float32(0.0)
    before_y = before_x = np.float32(np.inf)
    above = below = np.float32(0.0)
    if logit is not None:
        above, below = np.float32(-np.inf), logit[y, x]
    settled, every = niter, NEVER
    for step in range(niter):
        y0, x0, y1, x1, new_y, new_x = step_from(flow, y, x, dy, dx, low_y, low_x, high_y, high_x, interp)
        if y0 < 0:
            return ESCAPED, ESCAPED, above, below, step + 1, 1
        if logit is not None:
            for v, u in ((y0, x0), (y0, x1), (y1, x0), (y1, x1)):
                here = logit[v, u]
                if here > threshold:
                    below = min(below, here)
                else:
                    above = max(above, here)
        if new_y == dy and new_x == dx:
            settled, every = step + 1, 1
            break
        if new_y == before_y and new_x == before_x:
            # Back and forth between two points for ever: where it stands at the end is a matter of parity.
            odd = (niter - 1 - step) % 2
            same = np.floor(new_y) == np.floor(dy) and np.floor(new_x) == np.floor(dx)
            settled, every = step + 1 + odd, 1 if same else 2
            if not odd:
                dy, dx = new_y, new_x
            break
        before_y, before_x = dy, dx
        dy, dx = new_y, new_x
    end_y, end_x = y + int(np.floor(dy)), x + int(np.floor(dx))
    if end_y < 0 or end_x < 0 or end_y >= height or end_x >= width:
        return ESCAPED, ESCAPED, above, below, settled, every
    return np.int32(end_y), np.int32(end_x), above, below, settled, every


@njit(cache=True, nogil=True)
def _blank(shape, room):  # type: ignore[no-untyped-def]
    if room is None:
        return np.zeros(shape, np.int32)
    room[:] = 0
    return room


@njit(cache=True, nogil=True)
def histogram(
    shape: tuple[int, int], end_y: NDArray[np.int32], end_x: NDArray[np.int32], room: NDArray[np.int32] | None = None
) -> NDArray[np.int32]:
    """How many paths end in each pixel; (H, W) int32, in `room` where there is some."""
    counts: NDArray[np.int32] = _blank(shape, room)
    for n in range(end_y.size):
        if end_y[n] != ESCAPED:
            counts[end_y[n], end_x[n]] += 1
    return counts


@njit(cache=True, nogil=True)
def find_sinks(counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Maxima of their 5 x 5 neighbourhood with more than SINK_MIN end points.

    Returns:
        (S, 3) int32: end points, row, column, sorted by all three, so that the strongest comes last.
    """
    height, width = counts.shape
    found = []
    # Nearly all are small: a flat loop is through with them in a third of the time.
    flat = counts.ravel()
    for n in range(flat.size):
        here = flat[n]
        if here <= SINK_MIN:
            continue
        y, x = n // width, n % width
        highest = True
        for v in range(max(0, y - 2), min(height, y + 3)):
            for u in range(max(0, x - 2), min(width, x + 3)):
                if counts[v, u] > here:
                    highest = False
        if highest:
            found.append((here, y, x))
    found.sort()
    sinks = np.empty((len(found), 3), np.int32)
    for k in range(len(found)):
        sinks[k, 0], sinks[k, 1], sinks[k, 2] = found[k]
    return sinks


@njit(cache=True, nogil=True)
def grow_sinks(
    counts: NDArray[np.int32], sinks: NDArray[np.int32], room: NDArray[np.int32] | None = None
) -> NDArray[np.int32]:
    """Each sink with the bins it grows over; where two meet, the later (stronger) has it.

    Returns:
        (H, W) int32: 1 + index of the sink, or 0; in `room` where there is some.
    """
    height, width = counts.shape
    owner: NDArray[np.int32] = _blank(counts.shape, room)
    side = 2 * GROW_STEPS + 1
    reached = np.zeros((side, side), np.bool_)
    edge_y = np.empty(side * side, np.int32)
    edge_x = np.empty(side * side, np.int32)
    for k in range(sinks.shape[0]):
        sink_y, sink_x = sinks[k, 1], sinks[k, 2]
        reached[:] = False
        reached[GROW_STEPS, GROW_STEPS] = True
        edge_y[0], edge_x[0] = sink_y, sink_x
        owner[sink_y, sink_x] = k + 1
        first, last = 0, 1
        for _ in range(GROW_STEPS):
            stop = last
            for n in range(first, stop):
                for v in range(max(0, edge_y[n] - 1), min(height, edge_y[n] + 2)):
                    for u in range(max(0, edge_x[n] - 1), min(width, edge_x[n] + 2)):
                        at_y, at_x = v - sink_y + GROW_STEPS, u - sink_x + GROW_STEPS
                        if counts[v, u] > GROW_MIN and not reached[at_y, at_x]:
                            reached[at_y, at_x] = True
                            owner[v, u] = k + 1
                            edge_y[last], edge_x[last] = v, u
                            last += 1
            first = stop
    return owner


@njit(cache=True, nogil=True)
def label_pixels(
    shape: tuple[int, int],
    start: NDArray[np.int32],
    end_y: NDArray[np.int32],
    end_x: NDArray[np.int32],
    owner: NDArray[np.int32],
    room: NDArray[np.int32] | None = None,
) -> NDArray[np.int32]:
    """Give every pixel the sink it ends in; (H, W) int32, 0 = none; in `room` where there is some."""
    labels: NDArray[np.int32] = _blank(shape, room)
    flat = labels.ravel()
    for n in range(start.size):
        if end_y[n] != ESCAPED:
            flat[start[n]] = owner[end_y[n], end_x[n]]
    return labels
