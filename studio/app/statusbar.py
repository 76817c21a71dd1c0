"""The bar at the window's bottom: cells, pointer position, magnification, zoom buttons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.app.camera import POWERS, UM_AT_1X
from studio.app.toolbox import HINTS
from studio.gui.control import Entry, Rect
from studio.gui.gui import Gui
from studio.session import Session

if TYPE_CHECKING:
    from studio.app.camera import Camera
    from studio.app.shortcuts import Command

HEIGHT = 30

ROOM_FOR_POWERS = 700
"""Width at the left of the other buttons, in units of the design, below which objectives are a list."""

_BUTTONS = (
    ("rotate_right", "Rotate", "rotate", ""),
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


def shorter_hints(hint: str) -> list[str]:
    """A hint of several sentences, whole and without its last ones."""
    sentences = hint.split(". ")
    return [". ".join(sentences[:count]) for count in range(len(sentences), 0, -1)]


def fitting(left: Sequence[str], right: Sequence[str], fits: Callable[[str, str], bool]) -> tuple[str, str]:
    """The longest of the texts at the left, and beside it the longest at the right, that fit.

    Where none do, the shortest at the left alone.
    """
    pairs = ((one, two) for one in left for two in right)
    return next((pair for pair in pairs if fits(*pair)), (left[-1], ""))


@dataclass(frozen=True, slots=True)
class _Button:
    """A button of the bar."""

    command: Command
    label: str
    icon: str
    text: str
    width: int
    tip: str
    active: bool = False


class StatusBar:
    """Draws the bar; keeps nothing."""

    def __init__(self, session: Session, camera: Camera, commands: Sequence[Command]) -> None:
        self._session = session
        self._camera = camera
        self._commands = {command.name: command for command in commands}
        self._zoom = [
            _Button(command, label, icon, text, 26 if icon else 42, f"{command.title} ({command.keys})")
            for name, label, icon, text in _BUTTONS
            if (command := self._commands.get(name)) is not None
        ]

    def draw(self, gui: Gui, rect: Rect, pointer: tuple[float, float] | None) -> None:
        """Draw it into `rect` (window coordinates)."""
        px = gui.chrome.px
        with gui.chrome.panel("view"), gui.chrome.window("status", rect, color=gui.theme.chrome):
            gui.ui.paint.line(rect[:2], (rect[0] + rect[2], rect[1]), gui.theme.border)
            right = self._buttons(gui, rect, rect[0] + rect[2] - px(8), self._zoom)
            listed = right - rect[0] <= px(ROOM_FOR_POWERS)
            if not listed:
                right = self._buttons(gui, rect, right - px(10), self._powers())
            right = self._zoom_text(gui, rect, right - px(6), listed=listed)
            self._words(gui, (rect[0] + px(14), rect[1], right - rect[0] - px(28), rect[3]), pointer)

    def _powers(self) -> list[_Button]:
        """A button for each objective, the one in use lit."""
        mpp, buttons = self._camera.mpp, []
        for power in POWERS:
            active = mpp is not None and abs(mpp * power / UM_AT_1X - 1) < 0.005
            command = self._commands[f"power_{power:g}"]
            tip = f"Look as through a {power:g}× objective: {UM_AT_1X / power:g} µm per pixel ({command.keys})"
            tip = self._why_no_mpp() or tip
            buttons.append(_Button(command, f"{power:g}×", "", f"{power:g}×", 42 if power < 5 else 34, tip, active))
        return buttons

    def _why_no_mpp(self) -> str:
        """Why magnifications mean nothing, in words; empty where they do."""
        if self._camera.mpp is not None:
            return ""
        if not self._camera.has_slide:
            return "Open a slide first."
        return "The slide doesn't say how large a pixel is: set it in the Slide panel."

    def _buttons(self, gui: Gui, rect: Rect, right: float, buttons: Sequence[_Button]) -> float:
        """Buttons that end at `right`; where they begin."""
        px = gui.chrome.px
        height = px(24)
        left = x = right - sum(px(button.width) for button in buttons) - px(2) * (len(buttons) - 1)
        for button in buttons:
            width = px(button.width)
            if button.active:
                place = (x, rect[1] + (rect[3] - height) / 2, width, height)
                gui.ui.paint.fill(place, gui.theme.selection, px(5))
            gui.chrome.move_to(x, rect[1] + (rect[3] - height) / 2)
            x += width + px(2)
            if gui.ui.flat_button(
                button.label, width, height, icon=button.icon, text=button.text, enabled=button.command.enabled(),
                tooltip=button.tip,
            ):  # fmt: skip
                button.command.run()
        return left

    def _zoom_text(self, gui: Gui, rect: Rect, right: float, *, listed: bool) -> float:
        """How close the view is; pressed, it asks how close it should be, or lists objectives. Where it begins."""
        px, text = gui.chrome.px, self._magnification()
        width = px((190 if self._camera.view.rotation else 150) + (16 if listed else 0))
        if not text or right - width < rect[0] + px(20):
            return right
        gui.chrome.move_to(right - width, rect[1] + px(3))
        command = self._commands["zoom_mpp"]
        tip = self._why_no_mpp() or f"{command.title} ({command.keys})"
        if listed:
            self._power_list(gui, width, text, tip)
        elif gui.ui.flat_button("Zoom", width, px(24), text=text, enabled=command.enabled(), tooltip=tip):
            command.run()
        return right - width

    def _power_list(self, gui: Gui, width: float, text: str, tip_of_exact: str) -> None:
        """What the buttons of the objectives do, where there is no room for them."""
        powers, exact = self._powers(), self._commands["zoom_mpp"]
        entries = [Entry(each.label, each.command.enabled(), each.tip, each.active) for each in powers]
        entries.append(Entry(exact.title, exact.enabled(), tip_of_exact))
        tip = "How close the view is, and objectives to choose from."
        chosen = gui.ui.flat_menu_button("Zoom", width, gui.chrome.px(24), entries, text=text, tooltip=tip)
        if chosen is not None:
            [*(power.command for power in powers), exact][chosen].run()

    def _words(self, gui: Gui, rect: Rect, pointer: tuple[float, float] | None) -> None:
        """A hint, or what cells there are, at the left; where the pointer is at the right: as much as there is room."""
        paint, small = gui.ui.paint, gui.state.fonts.small
        hint = HINTS.get(self._session.document.tool, "")
        left = shorter_hints(hint) if hint else self._cells()
        # What a tool wants is worth more than where the pointer is.
        right = [*self._position(pointer), *([""] if hint else [])]
        gap = gui.chrome.px(20)

        def fits(*texts: str) -> bool:
            return sum(paint.text_width(text, small) for text in texts) + gap <= rect[2]

        words, place = fitting(left, right, fits)
        if rect[2] < gap:
            return
        paint.text_in(rect, words, gui.theme.text if hint else gui.theme.dim, font=small)
        paint.text_in(rect, place, gui.theme.text, font=small, align=1.0)

    def _magnification(self) -> str:
        if self._session.document.slide is None:
            return ""
        text = magnification_text(self._camera.view.scale, self._camera.mpp)
        rotation = self._camera.view.rotation
        return f"{text}     {rotation}°" if rotation else text

    def _position(self, pointer: tuple[float, float] | None) -> list[str]:
        """Where the pointer is, in full and short; empty where it isn't over the slide."""
        slide = self._session.document.slide
        if slide is None or pointer is None:
            return [""]
        x, y = self._camera.slide_from_window(*pointer)
        if not (0 <= x < slide.size[0] and 0 <= y < slide.size[1]):
            return [""]
        return [position_text(x, y, slide.mpp), position_text(x, y, None)]

    def _cells(self) -> list[str]:
        """What cells there are, in full and ever shorter."""
        overlay = self._session.document.overlay
        if overlay is None:
            return [""]
        run = "whole slide" if overlay.searched is None else "regions"
        live = "run under way" if self._session.segmenting else "unfinished run"
        origin = {"preview": "preview", "run": run, "live": live}.get(overlay.origin)
        name = origin or (overlay.path.name if overlay.path is not None else overlay.origin)
        count, selected = f"{overlay.source.cells:,} cells", self._session.selection.selected
        if selected is None:
            return [f"{count}, {name}", count]
        return [f"{count}, {name}     {selected.text}", f"{count}     {selected.text}", selected.text, selected.title]
