"""The tiles of one picture: which are wanted, which are there, what stands in for those that are not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from numpy.typing import NDArray

from studio.document import View
from studio.render.grid import Grid, Rect, TileKey, common, distance, meets, rect_of, tiles_in
from studio.render.loader import Check, Loaded, Request
from studio.render.pool import TilePool
from studio.render.quads import Quads

log = logging.getLogger(__name__)

Read = Callable[[TileKey, Check], "NDArray[Any] | None"]
"""Pixels of a tile for the pool, None where it has none; on a loader thread."""


_RIM_PX = 32
"""Pixels around a tile that may have a say in it."""


class TileLayer:
    """Base of the slide's and the overlay's tiles. Main thread. Owns its pool."""

    def __init__(self, kind: str, pool: TilePool) -> None:
        self.kind = kind
        self.pool = pool
        self.grids: Sequence[Grid] = ()
        self.level = 0
        self.visible: list[TileKey] = []
        """Tiles of the level that is drawn, in view, those nearest the middle first."""
        self.cover: list[TileKey] = []
        """Coarse tiles that show the whole picture, so that nothing is ever bare."""
        self.ahead: list[TileKey] = []
        """What may come into view next, as far as there is room."""
        self._keep: set[TileKey] = set()
        self._stamp = 0
        self._read: Read | None = None
        self._rect: Rect = (0.0, 0.0, 0.0, 0.0)

    def show(
        self,
        grids: Sequence[Grid],
        read: Read,
        stamp: int,
        *,
        same: bool = False,
        changed: Sequence[Rect] | None = None,
    ) -> None:
        """Show another picture, or the `same` one in a newer state: then old tiles are drawn until new ones come.

        `changed` are the rectangles that are new in it; None for all of it.
        """
        if not same:
            self.pool.clear()
        elif changed is not None:
            self._keep_unchanged(changed, stamp)
        self.grids, self._read, self._stamp = grids, read, stamp

    def hide(self) -> None:
        """Show nothing."""
        self.pool.clear()
        self.grids, self._read = (), None
        self.visible, self.cover, self.ahead = [], [], []
        self._keep = set()

    def look(self, view: View) -> None:
        """Work out what is wanted for a view."""
        if not self.grids:
            return
        self._rect = rect_of(view)
        centre = (view.center_x, view.center_y)
        # A quarter of the room is left for stand-ins and for what may come into view next.
        self.level = self._level_at(view.scale, self.pool.capacity * 3 // 4)
        self.visible = self._nearest_first(tiles_in(self.kind, self.grids, self.level, self._rect), centre)
        self.cover = self._cover()
        seen = {*self.visible, *self.cover}
        ring = [key for key in self._ahead() if key not in seen]
        self.ahead = self._nearest_first(ring, centre)[: max(0, self.pool.capacity - len(seen))]
        self._keep = seen.union(self.ahead)

    def missing(self, keys: Iterable[TileKey]) -> list[TileKey]:
        """Those of the tiles that aren't there in their newest state."""
        return [key for key in keys if not self._fresh(key)]

    def distance(self, key: TileKey, centre: tuple[float, float]) -> float:
        """Slide pixels from a point to a tile's middle."""
        return distance(self.grids[key.level].tile_rect(key.col, key.row), centre)

    def request(self, key: TileKey, *, urgent: bool) -> Request:
        """How the loader gets a tile."""
        read = self._read
        assert read is not None, "a layer that shows nothing wants nothing"
        return Request((self._stamp, key), lambda check: read(key, check), urgent, (self.kind, key.level))

    def take(self, stamp: int, key: TileKey, loaded: Loaded) -> bool:
        """Upload a tile that was read. Whether that changes what is in view."""
        if stamp != self._stamp or not self.grids:
            return False
        if loaded.error is not None:
            log.warning("%s tile %d/%d/%d: %s", self.kind, key.level, key.col, key.row, loaded.error)
        self.pool.put(key, loaded.value, stamp, self._keep)
        # A tile of another level shows only where it stands in for one that is missing.
        shows = key in self.visible or bool(self.missing(self.visible))
        return shows and meets(self.grids[key.level].tile_rect(key.col, key.row), self._rect)

    def quads(self) -> Quads:
        """What to draw."""
        raise NotImplementedError

    def close(self) -> None:
        """Free the tiles."""
        self.pool.close()

    def _level_at(self, scale: float, most: int) -> int:
        """The level to draw at a scale, of which at most so many tiles may be in view; see `level_for`."""
        raise NotImplementedError

    def _cover(self) -> list[TileKey]:
        """Keys of the tiles that show the whole picture."""
        raise NotImplementedError

    def _ahead(self) -> list[TileKey]:
        """Tiles around the view; more than there may be room for."""
        return tiles_in(self.kind, self.grids, self.level, self._rect, ring=1)

    def _nearest_first(self, keys: Iterable[TileKey], centre: tuple[float, float]) -> list[TileKey]:
        return [key for _, key in sorted((self.distance(key, centre), key) for key in keys)]

    def _keep_unchanged(self, changed: Sequence[Rect], stamp: int) -> None:
        """Carry over to a new stamp the newest tiles that none of the changes touches."""
        for key, tile in self.pool.items():
            # A tile's rim shows whether its neighbours' pixels are of other cells.
            across, down = (_RIM_PX * side for side in self.grids[key.level].pixel)
            left, top, right, bottom = self.grids[key.level].tile_rect(key.col, key.row)
            around = (left - across, top - down, right + across, bottom + down)
            if tile.stamp == self._stamp and not any(meets(around, rect) for rect in changed):
                tile.stamp = stamp

    def _fresh(self, key: TileKey) -> bool:
        tile = self.pool.get(key)
        return tile is not None and tile.stamp == self._stamp

    def _add(self, quads: Quads, key: TileKey, within: Rect | None = None, order: int = 0) -> bool:
        """Draw a tile, or its part in a rectangle, if it is there."""
        tile = self.pool.get(key)
        if tile is None:
            return False
        grid = self.grids[key.level]
        # A coarse level's last pixels reach beyond the picture.
        rect = common(grid.tile_rect(key.col, key.row), self.grids[0].rect)
        quads.add(key, tile, grid, rect if within is None else common(rect, within), order)
        return True
