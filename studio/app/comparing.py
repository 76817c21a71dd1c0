"""Over the slide while two segmentations are compared: the divider, which side is which, what colours mean."""

from __future__ import annotations

from studio.app.shortcuts import Command
from studio.document import COMPARE_RGB, CompareView, Comparison, Document
from studio.gui.control import Rect
from studio.gui.gui import Gui
from studio.session import Session
from studio.session.text import cells_text

GRIP = 16
"""Width of the strip that can be dragged."""
_KNOB, _KNOB_AT = 11, 0.8
_TAG = 20
_ROW = 22

KINDS = (("only_a", "Only in A"), ("only_b", "Only in B"), ("changed", "Changed"), ("equal", "Equal"))
"""What the colours of differences stand for."""

_WHITE, _SHADE = (1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 0.55)


def side_name(document: Document, side: str) -> str:
    """What a side of the divider shows, in words; `side` is one of `Comparison.sides`."""
    if document.comparison.view == "bare":
        return "Slide" if not side else "Cells"
    overlay = document.comparison.kept if side == "a" else document.overlay
    return f"{side.upper()}: {cells_text(overlay.source.cells)}" if overlay is not None else side.upper()


class Comparing:
    """Draws over the slide's area; the divider's place stands in the document."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def draw(self, gui: Gui, area: Rect, margin: float) -> None:
        """Draw what the way of comparing needs. `margin` is of the design."""
        document = self._session.document
        comparison = document.comparison
        with gui.chrome.panel("view"):
            if comparison.divided and (document.overlay is not None or comparison.kept is not None):
                self._divider(gui, area, comparison)
                self._tags(gui, area, margin)
            elif comparison.kept is not None and comparison.view in ("a", "blink"):
                side = comparison.sides[0]
                middle = (area[0] + area[2] / 2, area[1] + gui.chrome.px(margin + _TAG))
                gui.chrome.under.tag(middle, side_name(document, side), align=0.5)
            elif comparison.view == "differences" and comparison.lookups is not None:
                self._legend(gui, area, margin)

    def _divider(self, gui: Gui, area: Rect, comparison: Comparison) -> None:
        px, under = gui.chrome.px, gui.chrome.under
        left, top, width, height = area
        x = left + round(comparison.split * width)
        # Not in the middle, where the cell is that was flown to.
        middle = top + height * _KNOB_AT
        with under.clipped(area):
            under.fill((x - 2, top, 4, height), _SHADE)
            under.fill((x - 1, top, 2, height), _WHITE)
            under.disc((x, middle), px(_KNOB) + 1, _SHADE)
            under.disc((x, middle), px(_KNOB), _WHITE)
            for direction in (-1, 1):
                tip, base = x + direction * px(6), x + direction * px(3)
                arrow = [(base, middle - px(3)), (tip, middle), (base, middle + px(3))]
                under.lines(arrow, (0.1, 0.1, 0.12, 1.0), px(2))
        grip = px(GRIP)
        with gui.chrome.window("divider", (x - grip / 2, top, grip, height), color=(0.0, 0.0, 0.0, 0.0)):
            gui.chrome.move_to(x - grip / 2, top)
            hit = gui.ui.surface("Divider", grip, height, kind="divider")
            if hit.hovered or hit.held:
                gui.state.cursor = "resize_h"
            if hit.held:
                comparison.split = min(1.0, max(0.0, (gui.pointer[0] - left) / max(1.0, width)))

    def _tags(self, gui: Gui, area: Rect, margin: float) -> None:
        """Which side is which, on both sides of the divider."""
        px, comparison = gui.chrome.px, self._session.document.comparison
        x, top = area[0] + round(comparison.split * area[2]), area[1] + px(margin + _TAG)
        gap = px(GRIP / 2 + 4)
        for side, at, align in zip(comparison.sides, (x - gap, x + gap), (1.0, 0.0), strict=True):
            with gui.chrome.under.clipped(area):
                gui.chrome.under.tag((at, top), side_name(self._session.document, side), align=align)

    def _legend(self, gui: Gui, area: Rect, margin: float) -> None:
        px, theme = gui.chrome.px, gui.theme
        rect = (area[0] + px(margin), area[1] + px(margin), px(126), px(_ROW * len(KINDS) + 10))
        if rect[3] + 2 * px(margin) > area[3] or rect[2] + 2 * px(margin) > area[2]:
            return
        with gui.chrome.window("legend of differences", rect, color=theme.card, rounding=6):
            for number, (name, text) in enumerate(KINDS):
                x, y = rect[0] + px(10), rect[1] + px(5) + number * px(_ROW)
                gui.ui.paint.fill((x, y + px(5), px(12), px(12)), (*COMPARE_RGB[name], 1.0), px(3))
                place = (x + px(20), y, rect[2] - px(36), px(_ROW))
                gui.ui.paint.text_in(place, text, theme.text, font=gui.state.fonts.small)


_VIEWS: tuple[tuple[CompareView, str, str], ...] = (
    ("a", "Show A", "A"),
    ("swipe", "Swipe A | B", "S"),
    ("blink", "Blink A and B", "T"),
    ("differences", "Differences of A and B", "D"),
    ("bare", "Swipe slide | cells", "W"),
)
"""Ways to compare, their titles and keys."""


def compare_commands(session: Session) -> tuple[Command, ...]:
    """Keeping and comparing; section `Cells`."""
    compare = session.compare

    def view(name: CompareView, title: str, key: str) -> Command:
        return Command(
            f"compare_{name}",
            title,
            key,
            lambda: compare.toggle(name),
            lambda: compare.why_not_look(name) is None,
            "Cells",
            checked=lambda: session.document.comparison.view == name,
        )

    def differ() -> bool:
        return compare.agreement is not None and compare.agreement.differences > 0

    return (
        Command("keep", "Keep as A", "K", compare.keep, lambda: compare.why_not_keep() is None, "Cells"),
        *(view(*each) for each in _VIEWS),
        Command("next_difference", "Next difference", ".", lambda: compare.step(1), differ, "Cells"),
        Command("previous_difference", "Previous difference", ",", lambda: compare.step(-1), differ, "Cells"),
    )
