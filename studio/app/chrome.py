"""Everything around the slide: menu, sidebar, drawer, status bar, and what lies over it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio.app.comparing import Comparing
from studio.app.dialogs import Dialogs
from studio.app.host import PanelHost
from studio.app.hud import MARGIN, SCALE_BAR_HEIGHT, SCALE_BAR_MAX, STRIP_WIDTH, Hud
from studio.app.menu import Menu
from studio.app.previewhere import PreviewHere
from studio.app.statusbar import HEIGHT as STATUS_HEIGHT
from studio.app.statusbar import StatusBar
from studio.app.toasts import WIDTH as TOAST_WIDTH
from studio.app.toasts import draw_toasts
from studio.app.welcome import Welcome
from studio.gui.control import Rect
from studio.gui.gui import Gui
from studio.gui.panel import PanelSpec
from studio.session import Session

if TYPE_CHECKING:
    from studio.app.camera import Camera
    from studio.app.shortcuts import Command

SIDEBAR_WIDTH = 48
DRAWER_WIDTH = 340
TITLE_HEIGHT = 40

SLIDE_WIDTH_MIN = 200
"""A drawer narrows before the slide has less than this."""

DRAWER_WIDTH_MIN = 240
"""It doesn't get narrower than this: its fields would have no room."""

_AT_THE_BOTTOM = ("settings", "extensions")
"""Panels about the program rather than the slide: their icons stand apart."""


class Chrome:
    """Draws the window's frame; the slide gets what is left."""

    def __init__(self, session: Session, host: PanelHost, commands: Sequence[Command], camera: Camera) -> None:
        self._session = session
        self._host = host
        self._dialogs = Dialogs(session, commands)
        self._hud = Hud(session, camera)
        self._comparing = Comparing(session)
        self._menu = Menu(session, host, commands, self._dialogs.show_about)
        self._status = StatusBar(session, camera, commands)
        by_name = {command.name: command for command in commands}
        self._welcome = Welcome(session, by_name["open"].run)
        self._preview_here = PreviewHere(session, camera, by_name["preview"])
        self._dropped: list[Path] = []

    def draw(
        self, gui: Gui, scene_minimap: tuple[int, tuple[int, int]] | None, pointer: tuple[float, float] | None
    ) -> Rect:
        """Draw it for one frame; left, top, width, height (window coordinates) of what is left for the slide.

        `scene_minimap` is a GL texture of the whole slide and its size,
        `pointer` where the mouse is while it is over the slide.
        """
        gui.state.on_refused = lambda why: self._session.notify("error", why)
        self._take_drops(gui)
        width, height = gui.chrome.size
        px = gui.chrome.px
        top = self._menu.draw(gui)
        bottom = height - px(STATUS_HEIGHT)
        side = px(SIDEBAR_WIDTH)
        self._sidebar(gui, (0, top, side, bottom - top))
        left = side + self._drawer(gui, side, top, bottom)
        area = (left, top, max(1.0, width - left), max(1.0, bottom - top))
        self._status.draw(gui, (0, bottom, width, height - bottom), pointer)
        if self._session.document.slide is None:
            self._welcome.draw(gui, area)
        else:
            self._comparing.draw(gui, area, MARGIN)
            self._hud.draw(gui, area, scene_minimap)
            self._preview_here.draw(gui, area)
        shown = self._host.open_spec
        free = self._hud.draw_jobs(gui, area, shown.name if shown is not None else None)
        self._dialogs.draw(gui)
        if area[2] >= px(2 * TOAST_WIDTH + STRIP_WIDTH + 60):
            # Side by side: there is room for both.
            free = area
        elif (
            free == area and area[2] < px(TOAST_WIDTH + SCALE_BAR_MAX + 60) and self._session.document.slide is not None
        ):
            # Over the scale bar, not on it.
            free = (*area[:3], max(1.0, area[3] - px(SCALE_BAR_HEIGHT + 10)))
        draw_toasts(gui, self._session, free)
        return area

    def drop(self, paths: Sequence[Path]) -> None:
        """Take dropped files: panels may have them first (in the next `draw`), the session opens the rest."""
        self._dropped.extend(paths)

    def escape(self) -> bool:
        """Close a dialog or a page of help. Whether one was open."""
        return self._dialogs.escape()

    def toggle_help(self) -> None:
        """Show or hide the page of shortcuts."""
        self._dialogs.toggle_help()

    def _take_drops(self, gui: Gui) -> None:
        if not self._dropped:
            return
        dropped, self._dropped = self._dropped, []
        rest = [path for path in dropped if not self._host.on_drop(gui.ui, path)]
        if rest:
            self._session.open_many(rest)

    def _sidebar(self, gui: Gui, rect: Rect) -> None:
        """Icons of the panels; a click opens a drawer or closes it."""
        specs = self._host.enabled
        upper = [spec for spec in specs if spec.name not in _AT_THE_BOTTOM]
        lower = [spec for spec in specs if spec.name in _AT_THE_BOTTOM]
        left, top, width, height = rect
        air = gui.chrome.px(6)
        # In a low window icons are smaller rather than one over another.
        side = max(1.0, min(width, (height - 2 * air) / max(1, len(specs))))
        x = left + (width - side) / 2
        with gui.chrome.panel("sidebar"), gui.chrome.window("sidebar", rect, color=gui.theme.chrome):
            gui.ui.paint.line((left + width - 1, top), (left + width - 1, top + height), gui.theme.border)
            for number, spec in enumerate(upper):
                self._icon(gui, spec, (x, top + air + number * side), side)
            for number, spec in enumerate(reversed(lower)):
                self._icon(gui, spec, (x, top + height - air - (number + 1) * side), side)

    def _icon(self, gui: Gui, spec: PanelSpec, at: tuple[float, float], side: float) -> None:
        shown = self._host.open_spec
        active = shown is not None and shown.name == spec.name
        gui.chrome.move_to(*at)
        working = spec.name == "cellseg" and bool(self._session.active_jobs)
        tip = (
            f"{spec.title} (stopped: {self._host.errors[spec.name]})" if spec.name in self._host.errors else spec.title
        )
        if gui.ui.nav_button(spec.title, spec.icon, active=active, tooltip=tip, side=side, marked=working):
            self._host.toggle(spec.name)

    def _drawer(self, gui: Gui, left: float, top: float, bottom: float) -> float:
        """The open panel; its width, 0 while none is open."""
        spec = self._host.open_spec
        px = gui.chrome.px
        room = gui.chrome.size[0] - left - px(SLIDE_WIDTH_MIN)
        width = max(px(DRAWER_WIDTH_MIN), min(px(DRAWER_WIDTH), room))
        if spec is None:
            self._host.draw(gui.ui)
            return 0.0
        rect = (left, top, width, bottom - top)
        with gui.chrome.window("drawer", rect):
            edge = left + width - 1
            gui.ui.paint.line((edge, top), (edge, bottom), gui.theme.border)
            self._title(gui, spec, rect)
            gui.chrome.move_to(left, top + px(TITLE_HEIGHT))
            with gui.chrome.scrolled(spec.name, padding=(14, 2)):
                self._host.draw(gui.ui)
        return width

    def _title(self, gui: Gui, spec: PanelSpec, rect: Rect) -> None:
        px = gui.chrome.px
        left, top, width, _ = rect
        place = (left + px(14), top, width - px(56), px(TITLE_HEIGHT))
        gui.ui.paint.text_in(place, spec.title, gui.theme.text, font=gui.state.fonts.heading)
        gui.chrome.move_to(left + width - px(36), top + px(7))
        with gui.chrome.panel("sidebar"):
            if gui.ui.icon_button("Close panel", "close", tooltip="Close this panel"):
                self._host.close()
