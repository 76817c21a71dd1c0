"""Regions on the slide: shown, picked by their outline, and changed by their points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.app.camera import Camera
from studio.app.roi_draw import LINE, SHADOW
from studio.app.roi_shapes import TINY, RoiShapes, Shape
from studio.app.tools import Point, ToWindow
from studio.gui.events import KEY_BACKSPACE, KEY_DELETE, KEY_ESCAPE, Event, Focus, Key, MouseButton, MouseMove
from studio.gui.painter import Painter
from studio.gui.theme import Color
from studio.session import Session

REACH = 7.0
"""Units of the design from an outline or a point within which the pointer is on it."""

HANDLES_MAX = 300
"""Regions with more points in view show none: zoom in to change one."""

NAMED = 40.0
"""Units of the design from which on a region has its name beside it."""

CROWD = 300
"""More regions than this in view have neither names nor shadows: a frame would take too long."""

SELECTED: Color = (1.0, 1.0, 1.0, 1.0)


@dataclass(slots=True)
class _Drag:
    """A point (or with `vertex` None the whole region) under way."""

    index: int
    vertex: int | None
    start: Point
    before: NDArray[np.float64]
    now: NDArray[np.float64]


class RoiEditor:
    """Passive: draws all regions; the outline selects or moves one, its points reshape it."""

    name = "regions"

    def __init__(self, session: Session, camera: Camera) -> None:
        self._session = session
        self._document = session.document
        self._camera = camera
        self._drag: _Drag | None = None
        self._at: Point | None = None
        self._shapes = RoiShapes(camera)

    def on_event(self, event: Event, position_slide: Point | None) -> bool:
        """Select, move and reshape; a press that is on no region is left to others."""
        if self._document.slide is None or self._document.tool:
            self._drag = self._at = None
            return False
        match event:
            case MouseMove():
                self._at = position_slide
                if self._drag is not None and position_slide is not None:
                    self._move(self._drag, position_slide)
                return self._drag is not None
            case MouseButton(button=0, down=True) if position_slide is not None:
                return self._press(position_slide)
            case MouseButton(button=0, down=False) if self._drag is not None:
                self._drop()
                return True
            case MouseButton(button=1, down=True) if position_slide is not None:
                return self._take_out(position_slide)
            case Key(key=key, down=True):
                return self._key(key)
            case Focus(on=False):
                self._drag = None
        return False

    def draw(self, painter: Painter, to_window: ToWindow) -> None:
        """Outlines and names, the selected region with its points."""
        del to_window
        shapes, selected = self._shapes.in_view(), self._document.selected_roi
        dragged = self._drag.index if self._drag is not None else None
        crowded = len(shapes) > CROWD
        others = [shape for shape in shapes if shape.index not in (selected, dragged)]
        for shape in others:
            self._draw(painter, shape, LINE, 2.0, crowded=crowded)
        # Over all outlines, which would else cross them out.
        for shape in others if not crowded else ():
            self._draw_name(painter, shape)
        top = dragged if dragged is not None else selected
        if top is not None:
            self._draw_selected(painter, top)

    def _draw(self, painter: Painter, shape: Shape, color: Color, thickness: float, *, crowded: bool = False) -> None:
        if shape.size < TINY:
            x, y = shape.middle
            side = max(2.0, shape.size)
            painter.fill((x - side / 2, y - side / 2, side, side), color)
            return
        unit = self._camera.unit
        for ring in shape.rings:
            if not crowded:
                painter.ring(ring, SHADOW, (thickness + 2) * unit)
            painter.ring(ring, color, thickness * unit, exact=not crowded)

    def _draw_name(self, painter: Painter, shape: Shape) -> None:
        unit = self._camera.unit
        if shape.size > NAMED * unit:
            x, y = min(shape.rings[0], key=lambda point: point[1])
            painter.tag((x, y - 6 * unit), self._document.rois[shape.index].title)

    def _draw_selected(self, painter: Painter, index: int) -> None:
        """The region that is edited, as it is now, with its points."""
        roi = self._document.rois[index]
        ring = roi.outline if self._drag is None else self._drag.now
        placed = [self._camera.windows_from_slide(each).tolist() for each in (ring, *roi.holes)]
        low, high = ring.min(axis=0), ring.max(axis=0)
        size = float((high - low).max()) / self._camera.slide_per_window
        middle = self._camera.window_from_slide(*((low + high) / 2).tolist())
        shape = Shape(index, placed, size, middle)
        self._draw(painter, shape, SELECTED, 2.5)
        self._draw_points(painter, ring)
        self._draw_name(painter, shape)

    def _draw_points(self, painter: Painter, ring: NDArray[np.float64]) -> None:
        if not self._shows_points(ring):
            return
        unit = self._camera.unit
        near = None if self._at is None or self._drag is not None else self._nearest(ring, self._at)
        for number, (x, y) in enumerate(self._camera.windows_from_slide(ring)):
            side = (11.0 if number == near else 8.0) * unit
            painter.fill((x - side / 2 - 1, y - side / 2 - 1, side + 2, side + 2), SHADOW)
            painter.fill((x - side / 2, y - side / 2, side, side), SELECTED)
        for x, y in self._camera.windows_from_slide(_middles(ring)):
            painter.disc((float(x), float(y)), 4.0 * unit, SHADOW)
            painter.disc((float(x), float(y)), 3.0 * unit, LINE)

    def _press(self, at: Point) -> bool:
        """Take hold of a point, of a side's middle (which becomes a point), or of a region by its outline."""
        index = self._document.selected_roi
        if index is not None:
            ring = self._document.rois[index].outline
            if self._shows_points(ring):
                if (vertex := self._nearest(ring, at)) is not None:
                    self._drag = _Drag(index, vertex, at, ring, ring)
                    return True
                if (side := self._nearest(_middles(ring), at)) is not None:
                    wider = np.insert(ring, side + 1, at, axis=0)
                    self._drag = _Drag(index, side + 1, at, wider, wider)
                    return True
        hit = self._on_outline(at)
        if hit is None:
            return False
        self._session.rois.select(hit)
        ring = self._document.rois[hit].outline
        self._drag = _Drag(hit, None, at, ring, ring)
        return True

    def _move(self, drag: _Drag, at: Point) -> None:
        dx, dy = at[0] - drag.start[0], at[1] - drag.start[1]
        if drag.vertex is None:
            # A press that trembles selects; it doesn't move.
            moved = math.hypot(dx, dy) > 3 * self._camera.slide_per_unit
            drag.now = drag.before + np.array((dx, dy)) if moved else drag.before
        else:
            drag.now = drag.before.copy()
            drag.now[drag.vertex] += (dx, dy)

    def _drop(self) -> None:
        drag, self._drag = self._drag, None
        if drag is None or drag.index >= len(self._document.rois):
            return
        if drag.vertex is not None:
            self._session.rois.reshape(drag.index, drag.now)
        elif drag.now is not drag.before:
            dx, dy = drag.now[0] - drag.before[0]
            self._session.rois.move(drag.index, float(dx), float(dy))

    def _take_out(self, at: Point) -> bool:
        """Remove a point with the right button."""
        index = self._document.selected_roi
        if index is None:
            return False
        ring = self._document.rois[index].outline
        vertex = self._nearest(ring, at) if self._shows_points(ring) else None
        if vertex is None:
            return False
        if len(ring) > 3:
            self._session.rois.reshape(index, np.delete(ring, vertex, axis=0))
        else:
            self._session.notify("info", "A region has three points at least; Delete removes the region.")
        return True

    def _key(self, key: int) -> bool:
        if self._document.selected_roi is None:
            return False
        if key in (KEY_DELETE, KEY_BACKSPACE):
            self._session.rois.remove()
        elif key == KEY_ESCAPE:
            self._drag = None
            self._session.rois.select(None)
        else:
            return False
        return True

    def _shows_points(self, ring: NDArray[np.float64]) -> bool:
        if len(ring) <= HANDLES_MAX:
            return True
        x, y, width, height = self._camera.view.rect_slide
        return int(((ring >= (x, y)) & (ring <= (x + width, y + height))).all(axis=1).sum()) <= HANDLES_MAX

    def _nearest(self, points: NDArray[np.float64], at: Point) -> int | None:
        """The point under the pointer."""
        away = np.hypot(*(points - at).T)
        best = int(away.argmin())
        return best if away[best] <= REACH * self._camera.slide_per_unit else None

    def _on_outline(self, at: Point) -> int | None:
        """The region whose outline is under the pointer, the one drawn last first."""
        reach = REACH * self._camera.slide_per_unit
        boxes = self._shapes.boxes
        near = (boxes[:, :2] - reach <= at).all(axis=1) & (boxes[:, 2:] + reach >= at).all(axis=1)
        for index in reversed(np.flatnonzero(near).tolist()):
            roi = self._document.rois[index]
            if min(away_from(ring, at) for ring in (roi.outline, *roi.holes)) <= reach:
                return int(index)
        return None


def away_from(ring: NDArray[np.float64], at: Point) -> float:
    """Distance of a point from a closed outline (N, 2)."""
    start, along = ring, np.roll(ring, -1, axis=0) - ring
    length = np.maximum((along**2).sum(axis=1), 1e-12)
    share = np.clip(((np.asarray(at) - start) * along).sum(axis=1) / length, 0.0, 1.0)
    return float(np.hypot(*(start + share[:, None] * along - at).T).min())


def _middles(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    return (ring + np.roll(ring, -1, axis=0)) / 2
