"""Flow directions as colours, the way Cellpose paints them (`plot.dx_to_circ`), and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PHASES = 2 * np.pi / 3 * np.arange(3, dtype=np.float32)


def picture_from_flow(flow: NDArray[np.float16]) -> NDArray[np.uint8]:
    """RGB (H, W, 3) of a flow (dY, dX, …): hue is the direction, brightness the length up to 1."""
    dy, dx = flow[..., 0].astype(np.float32), flow[..., 1].astype(np.float32)
    angle = np.arctan2(dx, dy) + np.float32(np.pi)
    length = np.minimum(np.hypot(dy, dx), 1.0)
    rgb = 127.5 * length[..., None] * (np.cos(angle[..., None] + _PHASES) + 1)
    return rgb.astype(np.uint8)


def flow_from_picture(rgb: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Flow (dY, dX, 0) of a picture made that way, (H, W, 3) float16; lengths are at most 1."""
    values = rgb.astype(np.float32) / 255.0
    # The three cosines are the projections of one vector, so their sum along the phases gives it back.
    along = values @ np.cos(_PHASES) * np.float32(4 / 3)
    across = -(values @ np.sin(_PHASES)) * np.float32(4 / 3)
    flow = np.zeros((*rgb.shape[:2], 3), np.float16)
    flow[..., 0], flow[..., 1] = -along, -across
    return flow
