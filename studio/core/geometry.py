"""Arithmetic of grids and rectangles that more than one part needs."""

from __future__ import annotations

Rect = tuple[float, float, float, float]
"""x, y, width, height in slide pixels."""


def cell_range(start: int, stop: int, cell: int, length: int) -> range:
    """Indices of the grid cells of size `cell` that [start, stop) touches, within [0, length)."""
    first = max(0, start)
    last = min(stop, length)
    if last <= first:
        return range(0)
    return range(first // cell, (last - 1) // cell + 1)


def overlap(start: int, stop: int, low: int, high: int) -> tuple[int, int]:
    """[start, stop) cut to [low, high); empty, with both ends equal, where they don't meet."""
    first = min(max(start, low), high)
    return first, max(first, min(stop, high))


def working_shape(size_slide: tuple[int, int], scale: float) -> tuple[int, int]:
    """(rows, columns) of the lattice with `scale` slide pixels to a pixel over a slide of (width, height)."""
    width, height = size_slide
    return max(1, round(height / scale)), max(1, round(width / scale))


def clip_to_slide(rect: Rect, size: tuple[int, int]) -> Rect | None:
    """The part of a rectangle (x, y, width, height in slide pixels) that lies on the slide, or None."""
    left, top = max(0.0, rect[0]), max(0.0, rect[1])
    right, bottom = min(float(size[0]), rect[0] + rect[2]), min(float(size[1]), rect[1] + rect[3])
    if right - left < 1 or bottom - top < 1:
        return None
    return left, top, right - left, bottom - top


def largest_outside(rect: Rect, hole: Rect) -> Rect | None:
    """The largest rectangle inside `rect` that meets no part of `hole`; None where `hole` covers it.

    >>> largest_outside((0, 0, 10, 8), (-5, -5, 12, 20))
    (7, 0, 3, 8)
    """
    left, top, width, height = rect
    right, bottom = left + width, top + height
    # What is left of it, right of it, above and below.
    before, after = min(max(hole[0], left), right), max(min(hole[0] + hole[2], right), left)
    above, below = min(max(hole[1], top), bottom), max(min(hole[1] + hole[3], bottom), top)
    parts = (
        (left, top, before - left, height),
        (after, top, right - after, height),
        (left, top, width, above - top),
        (left, below, width, bottom - below),
    )
    largest = max(parts, key=lambda part: part[2] * part[3])
    return largest if largest[2] > 0 and largest[3] > 0 else None
