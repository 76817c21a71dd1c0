"""What lies over the slide: scale bar, minimap, and work under way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.app.legend import draw_legends
from studio.gui.control import Rect
from studio.gui.gui import Gui
from studio.session import Session
from studio.session.text import job_fraction, job_text

if TYPE_CHECKING:
    from studio.app.camera import Camera
    from studio.core.jobs import Job

MARGIN = 14
SCALE_BAR_MAX = 150
SCALE_BAR_HEIGHT = 38
MINIMAP_MAX = 180
MINIMAP_MIN = 50
STRIP_WIDTH = 460
STRIP_HEIGHT = 62
_STRIPS_MAX = 3

PANEL_OF_JOBS = "cellseg"
"""Its drawer shows the jobs that it starts; the strip is for when it is closed."""

_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """A round length and how long it is on the screen."""

    text: str
    width: float
    """In window units."""


def scale_bar(units_per_unit: float, unit: str, longest: float) -> ScaleBar:
    """The longest round bar that is no wider than `longest` window units.

    `units_per_unit` is how many µm (or px) one window unit spans.
    """
    reach = units_per_unit * longest
    power = 10.0 ** math.floor(math.log10(reach))
    length = max(step * power for step in _STEPS if step * power <= reach * (1 + 1e-9))
    return ScaleBar(length_text(length, unit), length / units_per_unit)


def length_text(length: float, unit: str) -> str:
    """A length as people write it: `500 nm`, `20 µm`, `1 mm`."""
    if unit == "µm" and length >= 1000:
        return f"{length / 1000:g} mm"
    if unit == "µm" and length < 1:
        return f"{length * 1000:g} nm"
    return f"{length:,.10g} {unit}"


class Hud:
    """Draws over the slide's area; keeps nothing."""

    def __init__(self, session: Session, camera: Camera) -> None:
        self._session = session
        self._camera = camera

    def draw(self, gui: Gui, area: Rect, minimap: tuple[int, tuple[int, int]] | None) -> None:
        """Draw scale bar and minimap of the open slide. `minimap` is a GL texture and its size."""
        if self._session.document.slide is None:
            return
        with gui.chrome.panel("view"):
            self._scale_bar(gui, area)
            draw_legends(gui, area, self._session.document, MARGIN)
            if self._session.settings.minimap:
                self._minimap(gui, area, minimap)

    def draw_jobs(self, gui: Gui, area: Rect, open_panel: str | None) -> Rect:
        """Draw what is under way and isn't shown by the open panel; the part of `area` above it."""
        session, px = self._session, gui.chrome.px
        jobs = [] if open_panel == PANEL_OF_JOBS else session.active_jobs[:_STRIPS_MAX]
        bottom = area[1] + area[3] - px(MARGIN)
        if area[2] < px(STRIP_WIDTH + 2 * (SCALE_BAR_MAX + 40)) and session.document.slide is not None:
            bottom -= px(SCALE_BAR_HEIGHT + 10)
        top = bottom
        with gui.chrome.panel("view"):
            for number, job in enumerate(jobs):
                height = px(STRIP_HEIGHT)
                self._strip(gui, job, number, _centered(gui, area, top - height, STRIP_WIDTH, height))
                top -= height + px(8)
            if session.loading and not jobs:
                top -= px(34)
                self._opening(gui, _centered(gui, area, top, 150, px(34)))
        return area if top == bottom else (*area[:3], max(1.0, top - area[1]))

    def _scale_bar(self, gui: Gui, area: Rect) -> None:
        px, camera = gui.chrome.px, self._camera
        mpp = camera.mpp
        per_pixel, unit = (mpp, "µm") if mpp is not None else (camera.view.scale, "px")
        bar = scale_bar(per_pixel * camera.pixel_ratio, unit, px(SCALE_BAR_MAX))
        width, height = bar.width + px(24), px(SCALE_BAR_HEIGHT)
        rect = (area[0] + px(MARGIN), area[1] + area[3] - px(MARGIN) - height, width, height)
        if rect[2] > area[2] or rect[3] > area[3]:
            return
        theme, paint = gui.theme, gui.ui.paint
        with gui.chrome.window("scale bar", rect, color=theme.card, rounding=6):
            left, right = rect[0] + px(12), rect[0] + px(12) + bar.width
            y = rect[1] + height - px(11)
            paint.text_in((rect[0], rect[1] + px(4), width, px(18)), bar.text, theme.text, align=0.5, elide=False)
            paint.fill((left, y, right - left, px(2)), theme.text)
            for x in (left, right - px(2)):
                paint.fill((x, y - px(4), px(2), px(6)), theme.text)

    def _minimap(self, gui: Gui, area: Rect, minimap: tuple[int, tuple[int, int]] | None) -> None:
        slide = self._session.document.slide
        if slide is None:
            return
        px, theme, paint = gui.chrome.px, gui.theme, gui.ui.paint
        longest = min(px(MINIMAP_MAX), 0.3 * area[2], 0.4 * area[3])
        if longest < px(MINIMAP_MIN):
            return
        factor = longest / max(slide.size)
        # A very long slide still leaves something to click.
        width, height = (max(px(24), round(side * factor)) for side in slide.size)
        border = px(4)
        left = area[0] + area[2] - px(MARGIN) - width - 2 * border
        top = area[1] + px(MARGIN)
        box = (left, top, width + 2 * border, height + 2 * border)
        with gui.chrome.window("minimap", box, color=theme.card, rounding=6):
            gui.chrome.move_to(left + border, top + border)
            hit = gui.ui.surface("Minimap", width, height, kind="minimap")
            if minimap is not None:
                paint.image(minimap[0], hit.rect)
            if hit.hovered or hit.held:
                gui.state.cursor = "hand"
            if hit.held:
                self._look_at(gui, hit.rect)
            self._view_frame(gui, hit.rect)

    def _look_at(self, gui: Gui, rect: Rect) -> None:
        """Bring what the pointer is on to the middle of the view."""
        slide = self._session.document.slide
        if slide is None:
            return
        x, y = gui.pointer
        across, down = (x - rect[0]) / rect[2], (y - rect[1]) / rect[3]
        self._camera.center_on(min(1.0, max(0.0, across)) * slide.size[0], min(1.0, max(0.0, down)) * slide.size[1])

    def _view_frame(self, gui: Gui, rect: Rect) -> None:
        """Outline what is in view; a cross where that would be too small to see."""
        slide = self._session.document.slide
        if slide is None:
            return
        left, top, width, height = rect
        x, y, w, h = self._camera.view.rect_slide
        scale_x, scale_y = width / slide.size[0], height / slide.size[1]
        first = (max(left, left + x * scale_x), max(top, top + y * scale_y))
        last = (min(left + width, left + (x + w) * scale_x), min(top + height, top + (y + h) * scale_y))
        if last[0] <= first[0] or last[1] <= first[1]:
            return
        paint, accent = gui.ui.paint, gui.theme.accent_hover
        least = gui.chrome.px(6)
        size = [max(least, last[0] - first[0]), max(least, last[1] - first[1])]
        at = [(first[0] + last[0] - size[0]) / 2, (first[1] + last[1] - size[1]) / 2]
        frame = (at[0], at[1], size[0], size[1])
        with paint.clipped(rect):
            if size[0] * size[1] < 0.9 * width * height:
                paint.fill(frame, (*accent[:3], 0.16))
            paint.frame(frame, accent, thickness=max(1.5, gui.chrome.px(2)))
            self._mark_top(gui, frame)

    def _mark_top(self, gui: Gui, frame: Rect) -> None:
        """Where the view is turned, a thicker side says which one is up on the screen."""
        rotation = self._camera.view.rotation
        if not rotation:
            return
        left, top, width, height = frame
        thick = gui.chrome.px(4)
        side = {
            90: (left, top, thick, height),
            180: (left, top + height - thick, width, thick),
            270: (left + width - thick, top, thick, height),
        }[rotation]
        gui.ui.paint.fill(side, gui.theme.accent_hover)

    def _strip(self, gui: Gui, job: Job, number: int, rect: Rect) -> None:
        """One job: what it does, how far it is, and a button to stop it."""
        px, theme, ui = gui.chrome.px, gui.theme, gui.ui
        with gui.chrome.window(f"job {number}", rect, color=theme.card, rounding=8, border=True):
            left, top, width, height = rect
            button = px(84)
            inner = width - button - 3 * px(12)
            title = job.message or job.title
            ui.paint.text_in((left + px(12), top + px(7), inner, px(20)), title, theme.text, middle=True)
            gui.chrome.move_to(left + px(12), top + px(31))
            ui.bar(job_fraction(job), inner)
            words = (left + px(12), top + px(38), inner, px(18))
            ui.paint.text_in(words, job_text(job), theme.dim, font=gui.state.fonts.small)
            gui.chrome.move_to(left + width - px(12) - button, top + (height - px(28)) / 2)
            label = "Cancel" if number == 0 else f"Cancel {job.title.lower()}"
            tip = f"Stop: {title}"
            if ui.button(label, shown="Cancel", enabled=not job.cancel_asked, width=button, tooltip=tip):
                self._session.cancel(job)

    def _opening(self, gui: Gui, rect: Rect) -> None:
        with gui.chrome.window("opening", rect, color=gui.theme.card, rounding=8, border=True):
            gui.ui.paint.text_in(rect, "Opening…", gui.theme.text, align=0.5)


def _centered(gui: Gui, area: Rect, top: float, width: float, height: float) -> Rect:
    """A place across the middle of the area; `width` is of the design."""
    wide = min(gui.chrome.px(width), area[2] - 2 * gui.chrome.px(MARGIN))
    return round(area[0] + (area[2] - wide) / 2), top, max(1.0, wide), height
