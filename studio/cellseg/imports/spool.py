"""Polygons kept in a nameless scratch file until it is known which block of the mask needs which of them."""

from __future__ import annotations

import tempfile
from array import array

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.imports.fill import UNIT, count_pixels, fill_polygon
from studio.errors import ResultFileError

Rings = list[NDArray[np.float64]]
"""A polygon: its outside, then its holes, each (n, 2) x, y in mask pixels."""

_MOST_COVER = 16
"""Polygons that cover the mask this many times over are no cells."""

_TOO_MANY = "holds a polygon with too many sides to be a cell"


class Spool:
    """All cells of a file, numbered 1 to N as they come. Use as a context manager.

    Coordinates are rounded to 1 / 256 mask pixel.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._file = tempfile.TemporaryFile(prefix="studio-polygons-")  # noqa: SIM115 (closed by __exit__)
        self._points = 0
        self._covered = 0
        # Of each polygon: first ring, cell number; of each ring: first point; boxes of the polygons.
        self._first_ring, self._numbers, self._ring_starts = array("q", [0]), array("q"), array("q", [0])
        self._boxes = array("i")
        self.cells = 0
        self.outside = 0
        """Cells that don't lie on the mask."""

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, parts: list[Rings]) -> None:
        """Take a cell in one or several parts; one smaller than a pixel gets the pixel it lies in.

        Raises ResultFileError, without the file's name, for what can't be cells.
        """
        height, width = self._shape
        seen = 0
        kept: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = []
        for rings in parts:
            points = np.rint(np.concatenate(rings) * UNIT).clip(-(2**30), 2**30).astype(np.int32)
            starts = np.cumsum([0, *(len(ring) for ring in rings)])
            pixels = int(count_pixels(points, starts, height, width))
            if pixels < 0:
                raise ResultFileError(_TOO_MANY)
            if pixels:
                kept.append((points, starts))
            seen += pixels
        if not kept:
            x, y = (int(value) for value in np.floor(parts[0][0].mean(axis=0)))
            if not (0 <= y < height and 0 <= x < width):
                self.outside += 1
                return
            kept.append((np.array([(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)], np.int32) * UNIT, np.array([0, 4])))
        self._covered += seen
        if self._covered > _MOST_COVER * height * width:
            raise ResultFileError("holds polygons that lie over one another many times, so they are no cells")
        self.cells += 1
        for points, starts in kept:
            self._put(points, starts)

    def draw(self, top: int, left: int, rows: int, cols: int) -> NDArray[np.uint32]:
        """Labels of a window; a later cell lies over an earlier one."""
        labels = np.zeros((rows, cols), np.uint32)
        boxes = np.frombuffer(self._boxes, np.int32).reshape(-1, 4) if len(self._boxes) else np.zeros((0, 4), np.int32)
        here = (boxes[:, 0] < top + rows) & (boxes[:, 2] > top) & (boxes[:, 1] < left + cols) & (boxes[:, 3] > left)
        for k in np.flatnonzero(here).tolist():
            starts = np.array(self._ring_starts[self._first_ring[k] : self._first_ring[k + 1] + 1])
            self._file.seek(int(starts[0]) * 8)
            points = np.frombuffer(self._file.read(int(starts[-1] - starts[0]) * 8), np.int32).reshape(-1, 2)
            fill_polygon(labels, top, left, points, starts - starts[0], np.uint32(self._numbers[k]))
        return labels

    def _put(self, points: NDArray[np.int32], starts: NDArray[np.int64]) -> None:
        self._file.write(points.tobytes())
        self._ring_starts.extend((starts[1:] + self._points).tolist())
        self._points += len(points)
        self._first_ring.append(len(self._ring_starts) - 1)
        self._numbers.append(self.cells)
        low, high = points.min(axis=0) // UNIT, points.max(axis=0) // UNIT + 1
        self._boxes.extend((int(low[1]), int(low[0]), int(high[1]), int(high[0])))
