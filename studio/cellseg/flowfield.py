"""The flow field of a slide: network tiles of the global lattice, each computed once and kept while needed."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg.blocks import FlowPiece
from studio.cellseg.inputs import to_channels
from studio.cellseg.lattice import Rect, TileLattice
from studio.cellseg.normalize import Normalization
from studio.cellseg.where import Where

Tile = tuple[int, int]


class WorkingReader(Protocol):
    """What the engine reads of a slide; `studio.slide.WSI` has it."""

    def read_working(self, scale: float, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint8]:
        """RGB (rows, cols, 3) at `scale` slide pixels a pixel, the same however it is cut up."""


class TileInputs:
    """Makes the network's input of a tile from the slide. Any thread."""

    def __init__(
        self, slide: WorkingReader, scale: float, mode: str, normalization: Normalization, lattice: TileLattice
    ) -> None:
        self._slide = slide
        self._scale = scale
        self._mode = mode
        self._normalization = normalization
        self._lattice = lattice

    def read(self, tile: Tile) -> NDArray[np.float32]:
        """(2, tile, tile) float32, normalised. SlideError where the slide can't be read."""
        return self.read_with_pixels(tile)[0]

    def read_with_pixels(self, tile: Tile) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The same, and the slide's pixels that it was made from, (tile, tile, 3).

        Beyond the slide all is 0, as Cellpose pads: cells at the edge are then whole cells to the network, where a
        mirrored or repeated edge would make them half of something larger.
        """
        rect = self._lattice.tile_rect(tile)
        there = rect.clipped(Rect(0, 0, *self._lattice.shape))
        read = self._slide.read_working(self._scale, there.top, there.left, there.rows, there.cols)
        rgb = np.asarray(read, np.uint8)
        x = self._normalization.apply(to_channels(rgb, self._mode))
        if there == rect:
            return x, rgb
        padded = np.zeros((x.shape[0], rect.rows, rect.cols), np.float32)
        padded[(slice(None), *there.slices(rect))] = x
        padded_rgb = np.zeros((rect.rows, rect.cols, 3), np.uint8)
        padded_rgb[there.slices(rect)] = rgb
        return padded, padded_rgb


class TileStore:
    """Network outputs of tiles, (3, T, T) float32: pinned ones stay, the others up to a budget of bytes.

    Beside them lie the slide's pixels of the tile, (T, T, 3) uint8, where somebody wants them.

    A tile thrown out is computed again when it is needed, so the budget decides about time, never about
    the result. Thread-safe.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._lock = threading.Lock()
        self._tiles: OrderedDict[Tile, NDArray[np.float32]] = OrderedDict()
        self._pixels: dict[Tile, NDArray[np.uint8]] = {}
        self._pins: dict[Tile, int] = {}
        self._coming: set[Tile] = set()
        self._uses: Counter[Tile] = Counter()
        self._bytes = 0

    def pin(self, tiles: Iterable[Tile]) -> list[Tile]:
        """Keep these tiles until `unpin`; returns those that nobody has computed or promised yet."""
        missing = []
        with self._lock:
            for tile in tiles:
                self._pins[tile] = self._pins.get(tile, 0) + 1
                if tile in self._tiles:
                    self._tiles.move_to_end(tile)
                elif tile not in self._coming:
                    self._coming.add(tile)
                    missing.append(tile)
        return missing

    def put(self, tile: Tile, output: NDArray[np.float32], pixels: NDArray[np.uint8] | None = None) -> None:
        """Hand in a tile."""
        with self._lock:
            self._coming.discard(tile)
            self._tiles[tile] = output
            self._bytes += output.nbytes
            if pixels is not None:
                self._pixels[tile] = pixels
                self._bytes += pixels.nbytes
            self._shrink()

    def pixels(self, tile: Tile) -> NDArray[np.uint8]:
        """The slide's pixels of a pinned tile that was handed in with them."""
        with self._lock:
            return self._pixels[tile]

    def get(self, tile: Tile) -> NDArray[np.float32]:
        """A pinned tile that has been handed in."""
        with self._lock:
            return self._tiles[tile]

    def ready(self, tiles: Iterable[Tile]) -> bool:
        """Whether all have been handed in."""
        with self._lock:
            return all(tile in self._tiles for tile in tiles)

    def unpin(self, tiles: Iterable[Tile]) -> None:
        """The reverse of `pin`."""
        with self._lock:
            for tile in tiles:
                self._pins[tile] -= 1
                if not self._pins[tile]:
                    del self._pins[tile]
            self._shrink()

    def expect(self, tiles: Iterable[Tile]) -> None:
        """Somebody will need these tiles: one use each, until `done_with`."""
        with self._lock:
            self._uses.update(tiles)

    def done_with(self, tiles: Iterable[Tile]) -> None:
        """One use each is over; tiles that nobody expects to need any more go at once, for those that are needed."""
        with self._lock:
            for tile in tiles:
                self._uses[tile] -= 1
                if self._uses[tile] <= 0:
                    del self._uses[tile]
                    if tile not in self._pins and tile in self._tiles:
                        self._drop(tile)

    def settle(self) -> None:
        """Forget the pins and promises of a run that ended early; tiles stay. Call while nobody uses the store."""
        with self._lock:
            self._pins.clear()
            self._coming.clear()
            self._uses.clear()
            self._shrink()

    def _shrink(self) -> None:
        if self._bytes <= self._budget:
            return
        for tile in [tile for tile in self._tiles if tile not in self._pins]:
            self._drop(tile)
            if self._bytes <= self._budget:
                return

    def _drop(self, tile: Tile) -> None:
        self._bytes -= self._tiles.pop(tile).nbytes
        if tile in self._pixels:
            self._bytes -= self._pixels.pop(tile).nbytes


def add_up(store: TileStore, lattice: TileLattice, tiles: Iterable[Tile], rect: Rect) -> NDArray[np.float32]:
    """(rows, columns, 3): the network's flow in y and x and its logit on `rect`, from pinned tiles.

    Added up in the lattice's order, so that any cut gives the same bits.
    """
    total = np.zeros((rect.rows, rect.cols, 3), np.float32)
    for tile in tiles:
        at = lattice.tile_rect(tile)
        _add(
            total,
            store.get(tile),
            lattice.weights(tile[0], 0),
            lattice.weights(tile[1], 1),
            at.top - rect.top,
            at.left - rect.left,
        )
    return total


def split(total: NDArray[np.float32], rect: Rect, cellprob_threshold: float, where: Where | None = None) -> FlowPiece:
    """The flow field of `add_up` with this threshold; off the field of `where` all is background."""
    flow, inside, logit = _split(total, np.float32(cellprob_threshold))
    field = None if where is None else where.field_mask(rect)
    if field is not None:
        inside &= field
        flow[~field] = 0
    return FlowPiece(rect, flow, inside, logit)


def assemble_pixels(store: TileStore, lattice: TileLattice, tiles: Iterable[Tile], rect: Rect) -> NDArray[np.uint8]:
    """The slide's pixels on `rect`, (rows, cols, 3), from its (pinned) tiles; 0 where there is none."""
    rgb = np.zeros((rect.rows, rect.cols, 3), np.uint8)
    for tile in tiles:
        at = lattice.tile_rect(tile)
        both = at.clipped(rect)
        # Where tiles overlap they have the same pixels.
        rgb[both.slices(rect)] = store.pixels(tile)[both.slices(at)]
    return rgb


@njit(cache=True, nogil=True)
def _add(total, tile, weight_y, weight_x, top, left):  # type: ignore[no-untyped-def]
    rows, cols = total.shape[0], total.shape[1]
    side = tile.shape[1]
    first, stop = max(0, -left), min(side, cols - left)
    across = weight_x[first:stop]
    for v in range(max(0, -top), min(side, rows - top)):
        # Of rows the compiler can see that they don't overlap, and does many pixels at a time.
        into = total[top + v, left + first : left + stop].reshape(3 * (stop - first))
        flow_y, flow_x, logit = tile[0, v, first:stop], tile[1, v, first:stop], tile[2, v, first:stop]
        for u in range(across.size):
            weight = weight_y[v] * across[u]
            into[3 * u] += weight * flow_y[u]
            into[3 * u + 1] += weight * flow_x[u]
            into[3 * u + 2] += weight * logit[u]


@njit(cache=True, nogil=True)
def _split(total, threshold):  # type: ignore[no-untyped-def]
    rows, cols = total.shape[0], total.shape[1]
    flow = np.zeros((rows, cols, 2), np.float32)
    inside = np.zeros((rows, cols), np.bool_)
    logit = np.empty((rows, cols), np.float32)
    fifth = np.float32(5.0)
    for y in range(rows):
        for x in range(cols):
            logit[y, x] = total[y, x, 2]
            if total[y, x, 2] > threshold:
                inside[y, x] = True
                flow[y, x, 0] = total[y, x, 0] / fifth
                flow[y, x, 1] = total[y, x, 1] / fifth
    return flow, inside, logit
