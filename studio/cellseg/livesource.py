"""The cells of a run that is under way, as far as it has come: a `LabelSource` over finished blocks."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.lattice import Rect
from studio.cellseg.source import MaskGeometry
from studio.core.lru import ByteLRU
from studio.errors import ResultFileError

if TYPE_CHECKING:
    from studio.cellseg.blockdata import BlockData

FINE_BYTES = 96 << 20
"""Decoded blocks kept for near views."""

COARSE_BYTES = 64 << 20
"""Every `_COARSE`-th pixel of blocks, kept for far views: those of a slide of 4 Gpx fit."""

CELLS_BYTES = 16 << 20
"""What is known of cells of blocks, kept for those that are pointed at."""

NEAR_PX = 512
"""Mask pixels from a pixel of a cell within which the whole cell lies."""

_COARSE_LEVEL = 4
_NAME_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class LiveBlock:
    """A finished block: the pixels of the whole mask that it fills, and the file that holds them."""

    mask: Rect
    file: Path


@dataclass(frozen=True, slots=True)
class LiveCell:
    """What finished blocks tell of a cell."""

    center: tuple[float, float]
    """x, y in slide pixels."""
    measures: dict[str, float]
    """By column name, as the result will have them; without a pixel size there is no area."""
    whole: bool
    """Whether all blocks that it may reach into are finished."""


class LiveSource:
    """Cells of finished blocks, read from the run's own files when they are looked at.

    Cells have no numbers 1 to N before a run ends. Their labels here are made
    of their names, so the parts of a cell in two blocks have the same one; in
    the result they have others. Reads are thread-safe.

    Args:
        geometry: where the whole mask will lie on the slide.
        mask: the pixels of the slide's mask that it covers.
        downscale: working pixels to a mask pixel.
        has_flows: whether the blocks' files hold flows.
    """

    def __init__(self, geometry: MaskGeometry, mask: Rect, downscale: float = 1.0, *, has_flows: bool = False) -> None:
        self.geometry = geometry
        self.has_flows = has_flows
        self._mask = mask
        self._downscale = downscale
        self._lock = threading.Lock()
        self._blocks: dict[Rect, LiveBlock] = {}
        self._cells = 0
        self._sinks: dict[Rect, NDArray[np.float32]] = {}
        self._fine: ByteLRU[tuple[str, Rect], NDArray[Any]] = ByteLRU(FINE_BYTES, lambda array: array.nbytes)
        self._coarse: ByteLRU[tuple[str, Rect], NDArray[Any]] = ByteLRU(COARSE_BYTES, lambda array: array.nbytes)
        self._parts: ByteLRU[Rect, NDArray[np.void]] = ByteLRU(CELLS_BYTES, lambda array: array.nbytes)
        self._closed = False

    def add(self, block: LiveBlock, cells: int) -> tuple[float, float, float, float]:
        """Take in a finished block of so many cells; returns where it lies (x, y, width, height in slide pixels)."""
        place, rect = self.geometry, block.mask
        with self._lock:
            if rect not in self._blocks:
                self._cells += cells
            self._blocks[rect] = block
        return (
            place.offset_x + (rect.left - self._mask.left) * place.scale_x,
            place.offset_y + (rect.top - self._mask.top) * place.scale_y,
            rect.cols * place.scale_x,
            rect.rows * place.scale_y,
        )

    @property
    def blocks(self) -> int:
        """How many blocks are finished."""
        return len(self._blocks)

    @property
    def cells(self) -> int:
        """How many cells have been found so far; not those that reach into a region from outside."""
        return self._cells

    @property
    def level_count(self) -> int:
        """Levels of the pyramid; level k is 2**k times coarser (ceil(shape / 2**k))."""
        return self.geometry.levels

    def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint32]:
        """Labels of a window at a level, (rows, cols) uint32, 0 outside and where no block is finished."""
        out = np.zeros((rows, cols), np.uint32)
        self._paste(out, "labels", level, row, col)
        return out

    def read_flow(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.float16]:
        """Flow of a window at a level, (rows, cols, 3) float16, 0 outside and where no block is finished."""
        out = np.zeros((rows, cols, 3), np.float16)
        if self.has_flows:
            self._paste(out, "flows", level, row, col)
        return out

    def centroids(self, wsi_dim: bool = False) -> NDArray[np.float64]:
        """(N, 2): row, column in mask pixels of the points that the cells' flows lead to; with `wsi_dim`, x, y."""
        found = [np.zeros((0, 2), np.float32), *(self._sinks_of(block) for block in self._now())]
        work = np.concatenate(found).astype(np.float64)
        return self._slide_from_work(work) if wsi_dim else self._mask_from_work(work)

    def cell(self, label: int, near: tuple[float, float] | None = None) -> LiveCell | None:
        """What is known by now of a cell; None where no finished block has it.

        Reads files, those of all blocks unless a slide point (x, y) of the cell is given in `near`.
        Raises ResultFileError for a block that can't be read any more.
        """
        from studio.cellseg.merge import measures_of, merge_parts

        blocks = self._now()
        if near is not None:
            around = self._around(*near)
            blocks = [block for block in blocks if block.mask.overlaps(around)]
        found = []
        for block in blocks:
            parts = self._parts.get_or_load(block.mask, lambda block=block: _block(block, ("cells",)).cells)  # type: ignore[misc]
            found.append(parts[live_ids(parts)[1:] == label])
        cells = merge_parts([parts for parts in found if len(parts)]).cells
        if len(cells) == 0:
            return None
        one = cells[0]
        work = np.array([[one["sum_row"], one["sum_col"]]]) / float(one["area"])
        [(x, y)] = self._slide_from_work(work).tolist()
        mpp = self.geometry.mpp
        known = measures_of(cells[:1], (mpp or 1.0) / self._downscale)
        if mpp is None:
            del known["area_um2"]
        return LiveCell((x, y), {name: float(values[0]) for name, values in known.items()}, self._finished(one))

    def _around(self, x: float, y: float) -> Rect:
        """The pixels of the whole mask that a cell at a slide point may reach."""
        place = self.geometry
        row = int((y - place.offset_y) / place.scale_y) + self._mask.top
        col = int((x - place.offset_x) / place.scale_x) + self._mask.left
        return Rect(row - NEAR_PX, col - NEAR_PX, row + NEAR_PX, col + NEAR_PX)

    def _finished(self, cell: np.void) -> bool:
        """Whether finished blocks cover a cell's box and the pixels around it, as far as they are in the mask."""
        scale, mask = self._downscale, self._mask
        top, left = (max(int(cell[name] / scale) - 1, low) for name, low in (("top", mask.top), ("left", mask.left)))
        bottom = min(int(cell["bottom"] / scale) + 1, mask.bottom)
        right = min(int(cell["right"] / scale) + 1, mask.right)
        covered = sum(
            max(0, min(bottom, block.mask.bottom) - max(top, block.mask.top))
            * max(0, min(right, block.mask.right) - max(left, block.mask.left))
            for block in self._now()
        )
        return covered >= (bottom - top) * (right - left)

    def _slide_from_work(self, work: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) x, y in slide pixels of (N, 2) row, column in working pixels."""
        return self.geometry.slide_from_mask(self._mask_from_work(work))

    def _mask_from_work(self, work: NDArray[np.float64]) -> NDArray[np.float64]:
        points: NDArray[np.float64] = (work + 0.5) / self._downscale - 0.5 - [self._mask.top, self._mask.left]
        return points

    def close(self) -> None:
        """Let go of what is kept; reads afterwards raise."""
        self._closed = True
        self._fine.clear()
        self._coarse.clear()
        self._parts.clear()

    def _now(self) -> list[LiveBlock]:
        with self._lock:
            if self._closed:
                raise ResultFileError("These cells have been closed.")
            return list(self._blocks.values())

    def _paste(self, out: NDArray[Any], what: str, level: int, row: int, col: int) -> None:
        """Fill a window that begins at `row`, `col` of a level with what finished blocks have there."""
        step = 1 << level
        top, left = self._mask.top + row * step, self._mask.left + col * step
        window = Rect(top, left, top + out.shape[0] * step, left + out.shape[1] * step)
        for block in self._now():
            if not block.mask.overlaps(window):
                continue
            piece = self._piece(block, what, level)
            # The first row and column of the level that lie in the block.
            first = (self._to_level(block.mask.top, self._mask.top, step) - row,
                     self._to_level(block.mask.left, self._mask.left, step) - col)  # fmt: skip
            low = [max(0, at) for at in first]
            high = [min(out.shape[n], first[n] + piece.shape[n]) for n in range(2)]
            if low[0] < high[0] and low[1] < high[1]:
                out[low[0] : high[0], low[1] : high[1]] = piece[
                    low[0] - first[0] : high[0] - first[0], low[1] - first[1] : high[1] - first[1]
                ]

    @staticmethod
    def _to_level(at: int, origin: int, step: int) -> int:
        return -(-(at - origin) // step)

    def _piece(self, block: LiveBlock, what: str, level: int) -> NDArray[Any]:
        """A block's pixels at a level: the rows and columns whose number in the mask is a multiple of 2**level."""
        key = (what, block.mask)
        if level < _COARSE_LEVEL:
            return self._thinned(self._fine.get_or_load(key, lambda: self._read(block, what)), block.mask, 0, level)
        coarse = self._coarse.get_or_load(
            key, lambda: self._thinned(self._read(block, what), block.mask, 0, _COARSE_LEVEL).copy()
        )
        return self._thinned(coarse, block.mask, _COARSE_LEVEL, level)

    def _thinned(self, pixels: NDArray[Any], rect: Rect, level: int, wanted: int) -> NDArray[Any]:
        def first(at: int, origin: int) -> int:
            had = self._to_level(at, origin, 1 << level)
            return (self._to_level(at, origin, 1 << wanted) << (wanted - level)) - had

        step = 1 << (wanted - level)
        return pixels[first(rect.top, self._mask.top) :: step, first(rect.left, self._mask.left) :: step]

    def _read(self, block: LiveBlock, what: str) -> NDArray[Any]:
        if what == "flows":
            flows = _block(block, ("flows",)).flows
            return np.zeros((block.mask.rows, block.mask.cols, 3), np.float16) if flows is None else flows
        data = _block(block, ("labels", "cells"))
        return live_ids(data.cells)[data.labels]

    def _sinks_of(self, block: LiveBlock) -> NDArray[np.float32]:
        if block.mask not in self._sinks:
            data = _block(block, ("cells",))
            own = owned(data.cells, data.core)
            self._sinks[block.mask] = np.stack([data.cells[name][own] for name in ("row", "col")], 1).astype(np.float32)
        return self._sinks[block.mask]


def owned(cells: NDArray[np.void], core: Rect) -> NDArray[np.bool_]:
    """Which of a block's cells are its own: those whose sink lies in its core, so that each cell counts once."""
    rows, cols = cells["row"], cells["col"]
    return np.asarray((rows >= core.top) & (rows < core.bottom) & (cols >= core.left) & (cols < core.right))


def live_ids(cells: NDArray[np.void]) -> NDArray[np.uint32]:
    """(n + 1,) uint32: a label for each local label 0…n of a block, the same for a cell in all blocks."""
    names = cells["row"].astype(np.uint64) << np.uint64(32) | cells["col"].astype(np.uint64)
    ids = np.zeros(len(cells) + 1, np.uint32)
    # Neighbours look at the low 24 bits only, so the name is spread over them; 0 is the background.
    ids[1:] = (names * _NAME_FACTOR >> np.uint64(40)).astype(np.uint32) | np.uint32(1 << 24)
    return ids


def _block(block: LiveBlock, only: tuple[str, ...]) -> BlockData:
    # The window knows this module from its start, and the engine only when it needs it.
    from studio.cellseg.blockdata import BlockFormatError, from_bytes

    try:
        return from_bytes(block.file.read_bytes(), only)
    except (OSError, BlockFormatError) as error:
        raise ResultFileError("This part of the run can't be read any more; the result will have it.") from error


def plan_event(geometry: MaskGeometry, mask: Rect, downscale: float, *, flows: bool) -> dict[str, Any]:
    """What a run emits as "plan" before its first block: all that `live_source` needs."""
    return {"geometry": asdict(geometry), "mask": list(mask.astuple()), "downscale": downscale, "flows": flows}


def block_event(block: BlockData, file: Path) -> dict[str, Any]:
    """What a run emits as "block": where it lies, the file it can be read from until the run ends, its own cells."""
    return {"file": str(file), "mask": list(block.mask.astuple()), "cells": int(owned(block.cells, block.core).sum())}


def live_source(plan: dict[str, Any]) -> LiveSource:
    """The source for a run's "plan" event."""
    geometry = MaskGeometry(**plan["geometry"] | {"shape": tuple(plan["geometry"]["shape"])})
    return LiveSource(geometry, Rect(*plan["mask"]), float(plan["downscale"]), has_flows=bool(plan["flows"]))


def live_block(event: dict[str, Any]) -> LiveBlock:
    """The block of a "block" event."""
    return LiveBlock(Rect(*event["mask"]), Path(event["file"]))
