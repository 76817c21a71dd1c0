"""When a frame is held up so that it is sharp, rather than drawn twice."""

from __future__ import annotations

import math

Rect = tuple[float, float, float, float]

HOLD_S = 0.05
"""Longest that a frame is held up: three of a screen's."""

STILL_S = 1 / 30
"""A view that moves again sooner than this after a frame is being dragged or zoomed, and waits for nothing."""

JUMP_SHARE = 0.5
"""A move is a jump if old and new view have less than this share of their union in common."""


class Hold:
    """Tells jumps and changed cells, after which a frame may wait for its tiles, from panning and zooming."""

    def __init__(self) -> None:
        self._rect: Rect | None = None
        self._moving = False
        self._moved_s = -math.inf

    def seconds(self, rect: Rect, now_s: float, forecast_s: float, *, changed: bool = False) -> float:
        """For how long to hold up the frame that is about to be drawn; call once a frame.

        Args:
            rect: x, y, width, height of what is in view, in slide pixels.
            now_s: the time.
            forecast_s: how long it will take until the view's tiles are there.
            changed: whether somebody waits for what is in view to change.
        """
        before, self._rect = self._rect, rect
        self._moving = before is not None and before != rect
        jumped = before is not None and self._moving and _common_share(before, rect) < JUMP_SHARE
        if not (jumped or (changed and not self._moving)):
            return 0.0
        return HOLD_S if now_s - self._moved_s >= STILL_S and forecast_s <= HOLD_S else 0.0

    def drawn(self, now_s: float) -> None:
        """The frame was shown."""
        if self._moving:
            self._moved_s = now_s


def _common_share(one: Rect, other: Rect) -> float:
    width, height = (
        max(0.0, min(one[n] + one[n + 2], other[n] + other[n + 2]) - max(one[n], other[n])) for n in range(2)
    )
    both = width * height
    return both / max(one[2] * one[3] + other[2] * other[3] - both, 1e-9)
