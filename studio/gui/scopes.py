"""What is pushed is popped, also when something inside raises.

The binding's own `font`, `styled`, `colored` and `scoped` skip the pop then,
and everything drawn later would be off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import imgui

from studio.gui.theme import Color


@contextmanager
def font(handle: Any) -> Iterator[None]:
    """Text inside is set in another font."""
    imgui.push_font(handle)
    try:
        yield
    finally:
        imgui.pop_font()


@contextmanager
def colors(pairs: dict[int, Color]) -> Iterator[None]:
    """Colours (`imgui.COLOR_…`) that hold inside."""
    for name, color in pairs.items():
        imgui.push_style_color(name, *color)
    try:
        yield
    finally:
        imgui.pop_style_color(len(pairs))


@contextmanager
def styles(pairs: dict[int, float | tuple[float, float]]) -> Iterator[None]:
    """Metrics (`imgui.STYLE_…`) that hold inside."""
    for name, value in pairs.items():
        imgui.push_style_var(name, value)
    try:
        yield
    finally:
        imgui.pop_style_var(len(pairs))


@contextmanager
def identified(name: str) -> Iterator[None]:
    """Controls inside may have labels that others outside have as well."""
    imgui.push_id(name)
    try:
        yield
    finally:
        imgui.pop_id()


@contextmanager
def wrapped(width: float) -> Iterator[None]:
    """Text inside wraps at `width` window units right of the cursor."""
    imgui.push_text_wrap_position(imgui.get_cursor_pos_x() + width)
    try:
        yield
    finally:
        imgui.pop_text_wrap_position()
