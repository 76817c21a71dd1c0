"""What is known of the cell under the pointer, beside it; a click selects the cell, Esc lets it go.

From far away, where a cell is a dot or less, a ring of the same size on any zoom shows the selected one.
"""

from __future__ import annotations

import math

from studio.app.camera import Camera
from studio.app.roi_draw import SHADOW
from studio.app.tools import Point, ToWindow
from studio.gui.events import KEY_ESCAPE, Event, Focus, Key, MouseButton, MouseMove
from studio.gui.factcard import fact_card
from studio.gui.painter import Painter
from studio.session import Session

CLICK = 4.0
"""Window units that the pointer may move between down and up; more is a drag."""

RING = 11.0
"""Radius of the ring around the selected cell, in units of the design, whatever the zoom."""

FAR = 14.0
"""Window units that a cell of the usual size must measure for its outline to be found without a ring."""
RING_COLOR = (1.0, 0.85, 0.1, 1.0)


class HoverTool:
    """Passive. Leaves every button to the camera: a press that moves the slide selects nothing."""

    name = "cells"

    def __init__(self, session: Session, camera: Camera) -> None:
        self._session = session
        self._camera = camera
        self._position = (-math.inf, -math.inf)
        self._pressed: tuple[Point, Point] | None = None
        """Where the button went down, in the window and on the slide."""

    def on_event(self, event: Event, position_slide: Point | None) -> bool:
        """Watch the pointer; takes Esc while a cell is selected."""
        selection = self._session.selection
        match event:
            case Key(key=key, down=True) if key == KEY_ESCAPE:
                return selection.clear() | self._session.compare.unmark()
            case MouseMove(x=x, y=y):
                self._position = (x, y)
                still = self._pressed is None and self._free
                selection.point_at(position_slide if still else None)
            case MouseButton(button=0, down=True) if position_slide is not None and self._free:
                self._pressed = (self._position, position_slide)
                selection.point_at(None)
            case MouseButton(button=0, down=False):
                pressed, self._pressed = self._pressed, None
                if pressed is not None and math.dist(pressed[0], self._position) <= CLICK:
                    selection.click(pressed[1])
            case Focus(on=False):
                self._pressed = None
                selection.point_at(None)
        return False

    @property
    def _free(self) -> bool:
        """Whether cells can be seen, and no tool shows something of its own under the pointer."""
        document = self._session.document
        return bool(document.style.layers) and document.style.alpha > 0 and not document.tool

    @property
    def ring_slide(self) -> Point | None:
        """The slide point that a ring is drawn around: the selected cell, where it is too small to be found."""
        document, cell = self._session.document, self._session.selection.selected
        if cell is None or cell.center is None or not document.style.layers or document.style.alpha <= 0:
            return None
        if document.comparison.view in ("a", "bare"):
            return None
        slide = document.slide
        params = document.overlay.params if document.overlay is not None else None
        diameter = (params or document.params).diam_um / slide.mpp if slide is not None and slide.mpp else FAR
        return cell.center if diameter / document.view.scale / self._camera.pixel_ratio < FAR else None

    def draw(self, painter: Painter, to_window: ToWindow) -> None:
        """The ring around the selected cell, and the card of the one under the pointer."""
        selection = self._session.selection
        if (center := self.ring_slide) is not None:
            place, radius = to_window(*center), painter.px(RING)
            painter.circle(place, radius, SHADOW, 4.5 * self._camera.unit)
            painter.circle(place, radius, RING_COLOR, 2.0 * self._camera.unit)
        hovered, at = selection.hovered, selection.hover_slide
        if hovered is None or at is None:
            return
        view, ratio = self._session.document.view, self._camera.pixel_ratio
        left, top, width, height = (value / ratio for value in (*view.offset, *view.viewport))
        fact_card(painter, to_window(*at), hovered.title, hovered.measures, (left, top, width, height))
