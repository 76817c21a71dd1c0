"""Mouse over the slide: drag moves, the wheel and a double click zoom."""

from __future__ import annotations

import math
from collections.abc import Sequence

from studio.app.camera import NOTCH, Camera
from studio.app.tools import Tools
from studio.gui.events import KEY_SPACE, Event, Focus, Key, MouseButton, MouseMove, Wheel

LEFT, MIDDLE = 0, 2
DOUBLE_CLICK_S = 0.4
DOUBLE_CLICK_REACH = 6.0
"""Window units that the pointer may move between the clicks."""
DOUBLE_CLICK_ZOOM = 2.0

Rect = tuple[float, float, float, float]


class ViewerInput:
    """Turns mouse events into camera moves, those that no tool takes; keeps what is held down."""

    def __init__(self, camera: Camera, tools: Tools | None = None) -> None:
        self._camera = camera
        self._tools = tools or Tools(camera.document)
        self._area: Rect = (0.0, 0.0, 0.0, 0.0)
        self._position = (-math.inf, -math.inf)
        self._covered = False
        self._held: int | None = None
        self._space = False
        self._grabbed_slide = (0.0, 0.0)
        self._last_click: tuple[float, float, float] | None = None

    @property
    def pointer(self) -> tuple[float, float] | None:
        """The pointer in window coordinates while it is over the slide and nothing that floats above it."""
        return self._position if self._inside() and not self._covered else None

    @property
    def dragging(self) -> bool:
        """Whether the slide is held."""
        return self._held is not None

    @property
    def position_slide(self) -> tuple[float, float] | None:
        """The slide point under the pointer; None while the pointer is elsewhere."""
        at = self._position if self._tools.has_mouse else self.pointer
        return None if at is None or not self._camera.has_slide else self._camera.slide_from_window(*at)

    def handle(self, events: Sequence[Event], area: Rect, *, gui_has_mouse: bool, now_s: float) -> bool:
        """Move the camera as this frame's events say. Whether it moved.

        `area` (window coordinates) is where the slide is drawn. With
        `gui_has_mouse` nothing begins; a drag that began over the slide goes on
        wherever the pointer is.
        """
        before = self._camera.view.rect_slide
        self._area, self._covered = area, gui_has_mouse and self._held is None
        for event in events:
            if isinstance(event, MouseMove):
                self._position = (event.x, event.y)
            elif isinstance(event, Key) and event.key == KEY_SPACE:
                self._space = event.down
            # While the slide is held it follows the pointer, whatever a tool shows there.
            if self._offer(event) and not (isinstance(event, MouseMove) and self._held is not None):
                continue
            match event:
                case MouseMove() if self._held is not None:
                    self._drag()
                case MouseButton(button=button, down=True) if button in (LEFT, MIDDLE):
                    if self._held is None and not gui_has_mouse and self._inside():
                        self._press(button, now_s)
                case MouseButton(button=button, down=False) if button == self._held:
                    self._held = None
                case Wheel(dy=dy) if not gui_has_mouse and self._inside():
                    self._camera.zoom_at(*self._position, NOTCH**dy)
                    self._grab()
                case Focus(on=False):
                    self._held, self._space = None, False
        return before != self._camera.view.rect_slide

    def _offer(self, event: Event) -> bool:
        """Let the tools have a mouse event. Whether one took it."""
        position = self.position_slide
        if isinstance(event, MouseMove | Focus) or (isinstance(event, MouseButton) and not event.down):
            return self._tools.on_event(event, position)
        if self._space and not self._tools.has_mouse:
            # Held, it moves the slide whatever tool is chosen: not every mouse has a middle button.
            return False
        if isinstance(event, MouseButton | Wheel) and position is not None:
            return self._tools.on_event(event, position)
        return False

    def _press(self, button: int, now_s: float) -> None:
        x, y = self._position
        last, self._last_click = self._last_click, (x, y, now_s) if button == LEFT else None
        if last is not None and button == LEFT:
            near = math.hypot(x - last[0], y - last[1]) <= DOUBLE_CLICK_REACH
            if near and now_s - last[2] <= DOUBLE_CLICK_S:
                self._camera.zoom_at(x, y, DOUBLE_CLICK_ZOOM)
                self._last_click = None
        self._held = button
        self._grab()

    def _grab(self) -> None:
        """Take hold of the slide point under the pointer."""
        if self._inside():
            self._grabbed_slide = self._camera.slide_from_window(*self._position)

    def _drag(self) -> None:
        """Bring the grabbed point under the pointer again: no error adds up, whatever the edges held back."""
        now_x, now_y = self._camera.slide_from_window(*self._position)
        view = self._camera.view
        self._camera.center_on(
            view.center_x + self._grabbed_slide[0] - now_x, view.center_y + self._grabbed_slide[1] - now_y
        )

    def _inside(self) -> bool:
        left, top, width, height = self._area
        return left <= self._position[0] < left + width and top <= self._position[1] < top + height
