"""Flows from the colours that Cellpose paints directions with (`plot.dx_to_circ`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PHASES = 2 * np.pi / 3 * np.arange(3, dtype=np.float32)


def flow_from_picture(rgb: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Flow (dY, dX, 0), (H, W, 3) float16, lengths at most 1; hue is the direction, brightness the length."""
    values = rgb.astype(np.float32) / 255.0
    # The three cosines are the projections of one vector, so their sum along the phases gives it back.
    along = values @ np.cos(_PHASES) * np.float32(4 / 3)
    across = -(values @ np.sin(_PHASES)) * np.float32(4 / 3)
    flow = np.zeros((*rgb.shape[:2], 3), np.float16)
    flow[..., 0], flow[..., 1] = -along, -across
    return flow
