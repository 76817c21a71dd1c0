"""A result file of any size, written chunk by chunk: cells of 64 shapes that repeat, over all chunk borders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.resultwrite import ResultWriter
from studio.cellseg.source import MaskGeometry

PITCH = 64
"""Mask pixels between cells; their middles lie at multiples of it, so every eighth lies on a chunk border."""


def write_big(path: Path, rows: int, cols: int) -> int:
    """Write masks of that size (1 µm cells apart 32 µm at 0.5 µm a pixel); returns how many cells there are."""
    geometry = MaskGeometry((rows, cols), 2.0, 2.0, 0.0, 0.0, 0.5)
    writer = ResultWriter(
        path,
        shape=(rows, cols),
        geometry=geometry,
        wsi_dim=(2 * cols, 2 * rows),
        wsi_offset=(0, 0),
        meta={"slide": {"name": path.stem, "size": [2 * cols, 2 * rows], "mpp": 0.25}},
        workdir=path.parent / f"{path.name}.work",
        flows=False,
    )
    down, across = (rows - PITCH // 2) // PITCH, (cols - PITCH // 2) // PITCH
    inside, i, j = _pattern(writer.CHUNK)
    for top in range(0, rows, writer.CHUNK):
        for left in range(0, cols, writer.CHUNK):
            h, w = min(writer.CHUNK, rows - top), min(writer.CHUNK, cols - left)
            row, col = i[:h, :w] + top // PITCH, j[:h, :w] + left // PITCH
            real = inside[:h, :w] & (row >= 1) & (col >= 1) & (row <= down) & (col <= across)
            writer.write_labels(top, left, ((row - 1) * across + col).astype(np.uint32) * real)
    writer.finish()
    return down * across


def _pattern(side: int) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Which pixels of a chunk are in a cell, and that cell's row and column counted from the chunk's corner."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    i, j = (y + PITCH // 2) // PITCH, (x + PITCH // 2) // PITCH
    per = side // PITCH
    long, short = rng.uniform(12, 22, (per, per))[i % per, j % per], rng.uniform(8, 14, (per, per))[i % per, j % per]
    angle = rng.uniform(0, np.pi, (per, per))[i % per, j % per]
    dy, dx = y - i * PITCH, x - j * PITCH
    u, v = dy * np.cos(angle) + dx * np.sin(angle), dx * np.cos(angle) - dy * np.sin(angle)
    return (u / long) ** 2 + (v / short) ** 2 <= 1, i, j
