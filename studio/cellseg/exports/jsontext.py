"""Polygons and measurements as JSON text, made by compiled code: a million cells in seconds."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg.outlines import Rings

DECIMALS = 2
"""Of coordinates in slide pixels."""

_POINT_BYTES = 2 * 15 + 3
_NUMBER_BYTES = 26
_MOST = 1e13
"""Larger coordinates and values aren't written."""


@dataclass(frozen=True)
class Text:
    """What is written around the numbers: before the geometry's type, between geometry and values, at the end."""

    prefix: tuple[bytes, bytes, bytes]
    names: list[str]
    """Of the values."""
    scale: tuple[float, float]
    """Slide pixels to one unit of the rings' x and y."""
    offset: tuple[float, float]


def cells_text(rings: Rings, values: NDArray[np.float64], text: Text) -> bytes:
    """One feature a cell, each with a comma and a line break before it; cells without pixels are left out.

    Args:
        rings: contours of n cells.
        values: (n, columns); those that aren't finite are left out.
        text: what stands around them.
    """
    names = [json.dumps(name, ensure_ascii=False).encode() + b":" for name in text.names]
    keys, key_ends = _joined(names)
    before, before_ends = _joined(list(text.prefix))
    per_cell = len(before) + 64 + len(keys) + len(names) * _NUMBER_BYTES
    size = per_cell * len(rings.rows) + _POINT_BYTES * (len(rings.points) + len(rings.starts)) + 16 * len(rings.starts)
    out = np.empty(size, np.uint8)
    scale, offset = np.array(text.scale), np.array(text.offset)
    end = _features(
        out, rings.points, rings.starts, rings.stops, rings.areas, rings.cell_starts,
        scale, offset, np.ascontiguousarray(values), keys, key_ends, before, before_ends,
    )  # fmt: skip
    return out[:end].tobytes()


def _joined(parts: list[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Several texts one after the other, and where each ends."""
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum([len(part) for part in parts], dtype=np.int64)


@njit(cache=True, nogil=True)
def _features(  # type: ignore[no-untyped-def]
    out, points, starts, stops, areas, cell_starts, scale, offset, values, keys, key_ends, before, before_ends
):
    at = 0
    for n in range(cell_starts.size - 1):
        first, last = cell_starts[n], cell_starts[n + 1]
        if first == last:
            continue
        parts = 0
        for k in range(first, last):
            parts += areas[k] > 0
        at = _put2(out, at, 44, 10)  # comma, line break
        at = _copy(out, at, before, 0, before_ends[0])
        if parts > 1:
            at = _put_ascii(out, at, "MultiPolygon")
        else:
            at = _put_ascii(out, at, "Polygon")
        at = _put_ascii(out, at, '","coordinates":')
        if parts > 1:
            at = _put(out, at, 91)
        for k in range(first, last):
            if areas[k] > 0:
                if k > first:
                    at = _put2(out, at, 93, 44)  # close the polygon before
                at = _put(out, at, 91)
            else:
                at = _put(out, at, 44)
            at = _ring(out, at, points, starts[k], stops[k], scale, offset)
        at = _put(out, at, 93)
        if parts > 1:
            at = _put(out, at, 93)
        at = _copy(out, at, before, before_ends[0], before_ends[1])
        none_yet = True
        for c in range(key_ends.size):
            value = values[n, c]
            if not (-_MOST < value < _MOST):
                continue
            if not none_yet:
                at = _put(out, at, 44)
            none_yet = False
            at = _copy(out, at, keys, key_ends[c - 1] if c else 0, key_ends[c])
            at = _number(out, at, value, 4)
        at = _copy(out, at, before, before_ends[1], before_ends[2])
    return at


@njit(cache=True, nogil=True)
def _ring(out, at, points, start, stop, scale, offset):  # type: ignore[no-untyped-def]
    """A closed ring: the first point once more at the end."""
    at = _put(out, at, 91)
    for m in range(start, stop + 1):
        k = m if m < stop else start
        if m > start:
            at = _put(out, at, 44)
        at = _put(out, at, 91)
        at = _number(out, at, points[k, 0] * scale[0] + offset[0], DECIMALS)
        at = _put(out, at, 44)
        at = _number(out, at, points[k, 1] * scale[1] + offset[1], DECIMALS)
        at = _put(out, at, 93)
    return _put(out, at, 93)


@njit(cache=True, nogil=True)
def _number(out, at, value, decimals):  # type: ignore[no-untyped-def]
    """A number with at most so many decimals, without zeros at its end."""
    power = 1
    for _ in range(decimals):
        power *= 10
    whole = np.int64(np.floor(abs(value) * power + 0.5))
    if value < 0 and whole > 0:
        at = _put(out, at, 45)
    fraction = whole % power
    whole //= power
    digits = 1
    rest = whole // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for d in range(digits - 1, -1, -1):
        out[at + d] = 48 + whole % 10
        whole //= 10
    at += digits
    if fraction > 0:
        while fraction % 10 == 0:
            fraction //= 10
            decimals -= 1
        out[at] = 46
        for d in range(decimals, 0, -1):
            out[at + d] = 48 + fraction % 10
            fraction //= 10
        at += decimals + 1
    return at


@njit(cache=True, nogil=True, inline="always")
def _put(out, at, byte):  # type: ignore[no-untyped-def]
    out[at] = byte
    return at + 1


@njit(cache=True, nogil=True, inline="always")
def _put2(out, at, one, two):  # type: ignore[no-untyped-def]
    out[at] = one
    out[at + 1] = two
    return at + 2


@njit(cache=True, nogil=True)
def _put_ascii(out, at, text):  # type: ignore[no-untyped-def]
    for n in range(len(text)):
        out[at + n] = ord(text[n])
    return at + len(text)


@njit(cache=True, nogil=True)
def _copy(out, at, source, start, stop):  # type: ignore[no-untyped-def]
    for n in range(start, stop):
        out[at + n - start] = source[n]
    return at + stop - start
