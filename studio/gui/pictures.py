"""Pictures in panels."""

from __future__ import annotations

import imgui
import numpy as np
from numpy.typing import NDArray

from studio.gui.base import Base


class Pictures(Base):
    """Mixin of `Ui`."""

    def picture(self, label: str, rgb: NDArray[np.uint8], *, high: float = 200, tooltip: str = "") -> bool:
        """An RGB picture (h, w, 3) as large as the line's width and `high` allow, in its middle; True when pressed.

        The array must not change while it is shown: it is uploaded once.
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
        self._done(label, "picture", True, None, tooltip)
        return hit.pressed
