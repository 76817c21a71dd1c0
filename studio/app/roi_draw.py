"""Tools that draw a region: rectangle, polygon, freehand."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from studio.app.camera import Camera
from studio.app.tools import Point, ToWindow
from studio.gui.events import (
    KEY_BACKSPACE,
    KEY_ENTER,
    KEY_ESCAPE,
    KEY_KP_ENTER,
    Event,
    Focus,
    Key,
    MouseButton,
    MouseMove,
)
from studio.gui.painter import Painter
from studio.gui.theme import Color
from studio.session import Session

LEFT = 0

CLOSE_REACH = 9.0
"""Units of the design from the first point of a polygon within which a click closes it."""

STEP = 3.0
"""Units of the design between two points of a freehand line."""

SMOOTH = 0.7
"""Units of the design that leaving out a point of a freehand line may move it."""

LINE: Color = (1.0, 0.86, 0.2, 1.0)
"""Of regions: stands out from haematoxylin, eosin, fluorescence and the cyan of cells."""

SHADOW: Color = (0.0, 0.0, 0.0, 0.55)
"""Under light lines, so that they show on bright glass too."""


class DrawTool:
    """Base of the three: keeps the points so far, and hands them over as a region."""

    name = ""

    def __init__(self, session: Session, camera: Camera) -> None:
        self._session = session
        self._camera = camera
        self._points: list[Point] = []
        self._at: Point | None = None

    def on_event(self, event: Event, position_slide: Point | None) -> bool:
        """Draw with the left button; Esc drops what was drawn, then the tool."""
        at = None if position_slide is None else self._on_slide(position_slide)
        match event:
            case MouseMove():
                self._at = at
                if at is not None:
                    self._moved(at)
                return at is not None
            case MouseButton(button=0, down=True) if at is not None:
                self._at = at
                self._pressed(at)
                return True
            case MouseButton(button=0, down=False) if self._points:
                self._released()
                return True
            case Key(key=key, down=True):
                return self._key(key)
            case Focus(on=False):
                self._lost()
        return False

    def draw(self, painter: Painter, to_window: ToWindow) -> None:
        """Draw the region so far."""
        points, unit = [to_window(*point) for point in self._outline()], self._camera.unit
        if len(points) > 1:
            painter.lines(points, SHADOW, 4.0 * unit)
            painter.lines(points, LINE, 2.0 * unit)
        elif points:
            painter.disc(points[0], 3.5 * unit, LINE)

    def _outline(self) -> list[Point]:
        """What to draw: the points so far and back to the first."""
        return [*self._points, self._points[0]] if self._points else []

    def _pressed(self, at: Point) -> None:
        raise NotImplementedError

    def _moved(self, at: Point) -> None:
        """The pointer is elsewhere."""

    def _released(self) -> None:
        """The button went up."""

    def _lost(self) -> None:
        """The window is no longer the one typed into: a drag can't be ended any more."""
        self._points.clear()

    def _key(self, key: int) -> bool:
        if key != KEY_ESCAPE:
            return False
        if self._points:
            self._points.clear()
        else:
            self._session.document.tool = ""
        return True

    def _finish(self, outline: NDArray[np.float64]) -> None:
        """Add the region, and go back to moving the slide: the region can be edited now."""
        self._points.clear()
        if self._session.rois.add(outline):
            self._session.document.tool = ""

    def _on_slide(self, point: Point) -> Point:
        slide = self._session.document.slide
        width, height = slide.size if slide is not None else (0, 0)
        return min(max(point[0], 0.0), float(width)), min(max(point[1], 0.0), float(height))


class RectangleTool(DrawTool):
    """Drag from corner to corner."""

    name = "rectangle"

    def _pressed(self, at: Point) -> None:
        self._points = [at, at]

    def _moved(self, at: Point) -> None:
        if self._points:
            self._points[1] = at

    def _outline(self) -> list[Point]:
        return [*self._corners(), self._points[0]] if self._points else []

    def _released(self) -> None:
        self._finish(np.array(self._corners()))

    def _corners(self) -> list[Point]:
        (x0, y0), (x1, y1) = self._points
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


class FreehandTool(DrawTool):
    """Draw around with the button held."""

    name = "freehand"

    def _pressed(self, at: Point) -> None:
        self._points = [at]

    def _moved(self, at: Point) -> None:
        if self._points and math.dist(at, self._points[-1]) >= STEP * self._camera.slide_per_unit:
            self._points.append(at)

    def _released(self) -> None:
        self._finish(simplified(np.array(self._points), SMOOTH * self._camera.slide_per_unit))


class PolygonTool(DrawTool):
    """Click the corners; a double click, Enter, or a click on the first one closes it."""

    name = "polygon"

    def _pressed(self, at: Point) -> None:
        reach = CLOSE_REACH * self._camera.slide_per_unit
        if len(self._points) >= 3 and math.dist(at, self._points[0]) <= reach:
            self._close()
        elif self._points and math.dist(at, self._points[-1]) <= reach / 3:
            # The second press of a double click.
            self._close()
        else:
            self._points.append(at)

    def _outline(self) -> list[Point]:
        return [*self._points, *([self._at] if self._at is not None and self._points else [])]

    def draw(self, painter: Painter, to_window: ToWindow) -> None:
        """Draw the corners too: the first one is where to close it."""
        super().draw(painter, to_window)
        for number, point in enumerate(self._points):
            painter.disc(to_window(*point), (5.0 if number == 0 else 3.5) * self._camera.unit, LINE)

    def _lost(self) -> None:
        """Nothing is held between two clicks."""

    def _key(self, key: int) -> bool:
        if self._points and key in (KEY_ENTER, KEY_KP_ENTER):
            self._close()
            return True
        if self._points and key == KEY_BACKSPACE:
            self._points.pop()
            return True
        return super()._key(key)

    def _close(self) -> None:
        if len(self._points) >= 3:
            self._finish(np.array(self._points))


def simplified(outline: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """A closed outline (N, 2) without the points whose absence moves it by no more than `tolerance`."""
    if len(outline) < 4:
        return outline
    import cv2

    origin = outline.min(axis=0)
    # OpenCV reckons in float32: near the origin it is exact enough on any slide.
    near = np.ascontiguousarray(outline - origin, np.float32)[:, None]
    kept = cv2.approxPolyDP(near, float(tolerance), True)[:, 0]
    return outline if len(kept) < 3 else kept.astype(np.float64) + origin
