"""What reading tiles costs without a viewer: bare OpenSlide on as many threads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from studio.render.grid import TILE_PX
from studio.render.loader import THREADS


def bare_read(path: Path, tiles: Sequence[tuple[int, int, int]]) -> float | None:
    """Seconds that a fresh OpenSlide handle takes for tiles (level, column, row); None for what it can't open.

    They are read twice and the second time counts, so that neither side
    waits for the disk: the viewer reads them after this.
    """
    import openslide

    def read(tile: tuple[int, int, int]) -> None:
        level, col, row = tile
        down = handle.level_downsamples[level]
        width, height = handle.level_dimensions[level]
        size = (min(TILE_PX, width - col * TILE_PX), min(TILE_PX, height - row * TILE_PX))
        handle.read_region((round(col * TILE_PX * down), round(row * TILE_PX * down)), level, size)

    taken_s = None
    for _ in range(2):
        try:
            handle = openslide.OpenSlide(str(path))
        except openslide.OpenSlideError:
            return None
        with handle, ThreadPoolExecutor(THREADS) as pool:
            began_s = time.monotonic()
            list(pool.map(read, tiles))
            taken_s = time.monotonic() - began_s
    return taken_s
