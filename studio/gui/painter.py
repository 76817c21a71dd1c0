"""Shapes and text at given places of a draw list, in window coordinates and our colours."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import imgui
import numpy as np

from studio.gui import scopes
from studio.gui.control import Rect
from studio.gui.fonts import Fonts
from studio.gui.icons import icon_text
from studio.gui.lines import text_width
from studio.gui.state import GuiState
from studio.gui.theme import Color, Theme

Point = tuple[float, float]

ELLIPSIS = "…"


class Painter:
    """Draws on the window that is being drawn into, or `under` all windows and over the slide."""

    def __init__(self, state: GuiState, *, under: bool = False) -> None:
        self._state = state
        self._under = under

    @property
    def theme(self) -> Theme:
        """Colours in force."""
        return self._state.theme

    @property
    def fonts(self) -> Fonts:
        """Fonts in force."""
        return self._state.fonts

    def px(self, length: float) -> float:
        """A length of the design in window units of this screen."""
        return self._state.px(length)

    @property
    def _list(self) -> Any:
        return imgui.get_background_draw_list() if self._under else imgui.get_window_draw_list()

    def fill(self, rect: Rect, color: Color, rounding: float = 0.0) -> None:
        """A filled rectangle."""
        left, top, width, height = rect
        self._list.add_rect_filled(left, top, left + width, top + height, self._state.color(color), rounding)

    def frame(self, rect: Rect, color: Color, rounding: float = 0.0, thickness: float = 1.0) -> None:
        """The outline of a rectangle, just inside it."""
        left, top, width, height = rect
        inset = thickness / 2
        self._list.add_rect(
            left + inset,
            top + inset,
            left + width - inset,
            top + height - inset,
            self._state.color(color),
            rounding,
            0,
            thickness,
        )

    def line(self, start: Point, end: Point, color: Color, thickness: float = 1.0) -> None:
        """A straight line."""
        self._list.add_line(*start, *end, self._state.color(color), thickness)

    def lit(self) -> None:
        """Mark the line of a list that was drawn last as the one that arrow keys have come to."""
        (left, top), (right, bottom) = imgui.get_item_rect_min(), imgui.get_item_rect_max()
        # A menu's lines reach a little beyond what is seen of them.
        left = max(left, self._list.get_clip_rect_min()[0])
        right = min(right, self._list.get_clip_rect_max()[0])
        rect = (left, top, right - left, bottom - top)
        rounding = self._state.px(4)
        self.fill(rect, (*self.theme.accent[:3], 0.22), rounding)
        self.frame(rect, self.theme.accent_hover, rounding, max(2.0, self._state.px(2)))

    def lines(self, points: Sequence[Point], color: Color, thickness: float = 1.0) -> None:
        """A line through several points."""
        for run in without_sharp_corners(points):
            self._list.add_polyline(run, self._state.color(color), 0, thickness)

    def ring(self, points: Sequence[Point], color: Color, thickness: float = 1.0, *, exact: bool = True) -> None:
        """A closed line through several points; not `exact`, it is faster, and thinner along sharp corners."""
        runs = closed_without_sharp_corners(points) if exact else []
        if not runs:
            self._list.add_polyline(list(points), self._state.color(color), imgui.DRAW_CLOSED, thickness)
        for run in runs:
            self._list.add_polyline(run, self._state.color(color), 0, thickness)

    def disc(self, center: Point, radius: float, color: Color) -> None:
        """A filled circle."""
        self._list.add_circle_filled(*center, radius, self._state.color(color), 24)

    def circle(self, center: Point, radius: float, color: Color, thickness: float = 1.0) -> None:
        """The outline of a circle."""
        self._list.add_circle(*center, radius, self._state.color(color), 64, thickness)

    def image(self, texture: int, rect: Rect) -> None:
        """A GL texture whose first row is the top one."""
        left, top, width, height = rect
        self._list.add_image(texture, (left, top), (left + width, top + height))

    def text(self, at: Point, text: str, color: Color, font: Any = None) -> None:
        """One line of text; `at` is its left top corner."""
        with scopes.font(font or self._state.fonts.text):
            self._list.add_text(round(at[0]), round(at[1]), self._state.color(color), text)

    def text_in(
        self, rect: Rect, text: str, color: Color, *, font: Any = None, align: float = 0.0, elide: bool = True,
        middle: bool = False,
    ) -> None:  # fmt: skip
        """One line in the middle of a rectangle's height; `align` 0 left, 0.5 centre, 1 right.

        One that is too long ends in an ellipsis, or has it in its `middle`.
        """
        left, top, width, height = rect
        font = font or self._state.fonts.text
        with scopes.font(font):
            if elide:
                text = elided(text, width, middle=middle)
            text_width, text_height = imgui.calc_text_size(text)
        self.text((left + (width - text_width) * align, top + (height - text_height) / 2), text, color, font)

    def tag(self, at: Point, text: str, *, align: float = 0.0) -> None:
        """A line of small text on a card of its own; its bottom is at `at`, and with `align` 0 its left end."""
        state = self._state
        with scopes.font(state.fonts.small):
            width, height = imgui.calc_text_size(text)
        pad = state.px(6)
        left, top = round(at[0] - align * (width + 2 * pad)), round(at[1] - height - state.px(4))
        card = (left, top, width + 2 * pad, height + state.px(4))
        self.fill(card, state.theme.card, state.px(4))
        self.text((left + pad, top + state.px(2)), text, state.theme.text, state.fonts.small)

    def icon_in(self, rect: Rect, icon: str, color: Color, *, large: bool = False) -> None:
        """An icon in the middle of a rectangle; a name that isn't known appears as its first letters."""
        fonts, text = self._state.fonts, icon_text(icon)
        letters = text == icon[:3]
        font = fonts.bold if letters else fonts.icon_large if large else fonts.icon
        self.text_in(rect, text, color, font=font, align=0.5, elide=False)

    def keys(self, rect: Rect, shortcut: str) -> float:
        """A shortcut such as `Ctrl+O` as key caps, at the right end of a rectangle; how wide it is."""
        state, theme = self._state, self._state.theme
        left, top, width, height = rect
        cap = self.keys_width(shortcut)
        inset = state.px(2)
        box = (left + width - cap, top + inset, cap, height - 2 * inset)
        self.fill(box, theme.button, state.px(5))
        self.text_in(box, shortcut, theme.text, font=state.fonts.small, align=0.5, elide=False)
        return cap

    def keys_width(self, shortcut: str) -> float:
        """How wide key caps are."""
        return self.text_width(shortcut, self._state.fonts.small) + self._state.px(14)

    def text_width(self, text: str, font: Any = None) -> float:
        """How wide a line of text is."""
        with scopes.font(font or self._state.fonts.text):
            return text_width(text)

    @contextmanager
    def clipped(self, rect: Rect) -> Iterator[None]:
        """Nothing drawn inside shows beyond the rectangle."""
        left, top, width, height = rect
        self._list.push_clip_rect(left, top, left + width, top + height, True)
        try:
            yield
        finally:
            self._list.pop_clip_rect()


def without_sharp_corners(points: Sequence[Point]) -> list[list[Point]]:
    """A line in pieces that nowhere turn by more than a right angle.

    The binding draws one that does the thinner, the sharper it turns, up to
    the corners before and after.
    """
    line = np.asarray(points, np.float64)
    if len(line) < 3:
        return [list(points)]
    steps = np.diff(line, axis=0)
    sharp = np.flatnonzero((steps[:-1] * steps[1:]).sum(axis=1) < 0) + 1
    ends = [0, *sharp.tolist(), len(line) - 1]
    return [list(points[first : last + 1]) for first, last in itertools.pairwise(ends)]


def closed_without_sharp_corners(points: Sequence[Point]) -> list[list[Point]]:
    """The same for a line that goes on from its last point to its first; none where no corner is sharp."""
    first, *rest = without_sharp_corners([*points, *points[:2]])
    if not rest:
        return []
    # The last piece ends with the first step; what it has before that begins the first piece.
    last = rest.pop()[:-2]
    return [[*last, *first], *rest]


def elided(text: str, width: float, *, middle: bool = False) -> str:
    """The text, with an ellipsis at its end (or in its middle, for paths) where it is wider than `width`."""
    if text_width(text) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        keep = (low + high + 1) // 2
        if text_width(_cut(text, keep, middle)) <= width:
            low = keep
        else:
            high = keep - 1
    return _cut(text, low, middle)


def _cut(text: str, keep: int, middle: bool) -> str:
    if not middle:
        return text[:keep].rstrip() + ELLIPSIS
    head = keep // 3
    tail = keep - head
    return text[:head] + ELLIPSIS + (text[-tail:] if tail else "")
