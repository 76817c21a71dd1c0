"""Tiles decoded straight from the file: the same pixels as OpenSlide's, or none of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import SlideError
from studio.slide import fasttiles, open_slide
from studio.slide.fasttiles import PROOFS, FastTiles, tiled_levels
from studio.slide.openslide_reader import OpenSlideReader
from tests.make_slides import tissue_like, write_slide
from tests.slide.test_errors import damage_tile, run_threads


def places(reader: OpenSlideReader, level: int, count: int = 24) -> list[tuple[int, int, int, int]]:
    """Rectangles of a level on the grid of 512, spread over it, the last column and row among them."""
    width, height = reader.level_sizes[level]
    cols, rows = -(-width // 512), -(-height // 512)
    every = [(col, row) for row in range(rows) for col in range(cols)]
    picked = [*every[:: max(1, len(every) // count)], (cols - 1, 0), (0, rows - 1), (cols - 1, rows - 1)]
    return [(c * 512, r * 512, min(512, width - c * 512), min(512, height - r * 512)) for c, r in picked]


def counted(reader: OpenSlideReader, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Levels of the reads that OpenSlide does from now on."""
    slow: list[int] = []
    real = reader._read

    def read(level: int, *rest: int) -> Any:
        slow.append(level)
        return real(level, *rest)

    monkeypatch.setattr(reader, "_read", read)
    return slow


def agrees(path: Path, vendor: str, level: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Check all places against OpenSlide alone; how many of the reads needed it."""
    plain, fast = OpenSlideReader(path, vendor), OpenSlideReader(path, vendor)
    plain._fast = None
    slow = counted(fast, monkeypatch)
    for place in places(fast, level):
        assert np.array_equal(fast.read(level, *place), plain.read(level, *place)), place
    plain.close()
    fast.close()
    return len(slow)


@pytest.mark.parametrize("compression", ["jpeg", "zlib"])
def test_made_slides(tmp_path: Path, compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """JPEG is decoded here; what isn't JPEG is all OpenSlide's."""
    path = write_slide(tmp_path / "made.tif", tissue_like(1600, 1700), compression=compression, downsamples=(1, 4))
    slow = agrees(path, "generic-tiff", 0, monkeypatch)
    assert slow == PROOFS if compression == "jpeg" else slow == 19


def test_the_sample_is_decoded_directly(sample_slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An Aperio slide with RGB in its JPEG tiles, of 240 px, their tables elsewhere."""
    slow = agrees(sample_slide, "aperio", 0, monkeypatch)
    assert slow < 15
    with open_slide(sample_slide) as slide:
        for col in range(4):
            slide.read_tile(0, col, 2)
        reader = slide._reader
        assert isinstance(reader, OpenSlideReader)
        assert reader._fast is not None
        assert reader._fast.trusts(0)


@pytest.mark.parametrize(
    ("name", "vendor"), [("liver_40x_aperio.svs", "aperio"), ("molluscum_nompp.tif", "generic-tiff")]
)
def test_real_slides(shared_data: Path, name: str, vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shared_data / name
    assert agrees(path, vendor, 0, monkeypatch) < 15
    # Levels that aren't whole multiples of each other: OpenSlide moves them by fractions of a pixel.
    assert agrees(path, vendor, 1, monkeypatch) > 20
    reader = OpenSlideReader(path, vendor)
    slow = counted(reader, monkeypatch)
    plain = OpenSlideReader(path, vendor)
    plain._fast = None
    for place in places(reader, 1):
        off = np.abs(reader.read(1, *place, moved=True).astype(int) - plain.read(1, *place))
        assert off.mean() < 4
        # Beside where OpenSlide has it by a fraction of a pixel, and not by a whole one.
        assert off.max() < 64
    assert len(slow) < 12
    reader.close()
    plain.close()


def test_pixels_that_differ_end_it(sample_slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = FastTiles._decode

    def other(found: Any, number: int, file: Any) -> np.ndarray:
        return np.minimum(real(found, number, file), 254) + np.uint8(1)

    monkeypatch.setattr(FastTiles, "_decode", staticmethod(other))
    assert agrees(sample_slide, "aperio", 0, monkeypatch) >= 24


def test_a_trusted_level_is_still_looked_at(sample_slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasttiles, "CHECK_EVERY", 10)
    reader = OpenSlideReader(sample_slide, "aperio")
    plain = reader._read(0, 512, 1024, 512, 512)
    for _ in range(9):
        reader.read(0, 512, 1024, 512, 512)
    assert reader._fast is not None
    assert reader._fast.trusts(0)
    monkeypatch.setattr(FastTiles, "_decode", staticmethod(lambda *_: np.zeros((240, 240, 3), np.uint8)))
    reader._fast._decoded.clear()
    for _ in range(10):
        reader.read(0, 512, 1024, 512, 512)
    assert not reader._fast.trusts(0)
    assert np.array_equal(reader.read(0, 512, 1024, 512, 512), plain)
    reader.close()


def test_flat_tiles_prove_nothing(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "flat.tif", np.full((1500, 1500, 3), 240, np.uint8), compression="jpeg")
    reader = OpenSlideReader(path, "generic-tiff")
    for place in places(reader, 0):
        reader.read(0, *place)
    assert reader._fast is not None
    assert not reader._fast.trusts(0)
    reader.close()


def test_tiles_that_are_bad_or_missing_are_left_to_openslide(tmp_path: Path) -> None:
    """An error there is the error of before, the rest is fast, and what is missing is white."""
    pixels = tissue_like(1600, 1700)

    def paint(x: int, y: int, w: int, h: int) -> np.ndarray | None:
        return None if x == 1024 and y == 1024 else pixels[y : y + h, x : x + w]

    path = write_slide(tmp_path / "holes.tif", paint, (1700, 1600), compression="jpeg")
    damage_tile(path, 0)
    reader = OpenSlideReader(path, "generic-tiff")
    for place in places(reader, 0)[1:]:
        reader.read(0, *place)
    with pytest.raises(SlideError, match="level 0, x 0, y 0"):
        reader.read(0, 0, 0, 512, 512)
    assert reader._fast is not None
    assert reader._fast.trusts(0)
    assert (reader.read(0, 1024, 1024, 256, 256) == 255).all()
    reader.close()


def test_closing_under_readers(sample_slide: Path) -> None:
    for _ in range(5):
        slide = open_slide(sample_slide)
        for col in range(4):
            slide.read_tile(0, col, 2)
        ends: list[str] = []

        def work(seed: int, slide: Any = slide, ends: list[str] = ends) -> None:
            try:
                for n in range(100):
                    slide._tiles.clear()
                    slide.read_tile(0, (seed + n) % 4, n % 5)
                    if seed == 3 and n == 4:
                        slide.close()
            except SlideError as error:
                ends.append(str(error))

        run_threads(work, 4)
        assert len(ends) == 4
        assert all("closed" in end for end in ends)


def test_which_levels_lie_as_tiles(sample_slide: Path, tmp_path: Path) -> None:
    found = tiled_levels(sample_slide, [(2220, 2967), (574, 768)], [1.0, 3.87])
    assert list(found) == [0]
    assert (found[0].tile, found[0].colours, found[0].whole) == ((240, 240), "RGB", True)
    path = tmp_path / "no.tif"
    path.write_bytes(b"II*\0 not much of a TIFF")
    fast = FastTiles(path, [(10, 10)], [1.0])
    gray = np.full((10, 10, 3), 9, np.uint8)
    assert np.array_equal(fast.read(0, 0, 0, 10, 10, lambda: gray), gray)
    fast.close()
