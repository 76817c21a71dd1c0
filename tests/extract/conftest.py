"""A slide of drawn cells whose places and colours are known."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from studio.cellseg import Segmentation
from studio.slide import WSI
from tests.make_slides import write_slide

MPP = 0.5
SIZE = (900, 700)


@lru_cache(maxsize=1)
def discs() -> tuple[np.ndarray, np.ndarray]:
    """RGB (700, 900, 3) and labels of 60 discs: some at the edges, two with one centre, one larger than a tile."""
    rng = np.random.default_rng(3)
    places = [(0.0, 350.0, 9.0), (899.0, 350.0, 9.0), (450.0, 0.0, 9.0), (450.0, 699.0, 9.0), (0.0, 0.0, 12.0)]
    places += [(600.0, 200.0, 60.0)]
    grid = [(x, y) for y in range(60, 660, 60) for x in range(60, 860, 60) if not (520 < x < 680 and 120 < y < 280)]
    places += [(x + rng.uniform(-8, 8), y + rng.uniform(-8, 8), rng.uniform(6, 12)) for x, y in grid[:52]]
    rgb = np.full((SIZE[1], SIZE[0], 3), (235, 225, 235), np.uint8)
    labels = np.zeros(SIZE[::-1], np.uint32)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    for number, (cx, cy, radius) in enumerate(places, start=1):
        inside = (x - cx) ** 2 + (y - cy) ** 2 <= radius**2
        labels[inside] = number
        rgb[inside] = cell_colour(number)
    # Two cells with one centre: a disc inside a ring.
    distance = (x - 300) ** 2 + (y - 560) ** 2
    for number, inside in ((59, (distance > 5**2) & (distance <= 10**2)), (60, distance <= 5**2)):
        labels[inside] = number
        rgb[inside] = cell_colour(number)
    return rgb, labels


def cell_colour(number: int) -> tuple[int, int, int]:
    return (60 + 2 * number % 90, 20 + number, 250 - 2 * number)


@pytest.fixture(scope="session")
def disc_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("discs")
    # Lossless tiles, so that colours are exact.
    return write_slide(folder / "zwölf Zellen.tif", discs()[0], mpp=MPP, downsamples=(1, 4))


@pytest.fixture
def slide(disc_slide: Path) -> Iterator[WSI]:
    with WSI(disc_slide, 48, 48 * MPP) as opened:
        yield opened


@pytest.fixture
def cells(slide: WSI) -> Segmentation:
    return Segmentation(discs()[1], slide=slide)


@pytest.fixture
def masks_zip(cells: Segmentation, tmp_path: Path) -> Path:
    return cells.save(tmp_path / "masks.zip")
