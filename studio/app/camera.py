"""Moving the view over the slide. Pure arithmetic on `document.view`: no window, no GL.

Two kinds of coordinates come in: window coordinates, in which the pointer and
controls live, and slide (level-0) pixels. `View` itself counts in framebuffer
pixels; `pixel_ratio` of them make one window unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.document import Document, View

Rect = tuple[float, float, float, float]

NOTCH = 1.25
"""How much closer one notch of the wheel brings."""

STEP = 0.125
"""Share of the view that an arrow key moves."""

SCALE_MIN = 1 / 40
"""Closest: one slide pixel is 40 framebuffer pixels wide."""

UM_AT_1X = 10.0
"""Micrometres per pixel that count as 1x: 40x scanners give about 0.25."""

POWERS = (1.25, 2.5, 5.0, 10.0, 20.0, 40.0)
"""Objectives there are buttons for."""

_FAR = 4.0
"""Farthest: the whole slide takes a quarter of the area."""

_KEEP = 0.25
"""Share of the area in which the slide can't be pushed out of sight."""


@dataclass(frozen=True, slots=True)
class _Goal:
    """What was to be shown (None: the whole slide), and the camera position that showed it."""

    rect: Rect | None
    position: tuple[float, float, float, float]


class Camera:
    """What a person can do with the view of a document. Without a slide, nothing moves."""

    def __init__(self, document: Document, first_view: Rect | None = None) -> None:
        """`first_view` is the rectangle shown when the first slide opens; without one it is fitted."""
        self.pixel_ratio = 1.0
        """Framebuffer pixels to one window unit; 2 on most HiDPI screens of a Mac, 1 elsewhere."""
        self.unit = 1.0
        """Window units to one of the design: letters, lines and what is grabbed grow with it."""
        self._document = document
        self._first_view = first_view
        self._goal: _Goal | None = None
        self._slide_version = document.slide_version
        self._framebuffer = (0, 0)

    @property
    def view(self) -> View:
        """The document's view."""
        return self._document.view

    @property
    def document(self) -> Document:
        """Whose view this moves."""
        return self._document

    @property
    def has_slide(self) -> bool:
        """Whether there is anything to move over."""
        return self._document.slide is not None

    @property
    def mpp(self) -> float | None:
        """Micrometres per framebuffer pixel, or None where the slide's pixel size is unknown."""
        slide = self._document.slide
        return None if slide is None or slide.mpp is None else self.view.scale * slide.mpp

    def place(self, viewport: tuple[int, int], offset: tuple[int, int], framebuffer: tuple[int, int]) -> None:
        """Say which part of the framebuffer shows the slide; call every frame before drawing it.

        A view that was fitted (or shown by `show`) and not touched since is
        fitted anew. Otherwise the slide stays where it is on the screen when a
        panel opens beside it, and keeps its middle when the window's size changes.
        """
        view = self.view
        viewport = (max(1, viewport[0]), max(1, viewport[1]))
        untouched = self._goal is not None and self._goal.position == self._position()
        if (viewport, offset) != (view.viewport, view.offset):
            if not untouched and framebuffer == self._framebuffer:
                dx, dy = view.along_slide(
                    offset[0] + viewport[0] / 2 - view.offset[0] - view.viewport[0] / 2,
                    offset[1] + viewport[1] / 2 - view.offset[1] - view.viewport[1] / 2,
                )
                view.center_x, view.center_y = view.center_x + dx, view.center_y + dy
            view.viewport, view.offset = viewport, offset
            if untouched and self._goal is not None:
                self._show(self._goal.rect)
        self._framebuffer = framebuffer
        if self._slide_version != self._document.slide_version:
            self._slide_version = self._document.slide_version
            self._goal = None
            if self._document.slide is not None:
                self._show(self._first_view)
                self._first_view = None

    def fit(self) -> None:
        """Bring the whole slide into view, with a little margin."""
        self._show(None)

    def show(self, rect: Rect) -> None:
        """Bring a rectangle (x, y, width, height in slide pixels) into view, as large as it goes."""
        if rect[2] > 0 and rect[3] > 0:
            self._show(rect)

    def one_to_one(self) -> None:
        """One slide pixel to a framebuffer pixel, on whole pixels, so that nothing is interpolated."""
        self._rescale(1.0)

    def set_mpp(self, mpp: float) -> None:
        """Show `mpp` micrometres per framebuffer pixel; nothing where the slide's pixel size is unknown."""
        slide = self._document.slide
        if slide is not None and slide.mpp is not None and mpp > 0:
            self._rescale(mpp / slide.mpp)

    def set_magnification(self, power: float) -> None:
        """Show the slide as an objective of that power does: 10 µm to a pixel at 1x."""
        self.set_mpp(UM_AT_1X / power)

    def zoom_by(self, factor: float) -> None:
        """Come closer by a factor (below 1: go away), keeping the middle."""
        self._zoom(self.view.viewport[0] / 2, self.view.viewport[1] / 2, factor)

    def zoom_at(self, x: float, y: float, factor: float) -> None:
        """Come closer by a factor, keeping the slide under (x, y) in window coordinates."""
        view, ratio = self.view, self.pixel_ratio
        self._zoom(x * ratio - view.offset[0], y * ratio - view.offset[1], factor)

    def pan(self, dx: float, dy: float) -> None:
        """Move the slide by (dx, dy) in window units, as a drag does."""
        x, y = self.view.along_slide(dx * self.pixel_ratio, dy * self.pixel_ratio)
        self.center_on(self.view.center_x - x, self.view.center_y - y)

    def step(self, columns: float, rows: float) -> None:
        """Look further right and down by shares of the view; negative is left and up."""
        width, height = self.view.viewport
        dx, dy = self.view.along_slide(columns * width, rows * height)
        self.center_on(self.view.center_x + dx, self.view.center_y + dy)

    def rotate(self, degrees: int) -> None:
        """Turn the slide clockwise on the screen by a multiple of 90 degrees; a fitted view is fitted anew."""
        if self._document.slide is None:
            return
        untouched = self._goal is not None and self._goal.position == self._position()
        self.view.rotation = (self.view.rotation + degrees) % 360
        if untouched and self._goal is not None:
            self._show(self._goal.rect)
        else:
            self._keep_in_sight()

    def center_on(self, x_slide: float, y_slide: float) -> None:
        """Bring a point of the slide to the middle, as far as the slide stays in sight."""
        if self._document.slide is None:
            return
        self.view.center_x, self.view.center_y = x_slide, y_slide
        self._keep_in_sight()

    def slide_from_window(self, x: float, y: float) -> tuple[float, float]:
        """The slide point under a point in window coordinates."""
        view, ratio = self.view, self.pixel_ratio
        return view.slide_from_viewport(x * ratio - view.offset[0], y * ratio - view.offset[1])

    def window_from_slide(self, x_slide: float, y_slide: float) -> tuple[float, float]:
        """Where a slide point is drawn, in window coordinates."""
        view, ratio = self.view, self.pixel_ratio
        x, y = view.viewport_from_slide(x_slide, y_slide)
        return (x + view.offset[0]) / ratio, (y + view.offset[1]) / ratio

    def windows_from_slide(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where many slide points (N, 2; x, y) are drawn, in window coordinates."""
        x, y = np.asarray(points, np.float64).reshape(-1, 2).T
        return np.column_stack(self.window_from_slide(x, y))

    @property
    def slide_per_window(self) -> float:
        """Slide pixels to one window unit."""
        return self.view.scale * self.pixel_ratio

    @property
    def slide_per_unit(self) -> float:
        """Slide pixels to one unit of the design."""
        return self.slide_per_window * self.unit

    def _position(self) -> tuple[float, float, float, float]:
        return self.view.center_x, self.view.center_y, self.view.scale, self.view.rotation

    def _show(self, rect: Rect | None) -> None:
        slide, view = self._document.slide, self.view
        if slide is None:
            return
        if rect is None:
            view.show(slide.bounds)
        else:
            view.scale = self._bounded(max(rect[2] / view.span[0], rect[3] / view.span[1]))
            view.center_x, view.center_y = rect[0] + rect[2] / 2, rect[1] + rect[3] / 2
            self._keep_in_sight()
        self._goal = _Goal(rect, self._position())

    def _rescale(self, scale: float) -> None:
        view = self.view
        if self._document.slide is None:
            return
        view.scale = self._bounded(scale)
        if view.scale == 1.0:
            view.center_x = round(view.center_x - view.span[0] / 2) + view.span[0] / 2
            view.center_y = round(view.center_y - view.span[1] / 2) + view.span[1] / 2
        self._keep_in_sight()

    def _zoom(self, x_px: float, y_px: float, factor: float) -> None:
        """Divide the scale by a factor, keeping what is at (x_px, y_px) of the viewport."""
        view = self.view
        if self._document.slide is None or factor <= 0:
            return
        scale = self._bounded(view.scale / factor)
        before = view.slide_from_viewport(x_px, y_px)
        view.scale = scale
        after = view.slide_from_viewport(x_px, y_px)
        view.center_x, view.center_y = view.center_x + before[0] - after[0], view.center_y + before[1] - after[1]
        self._keep_in_sight()

    def _bounded(self, scale: float) -> float:
        slide = self._document.slide
        if slide is None:
            return scale
        across, down = self.view.span
        fitted = max(slide.size[0] / across, slide.size[1] / down)
        weakest = UM_AT_1X / POWERS[0] / slide.mpp if slide.mpp is not None else 1.0
        return min(max(scale, SCALE_MIN), max(_FAR * fitted, 1.0, weakest))

    def _keep_in_sight(self) -> None:
        slide, view = self._document.slide, self.view
        if slide is not None:
            view.center_x = _kept(view.center_x, view.span[0] * view.scale, slide.size[0])
            view.center_y = _kept(view.center_y, view.span[1] * view.scale, slide.size[1])


def _kept(center: float, seen: float, length: float) -> float:
    """A centre with which `seen` slide pixels around it still show enough of a slide `length` long."""
    reach = seen / 2 - min(length, _KEEP * seen)
    return min(max(center, -reach), length + reach)
