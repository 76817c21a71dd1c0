"""Slides for tests: tiled pyramidal TIFFs that OpenSlide reads, of any size and content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Painter = Callable[[int, int, int, int], Pixels | None]
"""(x, y, w, h) in slide pixels to RGB (h, w, 3), or None where there is nothing: costs no bytes and reads as white."""


def write_slide(
    path: Path,
    source: Pixels | Painter,
    size: tuple[int, int] | None = None,
    *,
    mpp: float | None = 0.25,
    downsamples: Sequence[int] = (1,),
    tile_px: int = 256,
    compression: str | None = "zlib",
    vendor: str = "generic-tiff",
) -> Path:
    """Write a slide and return its path.

    `source` is RGB (h, w, 3) or a painter, for which `size` (width, height) is
    needed. Coarser levels are means, made tile by tile, so a slide of 100,000
    pixels a side that is mostly nothing takes a moment and a few hundred kB.
    `vendor` 'aperio' writes the description that OpenSlide knows Aperio by.
    """
    paint = source if callable(source) else _painter(source)
    if size is None:
        assert not callable(source), "a painter needs a size"
        size = (source.shape[1], source.shape[0])
    # Pixels per cm; without a pixel size the unit is "none".
    resolution = (1e4 / mpp, 1e4 / mpp) if mpp else (1, 1)
    with tifffile.TiffWriter(path, bigtiff=size[0] * size[1] > 1 << 30) as tiff:
        for down in downsamples:
            width, height = -(-size[0] // down), -(-size[1] // down)
            described = _description(vendor, (width, height), mpp) if vendor == "aperio" else None
            tiff.write(
                _tiles(paint, size, down, tile_px),
                shape=(height, width, 3),
                dtype=np.uint8,
                tile=(tile_px, tile_px),
                photometric="rgb",
                compression=compression,
                resolution=resolution,
                resolutionunit=3 if mpp else 1,
                subfiletype=0 if down == 1 else 1,
                description=described,
                metadata=None,
            )
    return path


@lru_cache(maxsize=8)
def tissue_like(height: int, width: int, seed: int = 0) -> Pixels:
    """RGB noise with structure at several scales, in stain-like colours; read-only."""
    rng = np.random.default_rng(seed)
    out = np.full((height, width, 3), 128, np.float32)
    for cell in (4, 16, 64):
        coarse = rng.normal(0, 20, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        out += np.kron(coarse, np.ones((cell, cell, 1), np.float32))[:height, :width]
    pixels = np.clip(out + rng.normal(0, 8, out.shape) + (40, -20, 40), 0, 255).astype(np.uint8)
    pixels.setflags(write=False)
    return pixels


def _painter(pixels: Pixels) -> Painter:
    return lambda x, y, w, h: pixels[y : y + h, x : x + w]


def _tiles(paint: Painter, size: tuple[int, int], down: int, tile_px: int) -> Iterator[Pixels | None]:
    step = tile_px * down
    for y in range(0, size[1], step):
        for x in range(0, size[0], step):
            pixels = paint(x, y, min(step, size[0] - x), min(step, size[1] - y))
            if pixels is None and (x or y):
                yield None
            elif pixels is None:
                # tifffile wants to see the first tile.
                yield np.full((tile_px, tile_px, 3), 255, np.uint8)
            else:
                yield _padded(_mean(pixels, down), tile_px)


def _mean(pixels: Pixels, down: int) -> Pixels:
    if down == 1:
        return pixels
    height, width = pixels.shape[:2]
    full = np.pad(pixels, ((0, -height % down), (0, -width % down), (0, 0)), mode="edge")
    cells = full.reshape(full.shape[0] // down, down, full.shape[1] // down, down, 3)
    return (cells.mean(axis=(1, 3)) + 0.5).astype(np.uint8)


def _padded(pixels: Pixels, tile_px: int) -> Pixels:
    height, width = pixels.shape[:2]
    if (height, width) == (tile_px, tile_px):
        return pixels
    return np.pad(pixels, ((0, tile_px - height), (0, tile_px - width), (0, 0)), mode="edge")


def _description(vendor: str, size: tuple[int, int], mpp: float | None) -> str:
    stated = f"|AppMag = {10 / mpp:g}|MPP = {mpp:.4f}" if mpp else ""
    return f"Aperio Image Library v12.0.0 \r\n{size[0]}x{size[1]} [0,0 {size[0]}x{size[1]}]{stated}"
