"""A small card of facts beside the pointer: a title, and names with their values."""

from __future__ import annotations

from collections.abc import Sequence

import imgui

from studio.gui import scopes
from studio.gui.control import Rect
from studio.gui.painter import Painter, Point

_LINE, _PAD, _GAP, _AWAY = 18, 8, 14, 16


def fact_card(paint: Painter, at: Point, title: str, facts: Sequence[tuple[str, str]], within: Rect) -> Rect:
    """Draw the card beside a point of the window, on whichever side there is room; where it lies."""
    px, fonts = paint.px, paint.fonts
    with scopes.font(fonts.small):
        names = max((imgui.calc_text_size(name)[0] for name, _ in facts), default=0.0)
        values = max((imgui.calc_text_size(value)[0] for _, value in facts), default=0.0)
        heading = imgui.calc_text_size(title)[0]
    pad, line = px(_PAD), px(_LINE)
    width = max(heading, names + px(_GAP) + values if facts else 0.0) + 2 * pad
    height = line * (1 + len(facts)) + 2 * px(5)
    left, top = at[0] + px(_AWAY), at[1] + px(_AWAY)
    if left + width > within[0] + within[2]:
        left = at[0] - px(_AWAY) - width
    if top + height > within[1] + within[3]:
        top = at[1] - px(_AWAY) - height
    rect = (round(max(within[0], left)), round(max(within[1], top)), round(width), round(height))
    theme = paint.theme
    paint.fill(rect, theme.card, px(6))
    paint.frame(rect, theme.border, px(6))
    inner = (rect[0] + pad, rect[1] + px(5), rect[2] - 2 * pad, line)
    paint.text_in(inner, title, theme.text, font=fonts.small, elide=False)
    for number, (name, value) in enumerate(facts, 1):
        row = (inner[0], inner[1] + number * line, inner[2], line)
        paint.text_in(row, name, theme.dim, font=fonts.small, elide=False)
        paint.text_in(row, value, theme.text, font=fonts.small, align=1.0, elide=False)
    return rect
