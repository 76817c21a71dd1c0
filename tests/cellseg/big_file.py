"""A result file of any size, written chunk by chunk: cells of 64 shapes that repeat, over all chunk borders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.resultwrite import ResultWriter, shape_columns
from studio.cellseg.source import MaskGeometry

PITCH = 64
"""Mask pixels between cells; their middles lie at multiples of it, so every eighth lies on a chunk border."""


def write_big(path: Path, rows: int, cols: int, *, measure: bool = True) -> int:
    """Write masks of that size (cells 32 µm apart, at 0.5 µm a pixel); returns how many cells there are.

    Without `measure` the table has their places only, which takes half the time.
    """
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
    number = (i * across + j).astype(np.uint32)
    for top in range(0, rows, writer.CHUNK):
        for left in range(0, cols, writer.CHUNK):
            h, w = min(writer.CHUNK, rows - top), min(writer.CHUNK, cols - left)
            first_row, first_col = top // PITCH, left // PITCH
            real = inside[:h, :w]
            if not (top and left and h == w == writer.CHUNK):
                row, col = i[:h, :w] + first_row, j[:h, :w] + first_col
                real = real & (row >= 1) & (col >= 1) & (row <= down) & (col <= across)
            first = np.uint32((first_row - 1) * across + first_col & 0xFFFFFFFF)
            writer.write_labels(top, left, (number[:h, :w] + first) * real)
    if not measure:
        _write_cells(writer, down, across)
    writer.finish()
    return down * across


def _write_cells(writer: ResultWriter, down: int, across: int) -> None:
    """A table without measuring: every cell in the middle of its square."""
    middle = np.stack(np.mgrid[1 : down + 1, 1 : across + 1], axis=-1).reshape(-1, 2) * PITCH
    half = PITCH // 2
    columns = {name: np.full(len(middle), 1, np.float32) for name in shape_columns("um")}
    box = np.concatenate([middle - half, middle + half], axis=1)
    writer.write_cells(middle.astype(np.float64), columns | {"bbox": box.astype(np.int32)})


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
