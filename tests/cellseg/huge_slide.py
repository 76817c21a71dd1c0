"""A slide of any size in a few hundred kilobytes: a BigTIFF pyramid most of whose tiles are the same bytes.

python tests/cellseg/huge_slide.py huge.tiff 100000
"""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE = 512
PATTERN = 1024
"""Side of the piece of tissue that is repeated; a multiple of the tile at level 0, a part of one at coarse levels."""
MPP = 0.25
LEVELS = (1, 4, 16, 64)


def write_huge_slide(path: Path, side_px: int, tissue: NDArray[np.uint8]) -> Path:
    """Write a square slide: a disc of repeated `tissue` (PATTERN, PATTERN, 3) on glass, and return its path."""
    with path.open("wb") as file:
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
        at_next = 8
        for down in LEVELS:
            size = -(-side_px // down)
            across = -(-size // TILE)
            known: dict[bytes, tuple[int, int]] = {}
            white = _jpeg(np.full((TILE, TILE, 3), 246, np.uint8))
            level = np.asarray(Image.fromarray(tissue).resize((PATTERN // down,) * 2, Image.Resampling.BOX))
            repeats = -(-TILE // level.shape[0])
            pieces = [_jpeg(piece) for piece in _tiles(np.tile(level, (repeats, repeats, 1)))]
            columns = max(1, level.shape[1] // TILE)
            places = []
            for row in range(across):
                for col in range(across):
                    y, x = ((n + 0.5) * TILE / size * 2 - 1 for n in (row, col))
                    inside = y * y + x * x < 0.55
                    data = pieces[row % columns * columns + col % columns] if inside else white
                    if data not in known:
                        known[data] = (file.tell(), len(data))
                        file.write(data)
                    places.append(known[data])
            at_next = _directory(file, at_next, size, down, places)
    return path


def _tiles(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    rows, cols = max(1, image.shape[0] // TILE), max(1, image.shape[1] // TILE)
    return [
        image[row * TILE : (row + 1) * TILE, col * TILE : (col + 1) * TILE]
        for row in range(rows)
        for col in range(cols)
    ]


def _jpeg(tile: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(tile)).save(out, "JPEG", quality=88)
    return out.getvalue()


def _directory(file: io.BufferedWriter, at_next: int, size: int, down: int, places: list[tuple[int, int]]) -> int:
    """Write a level's tags and hang them into the chain; returns where the next level's address goes."""
    arrays = {}
    for tag, values in ((324, [offset for offset, _ in places]), (325, [length for _, length in places])):
        arrays[tag] = file.tell()
        file.write(struct.pack(f"<{len(values)}Q", *values))
    # A rational is two longs, which fit the eight bytes of a BigTIFF value.
    resolution = struct.pack("<II", round(1e4 / (MPP * down)), 1)
    bits = struct.pack("<HHHH", 8, 8, 8, 0)
    number = lambda value: struct.pack("<Q", value)  # noqa: E731
    # Tag, type (3 short, 4 long, 5 rational, 16 long8), count, value or address.
    tags = [
        (254, 4, 1, number(0 if down == 1 else 1)),
        (256, 4, 1, number(size)),
        (257, 4, 1, number(size)),
        (258, 3, 3, bits),
        (259, 3, 1, number(7)),
        (262, 3, 1, number(6)),
        (277, 3, 1, number(3)),
        (282, 5, 1, resolution),
        (283, 5, 1, resolution),
        (284, 3, 1, number(1)),
        (296, 3, 1, number(3)),
        (322, 4, 1, number(TILE)),
        (323, 4, 1, number(TILE)),
        (324, 16, len(places), number(arrays[324]) if len(places) > 1 else number(places[0][0])),
        (325, 16, len(places), number(arrays[325]) if len(places) > 1 else number(places[0][1])),
        (530, 3, 2, struct.pack("<HHHH", 2, 2, 0, 0)),
    ]
    here = file.tell()
    file.write(struct.pack("<Q", len(tags)))
    for tag, kind, count, value in tags:
        file.write(struct.pack("<HHQ", tag, kind, count) + value)
    end = file.tell()
    file.write(struct.pack("<Q", 0))
    file.seek(at_next)
    file.write(struct.pack("<Q", here))
    file.seek(0, 2)
    return end


if __name__ == "__main__":
    from tests.cellseg.conftest import dotted_tissue

    write_huge_slide(Path(sys.argv[1]), int(sys.argv[2]), dotted_tissue(PATTERN * 2, PATTERN, 1400, 0)[:, :PATTERN])
