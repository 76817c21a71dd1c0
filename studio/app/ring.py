"""A circle of the set cell diameter that follows the pointer over the slide."""

from __future__ import annotations

import math

from studio.app.roi_draw import SHADOW
from studio.app.tools import Point, ToWindow
from studio.gui.events import Event, Focus, MouseMove
from studio.gui.painter import Painter
from studio.session import Session

LEAST_RADIUS = 3.0
"""Window units; a smaller circle says nothing and hides what is under it."""
POINTS = 48
COLOR = (1.0, 1.0, 1.0, 0.95)


class RingTool:
    """Takes nothing from others; draws while the panel that the diameter is set in is open."""

    name = "ring"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._at: Point | None = None

    def on_event(self, event: Event, position_slide: Point | None) -> bool:
        """Note where the pointer is."""
        if isinstance(event, MouseMove):
            self._at = position_slide
        elif isinstance(event, Focus) and not event.on:
            self._at = None
        return False

    @property
    def circle_slide(self) -> tuple[Point, float] | None:
        """Centre and radius in slide pixels; None while nothing is drawn."""
        slide, ring = self._session.document.slide, self._session.diameters.ring
        if not (ring.on and ring.wanted) or slide is None or slide.mpp is None or self._at is None:
            return None
        return self._at, self._session.document.params.diam_um / slide.mpp / 2

    def draw(self, painter: Painter, to_window: ToWindow) -> None:
        """The circle, light on a dark rim so that it shows on anything."""
        circle = self.circle_slide
        if circle is None:
            return
        (x, y), radius = circle
        center, side = to_window(x, y), to_window(x + radius, y)
        shown = math.dist(center, side)
        if shown < LEAST_RADIUS:
            return
        angles = [2 * math.pi * n / POINTS for n in range(POINTS + 1)]
        points = [(center[0] + shown * math.cos(angle), center[1] + shown * math.sin(angle)) for angle in angles]
        painter.lines(points, SHADOW, 3.5)
        painter.lines(points, COLOR, 1.5)
