"""Tiles drawn from many textures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.document import View
from studio.render.gl import GL
from studio.render.grid import Grid, TileKey
from studio.render.offscreen import Offscreen
from studio.render.pool import PAGE_BYTES, RGBA8, TilePool
from studio.render.program import load_program
from studio.render.quads import QuadBatch, Quads


def shade(value: int, side: int = 512) -> np.ndarray:
    return np.full((side, side, 4), value, np.uint8)


@pytest.mark.parametrize("side", [512, 256])
def test_the_higher_order_is_on_top_whatever_texture_it_lies_in(gl: Any, side: int) -> None:
    pool = TilePool(RGBA8, 3 * PAGE_BYTES, shade(0, side))
    keys = [TileKey("slide", 0, n, 0) for n in range(2 * pool.page_tiles)]
    for n, key in enumerate(keys):
        assert pool.put(key, shade(n + 1, side), 1, ())
    assert pool.held_bytes == 3 * PAGE_BYTES
    grid = Grid((keys[-1].col * side + side, side), (1.0, 1.0), side=side)
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
    pool, batch = TilePool(RGBA8, PAGE_BYTES, shade(0)), QuadBatch()
    batch.draw(Quads(), View(), pool)
    pool.put(TileKey("slide", 0, 0, 0), shade(9), 1, ())
    tile = pool.get(TileKey("slide", 0, 0, 0))
    assert tile is not None
    away = Quads()
    away.add(TileKey("slide", 0, 0, 0), tile, Grid((512, 512), (1.0, 1.0)), (0.0, 0.0, 512.0, 512.0))
    batch.draw(away, View(center_x=90_000.0), pool)
    batch.close()
    pool.close()
