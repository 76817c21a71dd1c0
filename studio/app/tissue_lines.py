"""Outlines of tissue over the slide, while the Slide panel asks for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.app.camera import Camera
from studio.app.tools import Point, ToWindow
from studio.gui.events import Event
from studio.gui.painter import Painter
from studio.gui.theme import Color
from studio.session import Session
from studio.session.overview import Rings

LINE: Color = (0.15, 0.75, 0.35, 1.0)

SMALLEST = 3.0
"""Window units; smaller specks aren't drawn."""


class TissueLines:
    """Passive: draws, and takes nothing."""

    name = "tissue"

    def __init__(self, session: Session, camera: Camera) -> None:
        self._session = session
        self._camera = camera
        self._boxes: tuple[Rings, NDArray[np.float64]] = ((), np.empty((0, 4)))

    def on_event(self, event: Event, position_slide: Point | None) -> bool:
        """Leave everything to others."""
        del event, position_slide
        return False

    def draw(self, painter: Painter, to_window: ToWindow) -> None:
        """The outlines in view."""
        del to_window
        tissue = self._session.overview.tissue
        if tissue is None or not self._session.overview.show_tissue or not tissue.rings:
            return
        if self._boxes[0] is not tissue.rings:
            bounds = [(*ring.min(axis=0), *ring.max(axis=0)) for ring in tissue.rings]
            self._boxes = (tissue.rings, np.array(bounds, np.float64))
        boxes = self._boxes[1]
        x, y, width, height = self._camera.view.rect_slide
        seen = (boxes[:, :2] < (x + width, y + height)).all(axis=1) & (boxes[:, 2:] > (x, y)).all(axis=1)
        seen &= (boxes[:, 2:] - boxes[:, :2]).max(axis=1) > SMALLEST * self._camera.slide_per_window
        for index in np.flatnonzero(seen):
            points = [(float(a), float(b)) for a, b in self._camera.windows_from_slide(tissue.rings[index])]
            painter.ring(points, LINE, 1.5 * self._camera.unit)
