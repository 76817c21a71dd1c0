"""The measuring tool: straight lines over the slide with their length."""

from __future__ import annotations

import math

from studio.app.camera import Camera
from studio.app.roi_draw import LINE, SHADOW
from studio.app.tools import Point, ToWindow
from studio.document import Line
from studio.gui.events import KEY_ESCAPE, Event, Focus, Key, MouseButton, MouseMove
from studio.gui.painter import Painter
from studio.session import Session
from studio.session.text import distance_text

CLICK = 4.0
"""Units of the design; a drag that is shorter is a click, and the line goes on to the next one."""


class MeasureTool:
    """Drag a line, or click its two ends. Lines stay, whatever tool comes next, until Esc."""

    name = "measure"

    def __init__(self, session: Session, camera: Camera) -> None:
        self._session = session
        self._document = session.document
        self._camera = camera
        self._line: Line | None = None

    def on_event(self, event: Event, position_slide: Point | None) -> bool:
        """Draw with the left button; Esc drops the line under way, then all lines, then the tool."""
        if isinstance(event, Key) and event.down and event.key == KEY_ESCAPE:
            return self._escape()
        if self._document.tool != self.name or isinstance(event, Focus):
            self._line = None
            return False
        match event:
            case MouseMove() if self._line is not None and position_slide is not None:
                self._line = (*self._line[:2], *position_slide)
                return True
            case MouseButton(button=0, down=True) if position_slide is not None:
                self._line = (*(self._line or position_slide)[:2], *position_slide)
                return True
            case MouseButton(button=0, down=False) if self._line is not None:
                if math.dist(self._line[:2], self._line[2:]) > CLICK * self._camera.slide_per_unit:
                    self._document.lines.append(self._line)
                    self._line = None
                return True
        return False

    def draw(self, painter: Painter, to_window: ToWindow) -> None:
        """All lines with their lengths."""
        lines = [*self._document.lines, *([self._line] if self._line is not None else [])]
        unit = self._camera.unit
        for x0, y0, x1, y1 in lines:
            start, end = to_window(x0, y0), to_window(x1, y1)
            painter.line(start, end, SHADOW, 4.0 * unit)
            painter.line(start, end, LINE, 2.0 * unit)
            for point in (start, end):
                painter.disc(point, 4.0 * unit, SHADOW)
                painter.disc(point, 3.0 * unit, LINE)
            mpp = self._document.slide.mpp if self._document.slide is not None else None
            text = distance_text(math.hypot(x1 - x0, y1 - y0), mpp)
            painter.tag(((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 8 * unit), text, align=0.5)

    def _escape(self) -> bool:
        if self._line is not None:
            self._line = None
        elif self._document.lines:
            self._document.lines.clear()
        elif self._document.tool == self.name:
            self._document.tool = ""
        else:
            return False
        return True
