"""Label and flow windows as the shaders want them. NumPy on loader threads; no GL."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.source import LabelSource, MaskGeometry
from studio.render.grid import Grid

TILE_PX = 256
"""Side of an overlay's tiles, half of the slide's: less is read and packed that isn't in view, and of the chunks
around, which are larger and read whole, fewer are met by a tile's rim."""

ID_BITS = 24
"""A texel holds the low bits of the label, and above them how near its border is."""

NEIGHBOURS = ((-1, 0), (0, 1), (1, 0), (0, -1), (-1, 1), (1, 1), (1, -1), (-1, -1))
"""(row, column) steps of the bits from `ID_BITS` up: N, E, S, W, NE, SE, SW, NW; label.frag knows them too.

The bit of a corner is set only where neither side beside it is: the line along the side covers the corner.
"""

INNER = 0x11
"""N and NE together, which no border has: the six other bits tell how far the border is.

They count quarters of a texel from 1.5, from the middle of the texel to the border, up to 15.
"""

INNER_STEPS = 4

RIM_PX = 18
"""Pixels around a tile that are read along: as far as a border can be told, and one more."""

DENSE_STEPS = 2
"""A texel of a dense level tells how much of this many finer levels' pixels under it is cell."""

CELL_PX = 20.0
"""Diameter of a cell in mask pixels where nobody says: between Cellpose's 17 for nuclei and 30 for cells."""

_DENSE_PX = 3.0
"""A level in which cells are smaller than this is dense: single pixels of single cells would be noise."""

_ID_MASK = np.uint32((1 << ID_BITS) - 1)

_FLOW_STEPS = 127.0
"""Flow components from -1 to 1 become bytes 1 to 255; 128 is 0."""


def overlay_grids(geometry: MaskGeometry, level_count: int) -> tuple[Grid, ...]:
    """Levels of an overlay on the slide, finest first."""
    rows, cols = geometry.shape
    return tuple(
        Grid(
            (-(-cols >> level), -(-rows >> level)),
            (geometry.scale_x * (1 << level), geometry.scale_y * (1 << level)),
            (geometry.offset_x, geometry.offset_y),
            TILE_PX,
        )
        for level in range(level_count)
    )


def dense_level(cell_px: float) -> int:
    """The first level too coarse to show cells of that diameter (in pixels of the finest) one by one."""
    level = DENSE_STEPS
    while cell_px / (1 << level) >= _DENSE_PX:
        level += 1
    return level


def level_count(source: LabelSource, dense_from: int) -> int:
    """Levels that can be drawn: dense ones go on where the source's own end."""
    own = source.level_count
    return own + DENSE_STEPS if dense_from <= own else own


def read_dense_tile(source: LabelSource, grid: Grid, level: int, col: int, row: int) -> NDArray[np.uint32] | None:
    """How much of each texel is cell, 0 to 255 where a packed label has its neighbours; None where all is bare.

    The label is that of one of the cells there, whose colour stands for all.
    """
    width, height = grid.tile_size(col, row)
    step, finer = 1 << DENSE_STEPS, level - DENSE_STEPS
    window = source.read_labels(finer, row * grid.side * step, col * grid.side * step, height * step, width * step)
    cells = (window != 0).view(np.uint8)
    if not cells.any():
        return None
    count = _over_blocks(np.add, cells, step).astype(np.uint32)
    cover: NDArray[np.uint32] = (count * np.uint32(255) // np.uint32(step * step)) << np.uint32(ID_BITS)
    return cover | _over_blocks(np.maximum, window, step) & _ID_MASK


def _over_blocks(join: np.ufunc, pixels: NDArray[Any], step: int) -> NDArray[Any]:
    """(h, w, …) reduced over blocks of `step` × `step`, in the same type."""
    # Joining slices is twenty times faster than reducing over the axes of blocks.
    rows = reduce(join, (pixels[n::step] for n in range(step)))
    joined: NDArray[Any] = reduce(join, (rows[:, n::step] for n in range(step)))
    return joined


def read_label_tile(source: LabelSource, grid: Grid, level: int, col: int, row: int) -> NDArray[np.uint32] | None:
    """Packed labels (h, w) of a tile, or None where it holds no cell."""
    width, height = grid.tile_size(col, row)
    top, left = row * grid.side - RIM_PX, col * grid.side - RIM_PX
    window = source.read_labels(level, top, left, height + 2 * RIM_PX, width + 2 * RIM_PX)
    if not window[RIM_PX:-RIM_PX, RIM_PX:-RIM_PX].any():
        return None
    return pack_labels(window, RIM_PX)


def pack_labels(window: NDArray[np.uint32], rim: int) -> NDArray[np.uint32]:
    """Labels of a window with a rim, (h + 2 rim, w + 2 rim), to packed texels (h, w); background is 0."""
    from studio.cellseg.borders import packed

    return packed(window, rim, INNER_STEPS * (RIM_PX - 3))


def read_flow_tile(source: LabelSource, grid: Grid, level: int, col: int, row: int) -> NDArray[np.uint8] | None:
    """Encoded flow (h, w, 4) of a tile, or None where there is none."""
    width, height = grid.tile_size(col, row)
    flow = source.read_flow(level, row * grid.side, col * grid.side, height, width)
    return encode_flow(flow) if flow.any() else None


def read_dense_flow_tile(source: LabelSource, grid: Grid, level: int, col: int, row: int) -> NDArray[np.uint8] | None:
    """Means of encoded flow (h, w, 4), or None where there is none."""
    width, height = grid.tile_size(col, row)
    step, finer = 1 << DENSE_STEPS, level - DENSE_STEPS
    flow = source.read_flow(finer, row * grid.side * step, col * grid.side * step, height * step, width * step)
    if not flow.any():
        return None
    sums = _over_blocks(np.add, encode_flow(flow).astype(np.uint16), step)
    return ((sums + step * step // 2) // (step * step)).astype(np.uint8)


def encode_flow(flow: NDArray[np.float16]) -> NDArray[np.uint8]:
    """(h, w, 3) dY, dX, cell probability (logit) to RGBA8.

    dY and dX about 128, probability and strength of the flow 0 to 255; the mean
    of flows in all directions is none, and only their strength tells of them.

    Bytes instead of halves: a quarter of the time to upload, and finer than
    the colours on the screen.
    """
    values = flow.astype(np.float32)
    out = np.empty((*flow.shape[:2], 4), np.uint8)
    out[..., :2] = np.clip(values[..., :2] * _FLOW_STEPS + 128.5, 1.0, 255.0)
    out[..., 2] = 255.0 / (1.0 + np.exp(-np.clip(values[..., 2], -20.0, 20.0))) + 0.5
    # Outside the foreground nothing is kept, which is not a probability of a half.
    out[..., 2][~flow.any(axis=2)] = 0
    out[..., 3] = np.minimum(np.hypot(values[..., 0], values[..., 1]), 1.0) * 255.0 + 0.5
    return out
