"""The bar at the window's bottom: cells, pointer position, magnification, zoom buttons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from studio.app.toolbox import HINTS
from studio.gui.control import Rect
from studio.gui.gui import Gui
from studio.session import Session

if TYPE_CHECKING:
    from studio.app.camera import Camera
    from studio.app.shortcuts import Command

HEIGHT = 30

UM_AT_1X = 10.0
"""Micrometres per pixel that count as 1x: 40x scanners give about 0.25."""

_BUTTONS = (
    ("zoom_out", "Zoom out", "minus", ""),
    ("zoom_in", "Zoom in", "plus", ""),
    ("fit", "Fit", "", "Fit"),
    ("one_to_one", "1:1", "", "1:1"),
)
"""Command, label, icon or text."""


def position_text(x_slide: float, y_slide: float, mpp: float | None) -> str:
    """A slide point in pixels, and in µm where the pixel size is known."""
    text = f"{x_slide:,.0f}, {y_slide:,.0f} px"
    return text if mpp is None else f"{text}     {x_slide * mpp:,.1f}, {y_slide * mpp:,.1f} µm"


def magnification_text(scale: float, mpp_screen: float | None) -> str:
    """How close the view is: as on a microscope where the pixel size is known, else in per cent of 1:1."""
    if mpp_screen is None:
        return f"{100 / scale:,.3g} %"
    power = UM_AT_1X / mpp_screen
    text = f"{power:.0f}×" if power >= 10 else f"{power:.1f}×" if power >= 1 else f"{power:.2f}×"
    return f"{text}     {mpp_screen:.3g} µm/px"


class StatusBar:
    """Draws the bar; keeps nothing."""

    def __init__(self, session: Session, camera: Camera, commands: Sequence[Command]) -> None:
        self._session = session
        self._camera = camera
        self._commands = {command.name: command for command in commands}

    def draw(self, gui: Gui, rect: Rect, pointer: tuple[float, float] | None) -> None:
        """Draw it into `rect` (window coordinates)."""
        px = gui.chrome.px
        with gui.chrome.panel("view"), gui.chrome.window("status", rect, color=gui.theme.chrome):
            gui.ui.paint.line(rect[:2], (rect[0] + rect[2], rect[1]), gui.theme.border)
            right = self._buttons(gui, rect)
            right = self._words(gui, rect, right - px(14), self._magnification(), 170)
            right = self._words(gui, rect, right, self._position(pointer), 330)
            left = rect[0] + px(14)
            if right - left > px(60):
                place = (left, rect[1], right - left, rect[3])
                hint = HINTS.get(self._session.document.tool)
                color = gui.theme.text if hint else gui.theme.dim
                gui.ui.paint.text_in(place, hint or self._cells(), color, font=gui.state.fonts.small)

    def _buttons(self, gui: Gui, rect: Rect) -> float:
        """The zoom buttons, at the right end; their left edge."""
        px = gui.chrome.px
        height = px(24)
        widths = [px(26) if icon else px(42) for _, _, icon, _ in _BUTTONS]
        left = rect[0] + rect[2] - px(8) - sum(widths) - px(4) * (len(widths) - 1)
        x = left
        for (name, label, icon, text), width in zip(_BUTTONS, widths, strict=True):
            command = self._commands.get(name)
            gui.chrome.move_to(x, rect[1] + (rect[3] - height) / 2)
            x += width + px(4)
            if command is None:
                continue
            tip = f"{command.title} ({command.keys})"
            if gui.ui.flat_button(label, width, height, icon=icon, text=text, enabled=command.enabled(), tooltip=tip):
                command.run()
        return left

    def _words(self, gui: Gui, rect: Rect, right: float, text: str, width: float) -> float:
        """Text that ends at `right`, if there is room for it; where it begins."""
        px = gui.chrome.px
        if right - px(width) < rect[0] + px(20):
            return right
        place = (right - px(width), rect[1], px(width), rect[3])
        gui.ui.paint.text_in(place, text, gui.theme.text, font=gui.state.fonts.small, align=1.0)
        return right - px(width)

    def _magnification(self) -> str:
        if self._session.document.slide is None:
            return ""
        return magnification_text(self._camera.view.scale, self._camera.mpp)

    def _position(self, pointer: tuple[float, float] | None) -> str:
        slide = self._session.document.slide
        if slide is None or pointer is None:
            return ""
        x, y = self._camera.slide_from_window(*pointer)
        if not (0 <= x < slide.size[0] and 0 <= y < slide.size[1]):
            return ""
        return position_text(x, y, slide.mpp)

    def _cells(self) -> str:
        overlay = self._session.document.overlay
        if overlay is None:
            return ""
        origin = {"preview": "preview", "run": "whole slide"}.get(overlay.origin)
        name = origin or (overlay.path.name if overlay.path is not None else overlay.origin)
        return f"{overlay.source.cells:,} cells, {name}"
