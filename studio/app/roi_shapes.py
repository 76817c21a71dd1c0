"""Where regions lie on the screen: worked out for all at once, and only when they or the view changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.app.camera import Camera
from studio.app.roi_draw import simplified

if TYPE_CHECKING:
    from studio.app.tools import Point
    from studio.slide.roi import ROI

TINY = 4.0
"""Window units; a smaller region is drawn as a dot."""

TOLERANCE = 0.8
"""Window units by which an outline may be off where points are left out."""

FEW = 12
"""Outlines of no more points are drawn as they are."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A region in view, in window coordinates."""

    index: int
    rings: list[list[Point]]
    """Its outline first, then its holes; none where it is too small for more than a dot."""
    size: float
    """Of the longer side."""
    middle: Point


class RoiShapes:
    """Keeps what was worked out last."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._rois: Sequence[ROI] = ()
        self._boxes = np.empty((0, 4))
        self._coarse: tuple[int, NDArray[np.float64], list[list[tuple[int, int]]]] | None = None
        self._version = -1
        self._seen: tuple[Any, ...] = ()
        self._shapes: list[Shape] = []

    @property
    def boxes(self) -> NDArray[np.float64]:
        """Left, top, right, bottom (N, 4) of all regions in slide pixels."""
        self._follow()
        return self._boxes

    def in_view(self) -> list[Shape]:
        """The regions in view, in their order."""
        self._follow()
        camera, view = self._camera, self._camera.view
        seen = (view.center_x, view.center_y, view.scale, view.rotation, view.viewport, view.offset, camera.pixel_ratio)
        if seen != self._seen:
            self._seen = seen
            self._shapes = self._place() if len(self._boxes) else []
        return self._shapes

    def _follow(self) -> None:
        document = self._camera.document
        if self._version != document.rois_version:
            self._version, self._rois = document.rois_version, document.rois
            boxes = [(*roi.outline.min(axis=0), *roi.outline.max(axis=0)) for roi in self._rois]
            self._boxes = np.array(boxes, np.float64).reshape(-1, 4)
            self._coarse, self._seen = None, ()

    def _place(self) -> list[Shape]:
        view, per_window = self._camera.view, self._camera.slide_per_window
        points, spans = self._coarsened()
        x, y, width, height = view.rect_slide
        boxes = self._boxes
        seen = (boxes[:, :2] < (x + width, y + height)).all(axis=1) & (boxes[:, 2:] > (x, y)).all(axis=1)
        sizes = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / per_window
        middles = self._camera.windows_from_slide((boxes[:, :2] + boxes[:, 2:]) / 2).tolist()
        placed = self._camera.windows_from_slide(points)
        shapes = []
        for index in np.flatnonzero(seen).tolist():
            size = float(sizes[index])
            rings = [placed[first:last].tolist() for first, last in spans[index]] if size >= TINY else []
            shapes.append(Shape(index, rings, size, (middles[index][0], middles[index][1])))
        return shapes

    def _coarsened(self) -> tuple[NDArray[np.float64], list[list[tuple[int, int]]]]:
        """Points (M, 2) of all rings but what is too small to see at this zoom, and where each ring begins and ends."""
        octave = math.floor(math.log2(self._camera.slide_per_window))
        if self._coarse is None or self._coarse[0] != octave:
            tolerance = TOLERANCE * 2.0**octave
            rings: list[NDArray[np.float64]] = []
            spans, start = [], 0
            for roi in self._rois:
                mine = []
                for ring in (roi.outline, *roi.holes):
                    rings.append(ring if len(ring) <= FEW else simplified(ring, tolerance))
                    mine.append((start, start + len(rings[-1])))
                    start = mine[-1][1]
                spans.append(mine)
            self._coarse = (octave, np.concatenate(rings), spans)
        return self._coarse[1], self._coarse[2]
