"""What the window shows while no slide is open: what can be opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from studio.gui.control import Rect
from studio.gui.gui import Gui
from studio.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 480
_RECENT_MAX = 6
_HEAD = 190
_ROW = 35


class Welcome:
    """Draws the view; keeps nothing."""

    def __init__(self, session: Session, open_file: Callable[[], None]) -> None:
        """`open_file` shows the file dialog."""
        self._session = session
        self._open_file = open_file

    def draw(self, gui: Gui, area: Rect) -> None:
        """Draw it into `area` (window coordinates), in its middle."""
        px, chrome = gui.chrome.px, gui.chrome
        recent = self._session.settings.recent[:_RECENT_MAX]
        with chrome.panel("view"), chrome.window("welcome", area, color=gui.theme.panel):
            width = min(px(WIDTH), area[2] - 2 * px(24))
            height = px(_HEAD + 76) + (px(44 + _ROW * len(recent)) if recent else 0.0)
            left = area[0] + (area[2] - width) / 2
            top = area[1] + max(px(12), (area[3] - height) * 0.42)
            chrome.move_to(left, top)
            with chrome.column("welcome", width, area[1] + area[3] - top):
                self._head(gui)
                self._recent(gui, recent)
                self._hint(gui)

    def _head(self, gui: Gui) -> None:
        ui, px = gui.ui, gui.chrome.px
        x, y = gui.chrome.cursor
        side = px(52)
        ui.paint.fill((x, y, side, side), gui.theme.accent, px(12))
        ui.paint.icon_in((x, y, side, side), "cell", gui.theme.on_accent, large=True)
        words = (x + side + px(16), y, ui.room - side - px(16), side)
        ui.paint.text_in((*words[:3], px(30)), "Studio", gui.theme.text, font=gui.state.fonts.title)
        ui.paint.text_in(
            (words[0], y + px(29), words[2], px(22)), "Whole-slide images and the cells in them", gui.theme.dim
        )
        gui.chrome.move_to(x, y + side + px(26))
        with ui.grid(2):
            if ui.button("Open…", primary=True, tooltip="A slide, or a result file of this program (Ctrl+O)"):
                self._open_file()
            if ui.button("Sample slide", tooltip="A piece of skin, stained with H&E, that comes with the program"):
                self._session.open_path(self._session.sample_slide())
        ui.spacing(14)

    def _recent(self, gui: Gui, recent: list[str]) -> None:
        if not recent:
            return
        gui.ui.text("Recent", dim=True)
        for path in recent:
            place = Path(path)
            if gui.ui.row(place.name, icon="history", detail=str(place.parent), middle=True, tooltip=path):
                self._session.open_path(place)
        gui.ui.spacing(10)

    def _hint(self, gui: Gui) -> None:
        gui.ui.separator()
        gui.ui.spacing(2)
        gui.ui.text("Or drop files on this window: slides, and .zip files with cells.", dim=True)
