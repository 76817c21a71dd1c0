"""All paths of a piece side by side, to the same ends as `dynamics.path`, in half the time.

A step waits for the one before it, and memory for both. So some hundreds of paths are under way at once, each in a lane
of its own, and a step of all of them is a few loops that are simple enough for the processor to do many lanes at a
time. The arithmetic is that of `dynamics.step_from`, in its order, so every bit is the same.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg.dynamics import ESCAPED

_LANES = 512
"""With fewer, a loop would read what the one before it has only just written."""

_MARK_EVERY = 32
"""Steps after which the paths' places are noted, to see which come back there: those go round in circles."""


@njit(cache=True, nogil=True, boundscheck=False)
def follow(
    flow: NDArray[np.float32],
    inside: NDArray[np.bool_],
    niter: int,
    low_y: int,
    low_x: int,
    high_y: int,
    high_x: int,
    interp: bool = True,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Follow the flow from every foreground pixel.

    Args:
        flow: (H, W, 2) float32, step in y and x per iteration (Cellpose's flow / 5), 0 outside the foreground.
        inside: (H, W), the foreground.
        niter: Euler steps.
        low_y: first row of the slide in this array's coordinates. Paths are held at the slide's edges, as
            Cellpose holds them at the image's; where the array ends earlier, a path that leaves it is ESCAPED.
        low_x: first column.
        high_y: last row.
        high_x: last column.
        interp: step by the flow between four pixels; else by that of the pixel one stands in.

    Returns:
        start (flat index of each foreground pixel, in raster order), end row and end column.
    """
    height, width = inside.shape
    pairs = np.ascontiguousarray(flow).reshape(height * width * 2).view(np.int64)
    start = _indices(np.ascontiguousarray(inside))
    end_y, end_x = np.full(start.size, ESCAPED, np.int32), np.full(start.size, ESCAPED, np.int32)
    y, x = np.zeros(_LANES, np.int32), np.zeros(_LANES, np.int32)
    now_y, now_x = np.zeros(_LANES, np.float32), np.zeros(_LANES, np.float32)
    before_y, before_x = np.zeros(_LANES, np.float32), np.zeros(_LANES, np.float32)
    mark_y, mark_x = np.zeros(_LANES, np.float32), np.zeros(_LANES, np.float32)
    least_y, least_x = np.zeros(_LANES, np.float32), np.zeros(_LANES, np.float32)
    most_y, most_x = np.zeros(_LANES, np.float32), np.zeros(_LANES, np.float32)
    # Between the loops of a step: shares of the lower and right pixels, which become the new place.
    new_y, new_x = np.zeros(_LANES, np.float32), np.zeros(_LANES, np.float32)
    pixel, right, down = np.zeros(_LANES, np.int32), np.zeros(_LANES, np.int32), np.zeros(_LANES, np.int32)
    corners = np.zeros((4, _LANES), np.int64)
    walker, until = np.full(_LANES, -1, np.int64), np.zeros(_LANES, np.int32)
    halt, halted = np.ones(_LANES, np.uint8), np.zeros(_LANES, np.int64)
    last_y, last_x = (high_y, high_x) if interp else (-1, -1)
    begun, under_way = 0, start.size
    row, next_row = 0, width
    turn = marked = 0
    while under_way > 0:
        for n in range(_which(halt, halted)):
            k = halted[n]
            if walker[k] >= 0:
                left = until[k] - turn
                if pixel[k] >= 0 and left > 0:
                    # It goes round in a circle for ever: what is left is to see where in the circle it ends.
                    if now_y[k] == before_y[k] and now_x[k] == before_x[k]:
                        left = 0
                    elif now_y[k] == mark_y[k] and now_x[k] == mark_x[k]:
                        left %= turn - marked
                    else:
                        left %= 2
                    until[k] = turn + left
                    if left > 0:
                        continue
                if pixel[k] >= 0:
                    v, u = y[k] + np.int32(np.floor(now_y[k])), x[k] + np.int32(np.floor(now_x[k]))
                    if 0 <= v < height and 0 <= u < width:
                        end_y[walker[k]], end_x[walker[k]] = v, u
                walker[k] = -1
                under_way -= 1
            if begun < start.size:
                while start[begun] >= next_row:
                    row += 1
                    next_row += width
                col = start[begun] - next_row + width
                walker[k], y[k], x[k] = begun, row, col
                least_y[k], least_x[k] = low_y - row, low_x - col
                most_y[k], most_x[k] = high_y - row, high_x - col
                now_y[k] = now_x[k] = np.float32(0.0)
                before_y[k] = before_x[k] = mark_y[k] = mark_x[k] = np.float32(np.inf)
                until[k] = turn + niter
                begun += 1
        if turn % _MARK_EVERY == 0:
            mark_y[:], mark_x[:] = now_y, now_x
            marked = turn
        turn += 1
        _locate(y, x, now_y, now_x, height, width, last_y, last_x, pixel, right, down, new_y, new_x)
        if not interp:
            new_y[:] = new_x[:] = np.float32(0.0)
        _fetch(pairs, pixel, right, down, corners)
        _step(corners.view(np.float32), now_y, now_x, least_y, least_x, most_y, most_x, new_y, new_x)
        _settle(new_y, new_x, now_y, now_x, before_y, before_x, halt)
        _look_round(now_y, now_x, mark_y, mark_x, pixel, until, turn, halt)
    return start, end_y, end_x


@njit(cache=True, nogil=True, boundscheck=False)
def _indices(inside):  # type: ignore[no-untyped-def]
    """Flat indices of a mask's pixels, int32, in raster order."""
    flat = inside.reshape(inside.size).view(np.uint8)
    count = 0
    for n in range(flat.size):
        count += flat[n]
    # One more, which is written to and not looked at.
    start = np.empty(count + 1, np.int32)
    whole = flat.size // 8 * 8
    eights = flat[:whole].view(np.uint64)
    at = 0
    for eight in range(eights.size):
        # Most are empty.
        if eights[eight] != 0:
            for n in range(8 * eight, 8 * eight + 8):
                start[at] = n
                at += flat[n]
    for n in range(whole, flat.size):
        start[at] = n
        at += flat[n]
    return start[:count]


@njit(cache=True, nogil=True, boundscheck=False)
def _which(halt, halted):  # type: ignore[no-untyped-def]
    """List the lanes that halted; returns how many."""
    eights = halt.view(np.uint64)
    count = 0
    for eight in range(eights.size):
        if eights[eight] != 0:
            for k in range(8 * eight, 8 * eight + 8):
                # Without a branch, which nobody could predict.
                halted[count] = k
                count += halt[k]
    return count


@njit(cache=True, nogil=True, boundscheck=False)
def _locate(  # type: ignore[no-untyped-def]
    y, x, now_y, now_x, height, width, last_y, last_x, pixel, right, down, share_y, share_x
):
    """Where the flow is sampled: flat index of the upper left pixel (-1: not in the array), steps to the others."""
    for k in range(y.size):
        floor_y, floor_x = np.floor(now_y[k]), np.floor(now_x[k])
        share_y[k], share_x[k] = now_y[k] - floor_y, now_x[k] - floor_x
        v, u = np.int32(y[k] + np.int32(floor_y)), np.int32(x[k] + np.int32(floor_x))
        below, beside = np.int32(v < last_y), np.int32(u < last_x)
        lost = np.int32(v < 0) | np.int32(u < 0) | np.int32(v + below >= height) | np.int32(u + beside >= width)
        pixel[k] = np.int32(v * width + u) | -lost
        right[k] = beside & (lost - 1)
        down[k] = np.int32(below * width) & (lost - 1)


@njit(cache=True, nogil=True, boundscheck=False)
def _fetch(pairs, pixel, right, down, corners):  # type: ignore[no-untyped-def]
    """The flow at the four pixels, its y and x as one number."""
    for k in range(pixel.size):
        # Unsigned, so that no index is looked at for being negative.
        a = np.uint64(max(0, pixel[k]))
        b, c = a + np.uint64(right[k]), a + np.uint64(down[k])
        corners[0, k], corners[1, k] = pairs[a], pairs[b]
        corners[2, k], corners[3, k] = pairs[c], pairs[b + np.uint64(down[k])]


@njit(cache=True, nogil=True, boundscheck=False)
def _step(corners, now_y, now_x, least_y, least_x, most_y, most_x, new_y, new_x):  # type: ignore[no-untyped-def]
    """The next displacement, in place of the shares."""
    one = np.float32(1.0)
    for k in range(new_y.size):
        ty, tx = new_y[k], new_x[k]
        a, b = (one - ty) * (one - tx), (one - ty) * tx
        c, d = ty * (one - tx), ty * tx
        i, j = 2 * k, 2 * k + 1
        step_y = corners[0, i] * a + corners[1, i] * b + corners[2, i] * c + corners[3, i] * d
        step_x = corners[0, j] * a + corners[1, j] * b + corners[2, j] * c + corners[3, j] * d
        new_y[k] = min(most_y[k], max(least_y[k], now_y[k] + step_y))
        new_x[k] = min(most_x[k], max(least_x[k], now_x[k] + step_x))


@njit(cache=True, nogil=True, boundscheck=False)
def _settle(new_y, new_x, now_y, now_x, before_y, before_x, halt):  # type: ignore[no-untyped-def]
    """Take the step; `halt` where it leads to where the path is, or was before."""
    for k in range(new_y.size):
        same = (new_y[k] == now_y[k]) & (new_x[k] == now_x[k])
        halt[k] = same | ((new_y[k] == before_y[k]) & (new_x[k] == before_x[k]))
        before_y[k], before_x[k] = now_y[k], now_x[k]
        now_y[k], now_x[k] = new_y[k], new_x[k]


@njit(cache=True, nogil=True, boundscheck=False)
def _look_round(now_y, now_x, mark_y, mark_x, pixel, until, turn, halt):  # type: ignore[no-untyped-def]
    """`halt` also where a path is back at its mark, has left the array, or has taken all its steps."""
    for k in range(now_y.size):
        back = (now_y[k] == mark_y[k]) & (now_x[k] == mark_x[k])
        halt[k] |= back | (pixel[k] < 0) | (until[k] <= turn)
