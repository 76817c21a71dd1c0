"""Contours of cells: closed rings along pixel edges, exact and never touching themselves.

A ring goes round one 4-connected part of a cell (or round a hole in it) with
the cell on its right, as seen with y pointing down; by the shoelace formula
its area is positive round the outside and negative round a hole. Where two
pixels of a cell meet at a corner only, the corner is cut by a quarter of a
pixel, so that a ring never runs through one point twice: GeoJSON readers
(JTS in QuPath, GEOS in shapely) call that invalid.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

UNIT = 4
"""Coordinates are whole quarters of a mask pixel; pixel (r, c) spans UNIT * c to UNIT * (c + 1) in x."""


@njit(cache=True, nogil=True)
def trace_window(  # type: ignore[no-untyped-def]
    labels, top, left, ids
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """All rings of some cells, in one pass over a window; the time doesn't depend on how the cells lie.

    Args:
        labels: (h, w) uint32, a window that holds the cells whole.
        top: first row of the window in the mask.
        left: its first column.
        ids: (n,) uint32, ascending: the cells to trace.

    Returns:
        points (P, 2) int32 of x, y in units of 1 / UNIT mask pixel; first point of each ring, and one past
        the last (R + 1,); for each ring the index in `ids` of its cell, and the outer ring round it, itself
        if it is one (R, 2); signed areas in mask pixels (R,). Rings aren't closed: the first point isn't
        repeated. They come in the order in which their cells' pixels below an edge do, outer ones before
        the holes in them.
    """
    height, width = labels.shape
    # The ring along the upper edge of each pixel, 0 while it hasn't been passed; every ring has such an edge.
    above = np.zeros((height, width), np.int32)
    points = np.empty((4096, 2), np.int32)
    starts = np.empty(1024, np.int64)
    owners = np.empty((1024, 2), np.int64)
    areas = np.empty(1024, np.float64)
    count = rings = 0
    last = np.uint32(0)
    owner = -1
    for v in range(height):
        for u in range(width):
            label = labels[v, u]
            if label == 0 or above[v, u] != 0 or (v > 0 and labels[v - 1, u] == label):
                continue
            if label != last:
                last = label
                owner = _index(ids, label)
            if owner < 0:
                continue
            if rings + 1 >= starts.size:
                starts, owners, areas = _grown(starts), _grown_pairs(owners), _grown(areas)
            starts[rings] = count
            points, count, area, y, x = _ring(labels, above, rings + 1, v, u, top, left, points, count)
            owners[rings, 0], owners[rings, 1] = owner, rings
            areas[rings] = area
            if area < 0:
                # Straight up from the hole's highest side the same part of the cell goes on to an edge that has
                # been passed: the outside, or another hole of that part.
                while above[y, x] == 0:
                    y -= 1
                owners[rings, 1] = owners[above[y, x] - 1, 1]
            rings += 1
    starts[rings] = count
    return points[:count].copy(), starts[: rings + 1].copy(), owners[:rings].copy(), areas[:rings].copy()


@njit(cache=True, nogil=True)
def _index(ids, label):  # type: ignore[no-untyped-def]
    """Index of a number in an ascending list, or -1."""
    low, high = 0, ids.size
    while low < high:
        middle = (low + high) // 2
        if ids[middle] < label:
            low = middle + 1
        else:
            high = middle
    return low if low < ids.size and ids[low] == label else -1


@njit(cache=True, nogil=True)
def _grown(values):  # type: ignore[no-untyped-def]
    larger = np.empty(2 * values.size, values.dtype)
    larger[: values.size] = values
    return larger


@njit(cache=True, nogil=True)
def _grown_pairs(values):  # type: ignore[no-untyped-def]
    larger = np.empty((2 * values.shape[0], 2), values.dtype)
    larger[: values.shape[0]] = values
    return larger


@njit(cache=True, nogil=True)
def _ring(labels, above, number, v, u, top, left, points, count):  # type: ignore[no-untyped-def]
    """One ring, begun along the upper edge of pixel (v, u).

    Returns the points and how many they are now, the ring's signed area, and the pixel above its highest lower edge.
    """
    label = labels[v, u]
    y, x = v, u
    direction = 0  # 0 right, 1 down, 2 left, 3 up
    first = count
    doubled = 0
    high_y, high_x = labels.shape[0], 0
    while True:
        if direction == 0:
            if above[y, x] == number:
                break
            above[y, x] = number
            x += 1
        elif direction == 1:
            y += 1
        elif direction == 2:
            x -= 1
            if y - 1 < high_y:
                high_y, high_x = y - 1, x
        else:
            y -= 1
        right_y, right_x, left_y, left_x = _ahead(y, x, direction)
        on_right = _is(labels, label, right_y, right_x)
        on_left = _is(labels, label, left_y, left_x)
        if on_right and not on_left:
            continue
        if count + 2 > points.shape[0]:
            points = _grown_pairs(points)
        px, py = UNIT * (left + x), UNIT * (top + y)
        new = (direction + (3 if on_right else 1)) % 4
        if on_left and not on_right:
            # Two pixels that meet at this corner only: cut it.
            points[count, 0], points[count, 1] = px - _dx(direction), py - _dy(direction)
            points[count + 1, 0], points[count + 1, 1] = px + _dx(new), py + _dy(new)
            count += 2
        else:
            points[count, 0], points[count, 1] = px, py
            count += 1
        direction = new
    # The corner it began at came last.
    _rotate(points, first, count)
    origin_x, origin_y = np.int64(points[first, 0]), np.int64(points[first, 1])
    for n in range(first, count - 1):
        doubled += (points[n, 0] - origin_x) * (points[n + 1, 1] - origin_y)
        doubled -= (points[n + 1, 0] - origin_x) * (points[n, 1] - origin_y)
    return points, count, doubled / (2.0 * UNIT * UNIT), high_y, high_x


@njit(cache=True, nogil=True)
def _rotate(points, first, stop):  # type: ignore[no-untyped-def]
    last_x, last_y = points[stop - 1, 0], points[stop - 1, 1]
    for n in range(stop - 1, first, -1):
        points[n, 0], points[n, 1] = points[n - 1, 0], points[n - 1, 1]
    points[first, 0], points[first, 1] = last_x, last_y


@njit(cache=True, nogil=True, inline="always")
def _is(labels, label, y, x):  # type: ignore[no-untyped-def]
    return 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1] and labels[y, x] == label


@njit(cache=True, nogil=True, inline="always")
def _ahead(y, x, direction):  # type: ignore[no-untyped-def]
    """Pixels ahead on the right and on the left of a corner (y, x)."""
    if direction == 0:
        return y, x, y - 1, x
    if direction == 1:
        return y, x - 1, y, x
    if direction == 2:
        return y - 1, x - 1, y, x - 1
    return y - 1, x, y - 1, x - 1


@njit(cache=True, nogil=True, inline="always")
def _dx(direction):  # type: ignore[no-untyped-def]
    return (1, 0, -1, 0)[direction]


@njit(cache=True, nogil=True, inline="always")
def _dy(direction):  # type: ignore[no-untyped-def]
    return (0, 1, 0, -1)[direction]
