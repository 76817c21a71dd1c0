"""Colour maps for values; each rises evenly in lightness, so that it can be read without seeing colours."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PROBABILITY_MAP = "Magma"
"""Of cell probability: black is none."""


@lru_cache(maxsize=8)
def colormap(name: str) -> NDArray[np.uint8]:
    """(256, 3) RGB of one of `studio.document.COLORMAPS`, first colour for the lowest value; read-only."""
    import cv2

    number = getattr(cv2, f"COLORMAP_{name.upper()}")
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], number)
    rgb = np.ascontiguousarray(bgr[:, 0, ::-1])
    rgb.setflags(write=False)
    return rgb
