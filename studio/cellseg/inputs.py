"""How the two input channels of a network are made from an RGB image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg.params import CHANNELS
from studio.errors import ParameterError

if TYPE_CHECKING:
    from studio.cellseg.models import ModelInfo

# Optical-density vectors of haematoxylin, eosin and a residual: Ruifrok & Johnston 2001,
# Anal. Quant. Cytol. Histol. 23:291. The cell table's stain columns use them too.
STAINS = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105], [0.268, 0.570, 0.776]], dtype=np.float64)
STAINS /= np.linalg.norm(STAINS, axis=1, keepdims=True)
_HEMATOXYLIN_FROM_OD = np.ascontiguousarray(np.linalg.inv(STAINS)[:, 0], dtype=np.float32)
_COLORS = ("red", "green", "blue")
OD_OF_BYTE = -np.log10((np.arange(256, dtype=np.float32) + 1.0) / 256.0)


def to_channels(rgb: NDArray[np.uint8], mode: str) -> NDArray[np.float32]:
    """The two network channels of an RGB image, before normalisation.

    Args:
        rgb: (H, W, 3) uint8.
        mode: one of `studio.cellseg.params.CHANNELS` but not `auto`. `gray` is the mean of RGB and an
            empty second channel, as Cellpose's `channels=[0, 0]`; `red`, `green`, `blue` that channel
            alone; two of them with a plus, as `green+blue`, the one of the cells and the one of their nuclei, as
            Cellpose's `channels=[2, 3]`; `hematoxylin` the haematoxylin optical density (colour deconvolution)
            and the mean optical density, so that nuclei are bright; `fluorescence` the brightest channel and the
            mean.

    Returns:
        (2, H, W) float32. Each value depends on its own pixel alone.
    """
    out = np.zeros((2, *rgb.shape[:2]), dtype=np.float32)
    first, _, second = mode.partition("+")
    if first in _COLORS and second in ("", *_COLORS):
        out[0] = rgb[..., _COLORS.index(first)]
        if second:
            out[1] = rgb[..., _COLORS.index(second)]
    elif mode == "gray":
        out[0] = _mean(rgb)
    elif mode == "fluorescence":
        out[0] = rgb.max(axis=2)
        out[1] = _mean(rgb)
    elif mode == "hematoxylin":
        _optical_densities(rgb, OD_OF_BYTE, _HEMATOXYLIN_FROM_OD, out)
    else:
        raise ParameterError(f"Unknown channel {mode!r}; choose from {', '.join(CHANNELS[1:])}.")
    return out


def _mean(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    # Exact in integers first, so that the order of the sum can't matter.
    total = rgb[..., 0].astype(np.uint16) + rgb[..., 1] + rgb[..., 2]
    return np.asarray(total.astype(np.float32) * np.float32(1 / 3))


@njit(cache=True, nogil=True)
def _optical_densities(rgb, od_of_byte, weights, out):  # type: ignore[no-untyped-def]
    """Haematoxylin's and the mean into `out`; one sum after the other in float32."""
    third, none = np.float32(1 / 3), np.float32(0)
    for y in range(rgb.shape[0]):
        for x in range(rgb.shape[1]):
            red, green, blue = od_of_byte[rgb[y, x, 0]], od_of_byte[rgb[y, x, 1]], od_of_byte[rgb[y, x, 2]]
            out[0, y, x] = max(red * weights[0] + green * weights[1] + blue * weights[2], none)
            out[1, y, x] = (red + green + blue) * third


def resolve_channel(channel: str, model: ModelInfo, fluorescence: bool) -> str:
    """The mode that `channel` stands for: `auto` follows the model and the slide's background."""
    if channel != "auto":
        return channel
    if model.channels != "auto":
        return model.channels
    return "fluorescence" if fluorescence else "hematoxylin"
