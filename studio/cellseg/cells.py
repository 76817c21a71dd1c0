"""Cells as wholes: their extent, the agreement of their shape with the flows, their holes.

Every function looks at one cell's own box (and, for holes, at the cells inside
it), so what it says doesn't depend on where the array was cut, as long as the
cells are whole in it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

AREA, TOP, LEFT, BOTTOM, RIGHT, FIRST_X, RADIUS = range(7)
"""Columns of `measure`."""
LOGIT_UNITS = np.float32(4096.0)
LOGIT_MAX = np.float32(100.0)
"""Cell probabilities are added up as integers, so that a cell's sum doesn't depend on how it was cut."""


@njit(cache=True, nogil=True)
def measure(labels: NDArray[np.int32], sinks: NDArray[np.int32]) -> NDArray[np.int32]:
    """Extent of each cell.

    Args:
        labels: (H, W) int32, 1 + index of the sink.
        sinks: (S, 3) int32 of `find_sinks`.

    Returns:
        (S, 7) int32: area, box (top, left, bottom, right; half-open), column of the first pixel in raster
        order (its row is `top`), largest Chebyshev distance of a pixel from the sink.
    """
    height, width = labels.shape
    table = np.zeros((sinks.shape[0], 7), np.int32)
    for y in range(height):
        for x in range(width):
            k = labels[y, x] - 1
            if k < 0:
                continue
            row = table[k]
            if row[AREA] == 0:
                row[TOP], row[LEFT], row[BOTTOM], row[RIGHT], row[FIRST_X] = y, x, y + 1, x + 1, x
            row[AREA] += 1
            row[LEFT] = min(row[LEFT], x)
            row[BOTTOM] = y + 1
            row[RIGHT] = max(row[RIGHT], x + 1)
            away = max(abs(y - sinks[k, 1]), abs(x - sinks[k, 2]))
            row[RADIUS] = max(row[RADIUS], away)
    return table


@njit(cache=True, nogil=True)
def flow_error(labels: NDArray[np.int32], flow: NDArray[np.float32], k: int, box: NDArray[np.int32]) -> float:
    """Mean squared difference between a cell's flow and the one its shape would have.

    Heat flows from the pixel nearest the cell's mean for 2 * (box height + box width) Jacobi steps, as
    Cellpose's `masks_to_flows_cpu` has it (its box has a rim of one pixel); the normalised gradient is
    compared with the network's flow / 5.

    Args:
        labels: (H, W) int32.
        flow: (H, W, 2) float32, the network's flow / 5.
        k: the cell's label.
        box: its row of `measure`.
    """
    top, left = box[TOP] - 1, box[LEFT] - 1
    rows, cols = box[BOTTOM] + 1 - top, box[RIGHT] + 1 - left
    # Flat, rows after one another: loops over all of a box at once are long enough to be done many pixels at a time.
    ninth = np.zeros(rows * cols)
    sum_y = sum_x = 0
    for v in range(1, rows - 1):
        for u in range(1, cols - 1):
            if labels[top + v, left + u] == k:
                ninth[v * cols + u] = 1.0 / 9.0
                sum_y += v
                sum_x += u
    mean_y, mean_x = sum_y / box[AREA], sum_x / box[AREA]
    center_y = center_x = 0
    nearest = np.inf
    for v in range(1, rows - 1):
        for u in range(1, cols - 1):
            if ninth[v * cols + u] > 0:
                away = (u - mean_x) ** 2 + (v - mean_y) ** 2
                if away < nearest:
                    nearest, center_y, center_x = away, v, u
    heat = np.zeros(rows * cols)
    other = np.zeros(rows * cols)
    column = np.zeros(rows * cols)
    for step in range(2 * (rows + cols)):
        heat[center_y * cols + center_x] += 1.0
        # Rows further off are cold still.
        first, stop = max(1, center_y - step - 1), min(rows - 1, center_y + step + 2)
        _spread(heat, ninth, column, other, first * cols, stop * cols, cols)
        heat, other = other, heat
    total = 0.0
    for v in range(1, rows - 1):
        for u in range(1, cols - 1):
            n = v * cols + u
            if ninth[n] > 0:
                dy = heat[n + cols] - heat[n - cols]
                dx = heat[n + 1] - heat[n - 1]
                norm = 1e-60 + np.sqrt(dy * dy + dx * dx)
                off_y = dy / norm - flow[top + v, left + u, 0]
                off_x = dx / norm - flow[top + v, left + u, 1]
                total += off_y * off_y + off_x * off_x
    return float(total / box[AREA])


@njit(cache=True, nogil=True)
def _spread(heat, ninth, column, other, first, stop, cols):  # type: ignore[no-untyped-def]
    """One Jacobi step of flat `heat` into `other`, from index `first` to `stop`; `ninth` is 1/9 in the cell, else 0."""
    above, here, below = heat[first - cols : stop - cols], heat[first:stop], heat[first + cols : stop + cols]
    sums = column[first:stop]
    for n in range(sums.size):
        sums[n] = above[n] + here[n] + below[n]
    # What wraps around from one row to the next falls on the rim, which is none of the cell's.
    share, out = ninth[first + 1 : stop - 1], other[first + 1 : stop - 1]
    for n in range(out.size):
        out[n] = share[n] * (sums[n] + sums[n + 1] + sums[n + 2])


@njit(cache=True, nogil=True)
def flow_errors(
    labels: NDArray[np.int32], flow: NDArray[np.float32], table: NDArray[np.int32], wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """`flow_error` of each wanted cell (0 for the others); (S,) float64."""
    errors = np.zeros(table.shape[0])
    for k in range(table.shape[0]):
        if wanted[k]:
            errors[k] = flow_error(labels, flow, k + 1, table[k])
    return errors


@njit(cache=True, nogil=True)
def have_holes(labels: NDArray[np.int32], table: NDArray[np.int32], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each wanted cell closes something in, other cells or background (False for the others); (S,)."""
    holes = np.zeros(table.shape[0], np.bool_)
    for k in range(table.shape[0]):
        if wanted[k]:
            box = table[k]
            holes[k] = box[AREA] + _outside(labels, k + 1, box).sum() < (
                (box[BOTTOM] + 2 - box[TOP]) * (box[RIGHT] + 2 - box[LEFT])
            )
    return holes


@njit(cache=True, nogil=True)
def drop_cells(labels: NDArray[np.int32], keep: NDArray[np.bool_]) -> None:
    """Make background, in place, of the pixels of cells that aren't kept."""
    flat = labels.ravel()
    for n in range(flat.size):
        if flat[n] > 0 and not keep[flat[n] - 1]:
            flat[n] = 0


@njit(cache=True, nogil=True)
def fill_holes(
    labels: NDArray[np.int32],
    table: NDArray[np.int32],
    order: NDArray[np.int64],
    room: NDArray[np.int32] | None = None,
) -> NDArray[np.int32]:
    """Fill the cells' holes: background in them, and other cells that lie wholly inside one.

    Cellpose fills one cell after the other, each over the changes of the one before, which lets a change
    travel from cell to cell without bound. Here all look at the labels as they came; a pixel in the holes
    of several goes to the first in `order`. Outermost cells come first in raster order, so the outcome is
    the same, and it is local: it depends on cells around the pixel only.

    Args:
        labels: (H, W) int32, left as it is.
        table: (S, 7) of `measure`.
        order: indices of the cells to fill, sorted by first pixel.
        room: (H, W) int32 to have the filled labels in; None: in a new array.

    Returns:
        (H, W) int32, the filled labels.
    """
    filled = np.empty_like(labels) if room is None else room
    filled[:] = labels
    taken = np.zeros(labels.shape, np.bool_)
    held = np.zeros(table.shape[0] + 1, np.int32)
    for k in order:
        box = table[k]
        open_ = _outside(labels, k + 1, box)
        rows, cols = open_.shape
        holes = 0
        for v in range(1, rows - 1):
            for u in range(1, cols - 1):
                if not open_[v, u]:
                    label = labels[box[TOP] + v - 1, box[LEFT] + u - 1]
                    held[label] += 1
                    holes += label != k + 1
        for v in range(1, rows - 1):
            for u in range(1, cols - 1):
                y, x = box[TOP] + v - 1, box[LEFT] + u - 1
                label = labels[y, x]
                if holes and not open_[v, u] and label != k + 1 and not taken[y, x]:
                    whole = label == 0 or held[label] == table[label - 1, AREA]
                    if whole:
                        filled[y, x] = k + 1
                        taken[y, x] = True
        for v in range(1, rows - 1):
            for u in range(1, cols - 1):
                held[labels[box[TOP] + v - 1, box[LEFT] + u - 1]] = 0
    return filled


@njit(cache=True, nogil=True)
def _outside(labels, k, box):  # type: ignore[no-untyped-def]
    """What is 4-connected to the outside of a cell's box (with a rim of one pixel) without crossing the cell."""
    top, left = box[TOP] - 1, box[LEFT] - 1
    rows, cols = box[BOTTOM] + 1 - top, box[RIGHT] + 1 - left
    open_ = np.zeros((rows, cols), np.bool_)
    stack = np.empty(rows * cols, np.int64)
    open_[0, :] = open_[rows - 1, :] = True
    open_[:, 0] = open_[:, cols - 1] = True
    depth = 0
    for v in range(rows):
        for u in range(cols):
            if open_[v, u]:
                stack[depth] = v * cols + u
                depth += 1
    while depth:
        depth -= 1
        v, u = stack[depth] // cols, stack[depth] % cols
        for dv, du in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            a, b = v + dv, u + du
            if 0 < a < rows - 1 and 0 < b < cols - 1 and not open_[a, b] and labels[top + a, left + b] != k:
                open_[a, b] = True
                stack[depth] = a * cols + b
                depth += 1
    return open_


@njit(cache=True, nogil=True)
def partial_sums(
    labels: NDArray[np.int32], logit: NDArray[np.float32], top: int, left: int, cells: int
) -> NDArray[np.int64]:
    """What each cell has in this piece of the slide: integers that add up exactly over the pieces.

    Args:
        labels: (h, w) int32, the piece.
        logit: (h, w) float32, cell probability logits.
        top: its first row in working pixels of the slide.
        left: its first column.
        cells: how many labels there are.

    Returns:
        (cells, 8) int64: area, box (top, left, bottom, right; half-open), sum of rows, of columns, and of
        logits in units of 1 / LOGIT_UNITS.
    """
    sums = np.zeros((cells, 8), np.int64)
    for v in range(labels.shape[0]):
        for u in range(labels.shape[1]):
            k = labels[v, u] - 1
            if k < 0:
                continue
            y, x = top + v, left + u
            row = sums[k]
            if row[0] == 0:
                row[1], row[2], row[3], row[4] = y, x, y + 1, x + 1
            row[0] += 1
            row[2] = min(row[2], x)
            row[3] = y + 1
            row[4] = max(row[4], x + 1)
            row[5] += y
            row[6] += x
            row[7] += np.int64(np.rint(min(LOGIT_MAX, max(-LOGIT_MAX, logit[v, u])) * LOGIT_UNITS))
    return sums
