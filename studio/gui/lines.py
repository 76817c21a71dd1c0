"""Line breaks that leave numbers whole: imgui would break `0.25` and `12,345` behind their point and comma."""

from __future__ import annotations

import re
from collections.abc import Callable

import imgui

_NUMBER = re.compile(r"\d[.,]\d")


def text_width(text: str) -> float:
    """Width of a line in the current font."""
    return float(imgui.calc_text_size(text)[0])


def with_whole_numbers(text: str, width: float, measure: Callable[[str], float] = text_width) -> str:
    r"""A paragraph with line ends where it has to wrap, if a number in it might be broken; else as it is.

    A word that is wider than `width` (in the unit of `measure`) stays whole here, and is left to imgui.

    >>> with_whole_numbers("this one 0.2282. Load it?", 12, len)
    'this one\n0.2282. Load\nit?'
    """
    if _NUMBER.search(text) is None:
        return text
    return "\n".join(_wrapped(line, width, measure) for line in text.split("\n"))


def _wrapped(line: str, width: float, measure: Callable[[str], float]) -> str:
    if measure(line) <= width:
        return line
    rows: list[str] = []
    for word in line.split(" "):
        longer = f"{rows[-1]} {word}" if rows else word
        if rows and measure(longer) <= width:
            rows[-1] = longer
        else:
            rows.append(word)
    return "\n".join(rows)
