"""Pictures in panels."""

from __future__ import annotations

import imgui
import numpy as np
from numpy.typing import NDArray

from studio.gui import scopes
from studio.gui.base import Base


class Pictures(Base):
    """Mixin of `Ui`."""

    def picture(
        self, label: str, rgb: NDArray[np.uint8], *, high: float = 200, enlarged: float = 0, tooltip: str = ""
    ) -> bool:
        """An RGB picture (h, w, 3) as large as the line's width and `high` allow, in its middle; True when pressed.

        The array must not change while it is shown: it is uploaded once. With `enlarged` it is shown beside the
        window, so high, while the pointer is on it.
        """
        state = self._state
        self._cell()
        rows, columns = rgb.shape[:2]
        room = self._room()
        factor = min(room / columns, state.px(high) / rows)
        width, height = max(1.0, round(columns * factor)), max(1.0, round(rows * factor))
        left, top = imgui.get_cursor_screen_pos()
        hit = self._hit(label, room, height)
        place = (round(left + (room - width) / 2), top, width, height)
        self._paint.image(state.textures.of(rgb), place)
        self._paint.frame(place, state.theme.accent if hit.hovered else state.theme.border)
        if enlarged and hit.hovered:
            right = imgui.get_window_position()[0] + imgui.get_window_width()
            self._beside(rgb, (right, top), state.px(enlarged), tooltip)
            tooltip = ""
        self._done(label, "picture", True, None, tooltip)
        return hit.pressed

    def _beside(self, rgb: NDArray[np.uint8], at: tuple[float, float], high: float, caption: str) -> None:
        """The picture over everything else, with a line of text below it, as far up as it must be to be seen whole."""
        state = self._state
        rows, columns = rgb.shape[:2]
        width, pad, line = high * columns / rows, state.px(10), state.px(22)
        x = min(at[0] + state.px(16), state.size[0] - width - 2 * pad)
        y = min(at[1], state.size[1] - high - line - 2 * pad)
        imgui.set_next_window_position(max(0.0, x), max(0.0, y))
        with scopes.styles({imgui.STYLE_WINDOW_PADDING: (pad, pad)}), imgui.begin_tooltip():
            left, top = imgui.get_cursor_screen_pos()
            imgui.dummy(width, high + line)
            self._paint.image(state.textures.of(rgb), (left, top, width, high))
            place = (left, top + high + state.px(2), width, line - state.px(2))
            self._paint.text_in(place, caption, state.theme.text, font=state.fonts.small)
