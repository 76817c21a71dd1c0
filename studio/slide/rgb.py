"""RGB of 8 bits from pictures of any depth."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import SlideError

PROBLEMS = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, MemoryError, RuntimeError, SyntaxError),
    *(ArithmeticError, AssertionError, struct.error, zlib.error),
)
"""What the libraries that decode pictures raise for damaged files."""

MAX_PICTURE_PX = 400_000_000
"""Beyond this a picture needs a pyramid: 1.2 GB as RGB."""

_STRIP_PX = 4_000_000
"""Stretched at a time, so that no second picture of four bytes a number is held."""


def check_size(path: Path, width: int, height: int) -> None:
    """Raise SlideError for a picture that is too large to be held in memory."""
    if width * height > MAX_PICTURE_PX:
        raise too_large(path)


def check_shape(pixels: NDArray[Any]) -> None:
    """Raise ValueError for numbers that are no picture (h, w) or (h, w, colours)."""
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise ValueError(f"pixels of shape {pixels.shape} are no picture")


def too_large(path: Path) -> SlideError:
    """What to do about a picture that can't be held in memory."""
    return SlideError(
        f"{path.name} has more than {MAX_PICTURE_PX // 1_000_000} million pixels and no pyramid. "
        "Convert it to a pyramidal TIFF (vips tiffsave --tile --pyramid)."
    )


def to_rgb(
    pixels: NDArray[Any], *, alpha: NDArray[Any] | None = None, premultiplied: bool = False
) -> NDArray[np.uint8]:
    """RGB uint8 (h, w, 3) on white from gray (h, w) or colours (h, w, 1 to 3) of any depth.

    Deep pictures are stretched to their own range. `alpha` is (h, w), of the
    same depth; with `premultiplied` the colours are dimmed by it already.
    """
    check_shape(pixels)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    elif pixels.dtype.kind == "c":
        pixels = np.abs(pixels)
    if pixels.dtype != np.uint8:
        pixels = _stretched(pixels)
    colours = pixels.shape[2]
    if colours == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    elif colours == 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[..., :1])], axis=2)
    if alpha is None:
        return np.ascontiguousarray(pixels)
    part = _eight_bits(alpha)[..., None].astype(np.uint16)
    if premultiplied:
        return np.asarray(np.minimum(pixels + (255 - part), 255), np.uint8)
    return ((pixels * part + 255 * (255 - part) + 127) // 255).astype(np.uint8)


def _stretched(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """The range of almost all numbers becomes 0 to 255; what is no number is black."""
    sample = pixels[::4, ::4].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, (0.1, 99.9)) if sample.size else (0.0, 1.0)
    span = (high - low) or 1.0
    out = np.empty(pixels.shape, np.uint8)
    rows = max(1, _STRIP_PX // max(1, pixels[0].size))
    for top in range(0, len(pixels), rows):
        strip = (pixels[top : top + rows].astype(np.float32) - low) / span * 255 + 0.5
        out[top : top + rows] = np.clip(np.nan_to_num(strip, nan=0.0), 0, 255)
    return out


def _eight_bits(alpha: NDArray[Any]) -> NDArray[np.uint8]:
    if alpha.dtype == np.uint8:
        return alpha
    if alpha.dtype.kind == "f":
        return np.asarray(np.clip(alpha * 255 + 0.5, 0, 255), np.uint8)
    return np.asarray(alpha >> (8 * (alpha.dtype.itemsize - 1)), np.uint8)
