"""A picture of a slide with its cells, drawn as the window draws them, without a window.

Made in strips, so memory depends on the picture's size and not on the slide's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.paint import draw_dots, edges

if TYPE_CHECKING:
    from studio.cellseg.source import LabelSource
    from studio.slide import WSI

# The window's colours; studio.render.overlaylayer and points have them too.
MASK_RGB = (0, 255, 255)
OUTLINE_RGB = (255, 230, 0)
CENTROID_RGB = (0, 230, 51)

_STRIP_PX = 1_000_000
_DOT_PX = 2
_FAR_PX = 6.0
"""Outlines of cells smaller than this on the picture would cover them; they are left out then."""


class Style(Protocol):
    """How cells are drawn; `studio.document.OverlayStyle` is one."""

    mask: bool
    outline: bool
    centroid: bool
    gradxy: bool
    black_bg: bool
    alpha: float


def overlay_picture(
    slide: WSI, segmentation: LabelSource, rect: tuple[float, float, float, float], max_px: int, style: Style
) -> NDArray[np.uint8]:
    """RGB (h, w, 3) of a rectangle of a slide with cells on it.

    Args:
        slide: the slide.
        segmentation: its cells.
        rect: x, y, width, height in slide pixels.
        max_px: the picture's longer side is at most this, and never larger than the slide is sharp.
        style: which layers are drawn and how opaque they are.
    """
    scale = max(1.0, max(rect[2:]) / max_px)
    rows, cols = max(1, round(rect[3] / scale)), max(1, round(rect[2] / scale))
    # The slide is sampled on its own lattice of that scale, so the rectangle moves by half a pixel at most.
    top, left = round(rect[1] / scale), round(rect[0] / scale)
    out = np.empty((rows, cols, 3), np.uint8)
    strip = max(1, _STRIP_PX // cols)
    for first in range(0, rows, strip):
        count = min(strip, rows - first)
        picture = _slide_strip(slide, scale, top + first, left, count, cols)
        _draw(picture, segmentation, scale, top + first, left, style)
        out[first : first + count] = picture
    if style.centroid:
        points = segmentation.centroids(wsi_dim=True) / scale - 0.5
        x, y = points[:, 0] - left, points[:, 1] - top
        near = (x > -_DOT_PX) & (y > -_DOT_PX) & (x < cols + _DOT_PX) & (y < rows + _DOT_PX)
        dots = out.copy()
        draw_dots(dots, y[near], x[near], CENTROID_RGB, _DOT_PX)
        out = _blend(out, dots, np.float32(style.alpha))
    return out


def _slide_strip(slide: WSI, scale: float, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint8]:
    picture = slide.read_working(scale, row, col, rows, cols)
    height, width = (side / scale for side in slide.size[::-1])
    y, x = np.arange(row, row + rows) + 0.5, np.arange(col, col + cols) + 0.5
    picture[(y < 0) | (y >= height)] = 255
    picture[:, (x < 0) | (x >= width)] = 255
    return picture


def _draw(picture: NDArray[np.uint8], source: LabelSource, scale: float, row: int, col: int, style: Style) -> None:
    """Blend the masks, outlines and flows of a strip into its picture, in place."""
    alpha = np.float32(style.alpha)
    rows, cols = picture.shape[:2]
    labels: NDArray[np.uint32] = _sample(source, scale, row - 1, col - 1, rows + 2, cols + 2, flow=False)
    if style.gradxy and source.has_flows:
        # The flow takes the place of fill and background.
        colour, strength = _flow_colours(_sample(source, scale, row, col, rows, cols, flow=True))
        if style.black_bg:
            picture[:] = _blend(picture, (colour * strength[..., None]).astype(np.uint8), alpha)
        else:
            picture[:] = _blend(picture, colour, alpha * strength)
    elif style.mask or style.outline:
        cell = labels[1:-1, 1:-1] > 0
        if style.black_bg:
            picture[:] = _blend(picture, np.zeros_like(picture), alpha * ~(cell & style.mask))
        if style.mask:
            picture[:] = _blend(picture, np.array(MASK_RGB, np.uint8), alpha * cell)
    if style.outline and _typical_px(source, scale) > _FAR_PX:
        picture[:] = _blend(picture, np.array(OUTLINE_RGB, np.uint8), alpha * edges(labels))


def _sample(source: LabelSource, scale: float, row: int, col: int, rows: int, cols: int, *, flow: bool) -> NDArray[Any]:
    """Nearest label or flow of each pixel of a lattice with `scale` slide pixels to a pixel."""
    place = source.geometry
    level = min(source.level_count - 1, max(0, math.floor(math.log2(max(1.0, scale / place.scale_x)))))
    y = ((np.arange(row, row + rows) + 0.5) * scale - place.offset_y) / (place.scale_y * 2**level)
    x = ((np.arange(col, col + cols) + 0.5) * scale - place.offset_x) / (place.scale_x * 2**level)
    at_y, at_x = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    # Only what lies on the mask is read, however far the picture reaches over it.
    low_y, low_x = max(0, int(at_y[0])), max(0, int(at_x[0]))
    high_y = min(-(-place.shape[0] // 2**level), int(at_y[-1]) + 1)
    high_x = min(-(-place.shape[1] // 2**level), int(at_x[-1]) + 1)
    read: Callable[..., NDArray[Any]] = source.read_flow if flow else source.read_labels
    size = (max(0, high_y - low_y), max(0, high_x - low_x))
    window = read(level, low_y, low_x, *size)
    out = np.zeros((rows, cols, *window.shape[2:]), window.dtype)
    on_y, on_x = (at_y >= low_y) & (at_y < high_y), (at_x >= low_x) & (at_x < high_x)
    if on_y.any() and on_x.any():
        out[np.ix_(on_y, on_x)] = window[np.ix_(at_y[on_y] - low_y, at_x[on_x] - low_x)]
    return out


def _typical_px(source: LabelSource, scale: float) -> float:
    """Diameter on the picture of a cell if they covered a quarter of the mask; infinite without cells."""
    if not source.cells:
        return math.inf
    rows, cols = source.geometry.shape
    return math.sqrt(rows * cols / 4 / source.cells) * source.geometry.scale_x / scale


def _flow_colours(flow: NDArray[np.float16]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Colour (h, w, 3) by direction, and strength (h, w), as flow.frag has them."""
    dy, dx = flow[..., 0].astype(np.float32), flow[..., 1].astype(np.float32)
    strength = np.hypot(dy, dx)
    dy, dx = dy / np.maximum(strength, 1e-4), dx / np.maximum(strength, 1e-4)
    third = np.float32(math.sqrt(3) / 2)
    hue = np.stack([dy, -0.5 * dy - third * dx, -0.5 * dy + third * dx], axis=-1)
    return (np.clip(0.5 - hue, 0, 1) * 255).astype(np.uint8), np.minimum(strength, 1)


def _blend(
    below: NDArray[np.uint8], above: NDArray[np.uint8], opacity: NDArray[np.float32] | np.float32
) -> NDArray[np.uint8]:
    """`above` over `below`; opacity (h, w) or one for all."""
    share = np.asarray(opacity, np.float32)
    if share.ndim == 2:
        share = share[..., None]
    return (below + (above.astype(np.float32) - below) * share + np.float32(0.5)).astype(np.uint8)
