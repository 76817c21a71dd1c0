"""Pictures of numbers: histograms, and squares of colour that explain a picture."""

from __future__ import annotations

from collections.abc import Sequence

import imgui

from studio.gui.base import ROUNDING, ROW_HEIGHT, Base
from studio.gui.theme import Color

AXIS_HEIGHT = 20
SWATCH = 12


class Charts(Base):
    """Mixin of `Ui`."""

    def histogram(
        self,
        label: str,
        counts: Sequence[int],
        low: float,
        high: float,
        *,
        marks: Sequence[float] = (),
        unit: str = "",
        height: float = 96,
        tooltip: str = "",
    ) -> None:
        """Bars of how many values fall into each of equal steps from `low` to `high`, across the whole width.

        `marks` are values to draw a line at; the middle one (a median) stands out. What the pointer is on is
        said in words.
        """
        state, theme = self._state, self._state.theme
        room, axis = self._room(), state.px(AXIS_HEIGHT)
        hit = self._hit(label, room, state.px(height) + axis)
        left, top, width, whole = hit.rect
        plot = whole - axis
        most, steps = max([1, *counts]), len(counts)
        self._paint.fill((left, top, width, plot), theme.field, state.px(ROUNDING))
        inset = state.px(4)
        left, width, plot_top, plot = left + inset, width - 2 * inset, top + inset, plot - inset
        under = self._step_under(hit.hovered, left, width, steps)
        for step, count in enumerate(counts):
            # Edges are rounded each for itself, so that bars neither overlap nor leave gaps of a pixel.
            first, last = (round(left + width * n / steps) for n in (step, step + 1))
            tall = max(state.px(1) if count else 0.0, plot * count / most)
            color = theme.accent_hover if step == under else theme.accent
            self._paint.fill((first, plot_top + plot - tall, max(1, last - first - 1), tall), color)
        span = high - low
        for number, mark in enumerate(marks):
            if span > 0 and low <= mark <= high:
                x, main = left + width * (mark - low) / span, number == len(marks) // 2
                ink = theme.text if main else theme.dim
                self._paint.line((x, plot_top), (x, plot_top + plot), ink, 2 if main else 1)
        axis_rect = (left, plot_top + plot, width, axis)
        for text, align in ((_end(low), 0.0), (f"{_end(high)} {unit}".rstrip(), 1.0)):
            self._paint.text_in(axis_rect, text, theme.dim, font=state.fonts.small, align=align)
        if under is not None:
            edges = [low + span * n / steps for n in (under, under + 1)]
            tooltip = f"{counts[under]:,} from {edges[0]:.4g} to {edges[1]:.4g} {unit}".rstrip()
        self._done(label, "histogram", True, list(counts), tooltip)

    def swatch(self, color: Color, text: str) -> None:
        """A square of a colour and what it stands for."""
        state = self._state
        left, top = imgui.get_cursor_screen_pos()
        height, side = state.px(ROW_HEIGHT), state.px(SWATCH)
        imgui.dummy(self._room(), height)
        self._paint.fill((left, top + (height - side) / 2, side, side), color, state.px(3))
        place = (left + side + state.px(8), top, max(1.0, self._room() - side - state.px(8)), height)
        self._paint.text_in(place, text, state.theme.text)

    @staticmethod
    def _step_under(hovered: bool, left: float, width: float, steps: int) -> int | None:
        """The bar that the pointer is on."""
        if not hovered or not steps:
            return None
        step = int((imgui.get_mouse_pos()[0] - left) / max(1.0, width) * steps)
        return step if 0 <= step < steps else None


def _end(value: float) -> str:
    """An axis' end in three digits; of large numbers four, which need no exponent."""
    return f"{value:.4g}" if abs(value) >= 1000 else f"{value:.3g}"
