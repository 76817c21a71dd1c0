"""Tiles drawn from many textures."""

from __future__ import annotations

from typing import Any

import numpy as np

from studio.document import View
from studio.render.gl import GL
from studio.render.grid import Grid, TileKey
from studio.render.offscreen import Offscreen
from studio.render.pool import PAGE_TILES, RGBA8, TILE_BYTES, TilePool
from studio.render.program import load_program
from studio.render.quads import QuadBatch, Quads


def shade(value: int) -> np.ndarray:
    return np.full((512, 512, 4), value, np.uint8)


def test_the_higher_order_is_on_top_whatever_texture_it_lies_in(gl: Any) -> None:
    pool = TilePool(RGBA8, 3 * PAGE_TILES * TILE_BYTES, shade(0))
    keys = [TileKey("slide", 0, n, 0) for n in range(2 * PAGE_TILES)]
    for n, key in enumerate(keys):
        assert pool.put(key, shade(n + 1), 1, ())
    grid = Grid((keys[-1].col * 512 + 512, 512), (1.0, 1.0))
    target, batch, program = Offscreen((8, 8)), QuadBatch(), load_program("tile.vert", "slide.frag")
    target.bind()
    GL.glViewport(0, 0, 8, 8)
    program.use()
    view = View(center_x=4.0, center_y=4.0, scale=1.0, viewport=(8, 8))
    for bottom, top in ((0, -1), (-1, 0), (3, 5)):
        quads = Quads()
        for key, order in ((keys[top], 2), (keys[bottom], 1)):
            tile = pool.get(key)
            assert tile is not None
            # All in one place: the first tile's.
            quads.add(TileKey("slide", 0, 0, 0), tile, grid, (0.0, 0.0, 8.0, 8.0), order)
        batch.draw(quads, view, pool)
        assert (target.read() == keys[top].col + 1).all()
    program.close()
    batch.close()
    pool.close()
    target.close()


def test_nothing_to_draw_is_drawn_without_a_call(gl: Any) -> None:
    pool, batch = TilePool(RGBA8, 4 * TILE_BYTES, shade(0)), QuadBatch()
    batch.draw(Quads(), View(), pool)
    pool.put(TileKey("slide", 0, 0, 0), shade(9), 1, ())
    tile = pool.get(TileKey("slide", 0, 0, 0))
    assert tile is not None
    away = Quads()
    away.add(TileKey("slide", 0, 0, 0), tile, Grid((512, 512), (1.0, 1.0)), (0.0, 0.0, 512.0, 512.0))
    batch.draw(away, View(center_x=90_000.0), pool)
    batch.close()
    pool.close()
