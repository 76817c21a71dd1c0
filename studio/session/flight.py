"""Bringing a cell into view."""

from __future__ import annotations

from studio.document import View

CELL_PX = 48.0
"""Diameter on the screen of a cell that was flown to from far away."""

CLOSEST = 1 / 4
"""Slide pixels to a screen pixel: closer there is nothing more to see, and less around the cell."""

_SMALL_PX, _LARGE_SHARE = 24.0, 0.25


def fly_to(view: View, x: float, y: float, diam_slide: float) -> None:
    """Bring a point of the slide to the middle; come closer, or go back, where a cell there could hardly be seen."""
    view.center_x, view.center_y = x, y
    on_screen = diam_slide / view.scale
    if diam_slide > 0 and not _SMALL_PX <= on_screen <= _LARGE_SHARE * min(view.viewport):
        view.scale = max(CLOSEST, diam_slide / CELL_PX)
