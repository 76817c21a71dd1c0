"""How near each pixel is to its cell's border, compiled; releases the GIL.

The window draws outlines from it (`studio/render/labeltiles.py`). It is here
so that the worker process can compile it, while nobody waits for a frame.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_STEP, _SLANT, _KNIGHT = 65536, 91750, 143976
"""16.16 weights of a step along a side (1), across a corner (1.4), and of a knight's move (2.1969).

Those of OpenCV's distance transform with 5 x 5 pixels, which the tests compare this with.
"""

_FAR = 1 << 28

_room = threading.local()


def packed(window: NDArray[np.uint32], rim: int, most_steps: int) -> NDArray[np.uint32]:
    """Labels (h + 2 rim, w + 2 rim) with a byte above their low 24 bits that tells where the border is, (h, w).

    The byte has a bit for each neighbour that differs: N, E, S, W, NE, SE, SW,
    NW, those of corners only where neither side beside them does. Where none
    differs it has N and NE, and in the other bits how far the border is, in
    quarters of a pixel from 1.5, up to `most_steps` (60, or less). Background is 0.
    """
    # Another layout would be compiled anew.
    window = np.require(window, np.uint32, ["C", "W"])
    rows, cols = window.shape
    out = np.empty((rows - 2 * rim, cols - 2 * rim), np.uint32)
    _pack(window, rim, most_steps, *_scratch(rows, cols), out)
    return out


def _scratch(rows: int, cols: int) -> tuple[NDArray[Any], ...]:
    """Flags, distances with a pixel more on each side, two lines of distances and one of bytes.

    A thread keeps its memory: getting new one would cost as much as all that is done in it.
    """
    sizes = (rows * cols, (rows + 2) * (cols + 2), 2 * (cols - 2), cols)
    room = getattr(_room, "arrays", None)
    if room is None or any(len(array) < size for array, size in zip(room, sizes, strict=True)):
        types = (np.uint8, np.int32, np.int32, np.uint8)
        room = _room.arrays = [np.empty(size, kind) for size, kind in zip(sizes, types, strict=True)]
    flags, away, lines, codes = (array[:size] for array, size in zip(room, sizes, strict=True))
    away = away.reshape(rows + 2, cols + 2)
    away[:2] = away[-2:] = away[:, :2] = away[:, -2:] = _FAR
    return flags.reshape(rows, cols), away, lines.reshape(2, cols - 2), codes


@njit(cache=True, nogil=True)
def _pack(window, rim, most_steps, flags, away, lines, codes, out):  # type: ignore[no-untyped-def]
    _flag(window, flags)
    rows, cols = window.shape
    for y in range(1, rows - 1):
        line = lines[0]
        _from_rows(away[y], away[y - 1], line)
        _keep_inner(window[y], flags[y], line)
        _rightwards(lines, away[y + 1, 2:cols])
    for y in range(rows - 2, rim - 1, -1):
        here = away[y + 1]
        _from_rows(away[y + 2], away[y + 3], lines[0])
        _least(here, lines[0])
        _leftwards(lines, here[2:cols])
        if y < rim + out.shape[0]:
            _code(flags[y], here, rim, most_steps, codes)
            _write(window[y], rim, codes, out[y - rim])


@njit(cache=True, nogil=True)
def _flag(window, flags):  # type: ignore[no-untyped-def]
    """Bits of the neighbours that differ; those of corners only where neither side beside them does."""
    for y in range(1, window.shape[0] - 1):
        up, here, down, line = window[y - 1], window[y], window[y + 1], flags[y]
        for x in range(1, window.shape[1] - 1):
            own = here[x]
            n, e = np.uint8(own != up[x]), np.uint8(own != here[x + 1])
            s, w = np.uint8(own != down[x]), np.uint8(own != here[x - 1])
            ne, se = np.uint8(own != up[x + 1]), np.uint8(own != down[x + 1])
            sw, nw = np.uint8(own != down[x - 1]), np.uint8(own != up[x - 1])
            sides = n | e << 1 | s << 2 | w << 3
            line[x] = sides | (ne & ~(n | e)) << 4 | (se & ~(s | e)) << 5 | (sw & ~(s | w)) << 6 | (nw & ~(n | w)) << 7


@njit(cache=True, nogil=True)
def _from_rows(near, far, line):  # type: ignore[no-untyped-def]
    """Distances by way of the two rows above, or below. Loops are apart where that lets them take many at once."""
    for x in range(1, line.shape[0] + 1):
        straight = near[x + 1] + np.int32(_STEP)
        slanted = min(near[x], near[x + 2]) + np.int32(_SLANT)
        knight = min(min(near[x - 1], near[x + 3]), min(far[x], far[x + 2])) + np.int32(_KNIGHT)
        line[x - 1] = min(min(straight, slanted), knight)


@njit(cache=True, nogil=True)
def _keep_inner(labels, flags, line):  # type: ignore[no-untyped-def]
    """Texels at a border are where distances begin. So are those without a cell: none lies nearer than a border."""
    for x in range(line.shape[0]):
        line[x] = line[x] if flags[x + 1] == 0 else 0
    for x in range(line.shape[0]):
        line[x] = line[x] if labels[x + 1] != 0 else 0


@njit(cache=True, nogil=True)
def _least(here, line):  # type: ignore[no-untyped-def]
    for x in range(line.shape[0]):
        line[x] = min(here[x + 2], line[x])


@njit(cache=True, nogil=True)
def _rightwards(lines, out):  # type: ignore[no-untyped-def]
    """Steps along the row: of 1, 2, 4 and 8 pixels, which make any number up to 15."""
    one, other = lines[0], lines[1]
    _shifted(one, other, 1)
    _shifted(other, one, 2)
    _shifted(one, other, 4)
    _shifted(other, out, 8)


@njit(cache=True, nogil=True)
def _shifted(line, out, by):  # type: ignore[no-untyped-def]
    size = line.shape[0]
    weight = np.int32(_STEP * by)
    if size > by:
        left, right, rest = line[: size - by], line[by:], out[by:]
        for x in range(size - by):
            rest[x] = min(right[x], left[x] + weight)
    for x in range(min(by, size)):
        out[x] = line[x]


@njit(cache=True, nogil=True)
def _leftwards(lines, out):  # type: ignore[no-untyped-def]
    one, other = lines[0], lines[1]
    _shifted_back(one, other, 1)
    _shifted_back(other, one, 2)
    _shifted_back(one, other, 4)
    _shifted_back(other, out, 8)


@njit(cache=True, nogil=True)
def _shifted_back(line, out, by):  # type: ignore[no-untyped-def]
    size = line.shape[0]
    weight = np.int32(_STEP * by)
    if size > by:
        left, right = line[: size - by], line[by:]
        for x in range(size - by):
            out[x] = min(left[x], right[x] + weight)
    for x in range(max(0, size - by), size):
        out[x] = line[x]


@njit(cache=True, nogil=True)
def _code(flags, away, rim, most_steps, codes):  # type: ignore[no-untyped-def]
    """The byte of each texel of a row: its flags, or where it has none, N and NE and the steps in the other bits."""
    line, flags = away[rim + 1 :], flags[rim:]
    for x in range(flags.shape[0]):
        # To the nearest quarter, halves to the even one.
        steps = ((line[x] + 8191 + ((line[x] >> 14) & 1)) >> 14) - 4
        steps = min(steps, most_steps)
        codes[x] = flags[x] if flags[x] != 0 else 17 | (steps & 7) << 1 | (steps >> 3) << 5


@njit(cache=True, nogil=True)
def _write(labels, rim, codes, out):  # type: ignore[no-untyped-def]
    labels = labels[rim:]
    for x in range(out.shape[0]):
        low = labels[x] & np.uint32(0xFFFFFF)
        # An id whose low bits are all 0 would look like background.
        low = low | np.uint32(low == 0)
        texel = low | (np.uint32(codes[x]) << np.uint32(24))
        out[x] = texel if labels[x] != 0 else np.uint32(0)
