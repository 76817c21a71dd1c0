"""Tiles in graphics memory: pages of array textures with a byte budget."""

from __future__ import annotations

from collections.abc import Collection, ItemsView
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.render.gl import GL, pointer
from studio.render.grid import TileKey
from studio.render.slots import SlotLRU

PAGE_BYTES = 8 << 20
"""Of one array texture. Drivers allow 256 tiles, but software GL takes half a millisecond of each to begin one."""

TEXEL_BYTES = 4
"""Of every texture here: RGBA8 and R32UI take the same."""


@dataclass(frozen=True, slots=True)
class Format:
    """How GL stores and takes a texel of four bytes."""

    internal: int
    pixel: int
    kind: int


RGBA8 = Format(GL.GL_RGBA8, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE)
R32UI = Format(GL.GL_R32UI, GL.GL_RED_INTEGER, GL.GL_UNSIGNED_INT)


@dataclass(slots=True)
class Tile:
    """A tile that can be drawn."""

    slot: int
    """Where it lies; `TilePool.SPARE` for the tile that many share."""
    stamp: int
    """Which state of its source it shows."""


class TilePool:
    """Tiles by key. Forgets what was drawn longest ago once `budget_bytes` are full. Owns its textures.

    One more tile, `spare`, is what a tile without pixels of its own looks
    like: an error pattern, or no cells; none is larger. Main thread, context current.
    """

    SPARE = 0

    def __init__(self, form: Format, budget_bytes: int, spare: NDArray[Any]) -> None:
        self._format = form
        self._spare = spare
        self._side = spare.shape[0]
        self.tile_bytes = self._side**2 * TEXEL_BYTES
        """Graphics memory of a tile."""
        self.page_tiles = PAGE_BYTES // self.tile_bytes
        """Tiles of one array texture."""
        self._slots: SlotLRU[TileKey] = SlotLRU(max(1, budget_bytes // self.tile_bytes - 1))
        self._tiles: dict[TileKey, Tile] = {}
        self._pages: list[int] = []

    def __len__(self) -> int:
        return len(self._tiles)

    def __contains__(self, key: TileKey) -> bool:
        return key in self._tiles

    def items(self) -> ItemsView[TileKey, Tile]:
        """All tiles by key; using none of them."""
        return self._tiles.items()

    @property
    def capacity(self) -> int:
        """How many tiles with pixels fit."""
        return self._slots.capacity

    @property
    def held_bytes(self) -> int:
        """Graphics memory taken now."""
        return len(self._pages) * self.page_tiles * self.tile_bytes

    def get(self, key: TileKey) -> Tile | None:
        """The tile, which counts as used now, or None."""
        tile = self._tiles.get(key)
        if tile is not None and tile.slot != self.SPARE:
            self._slots.get(key)
        return tile

    def put(self, key: TileKey, pixels: NDArray[Any] | None, stamp: int, keep: Collection[TileKey]) -> bool:
        """Upload a tile in place of an older one of that name; None for pixels makes it a spare.

        False, and nothing happens, where all room is taken by tiles in `keep`.
        """
        if pixels is None:
            self._slots.release(key)
            self._tiles[key] = Tile(self.SPARE, stamp)
            return True
        assigned = self._slots.assign(key, keep)
        if assigned is None:
            return False
        slot, loser = assigned
        if loser is not None:
            del self._tiles[loser]
        self._tiles[key] = Tile(slot + 1, stamp)
        self._upload(slot + 1, pixels)
        return True

    def texture(self, slot: int) -> int:
        """The array texture that a slot lies in; its layer there is `slot % page_tiles`."""
        self._grow(slot // self.page_tiles)
        return self._pages[slot // self.page_tiles]

    def clear(self) -> None:
        """Forget all tiles; the memory is kept for the next ones."""
        self._tiles.clear()
        self._slots.clear()

    def close(self) -> None:
        """Free the textures."""
        self.clear()
        if self._pages:
            GL.glDeleteTextures(self._pages)
            self._pages.clear()

    def _upload(self, slot: int, pixels: NDArray[Any]) -> None:
        pixels = np.ascontiguousarray(pixels)
        height, width = pixels.shape[:2]
        GL.glBindTexture(GL.GL_TEXTURE_2D_ARRAY, self.texture(slot))
        where = (0, 0, slot % self.page_tiles, width, height, 1)
        GL.glTexSubImage3D(GL.GL_TEXTURE_2D_ARRAY, 0, *where, self._format.pixel, self._format.kind, pointer(pixels))

    def _grow(self, page: int) -> None:
        while len(self._pages) <= page:
            self._pages.append(GL.glGenTextures(1))
            GL.glBindTexture(GL.GL_TEXTURE_2D_ARRAY, self._pages[-1])
            shape = (self._side, self._side, self.page_tiles, 0)
            GL.glTexImage3D(
                *(GL.GL_TEXTURE_2D_ARRAY, 0, self._format.internal, *shape),
                *(self._format.pixel, self._format.kind, None),
            )
            GL.glTexParameteri(GL.GL_TEXTURE_2D_ARRAY, GL.GL_TEXTURE_MAX_LEVEL, 0)
            for name in (GL.GL_TEXTURE_MIN_FILTER, GL.GL_TEXTURE_MAG_FILTER):
                GL.glTexParameteri(GL.GL_TEXTURE_2D_ARRAY, name, GL.GL_NEAREST)
            if len(self._pages) == 1:
                self._upload(self.SPARE, self._spare)
