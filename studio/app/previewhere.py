"""An offer over the part of the view that the preview on screen doesn't reach: press, and it is previewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.gui.control import Rect
from studio.gui.gui import Gui
from studio.session import Session

if TYPE_CHECKING:
    from studio.app.camera import Camera
    from studio.app.shortcuts import Command

LABEL = "Preview here"
WIDTH, HEIGHT = 190, 30
MARGIN = 14


class PreviewHere:
    """Draws over the slide's area; keeps nothing."""

    def __init__(self, session: Session, camera: Camera, preview: Command) -> None:
        self._session, self._camera, self._preview = session, camera, preview

    def draw(self, gui: Gui, area: Rect) -> None:
        """Draw the offer, if there is one, in the middle of what it is about."""
        part = self._session.preview_offer
        if part is None:
            return
        px = gui.chrome.px
        width, height, margin = px(WIDTH), px(HEIGHT), px(MARGIN)
        if area[2] < width + 2 * margin or area[3] < height + 2 * margin:
            return
        x, y = self._camera.window_from_slide(part[0] + part[2] / 2, part[1] + part[3] / 2)
        left = min(max(x - width / 2, area[0] + margin), area[0] + area[2] - margin - width)
        top = min(max(y - height / 2, area[1] + margin), area[1] + area[3] - margin - height)
        rect = (round(left), round(top), width, height)
        keys = self._preview.keys
        with gui.chrome.panel("view"), gui.chrome.window("preview here", rect, color=gui.theme.card, rounding=6):
            gui.chrome.move_to(rect[0], rect[1])
            tip = f"Segment what is in view ({keys}). The tiles that are known already aren't computed again."
            if gui.ui.button(LABEL, shown=f"{LABEL} ({keys})", width=width, primary=True, tooltip=tip):
                self._preview.run()
