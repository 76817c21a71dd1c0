"""A result file of any size, written chunk by chunk: cells of 64 shapes that repeat, over all chunk borders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.resultwrite import ResultWriter, shape_columns
from studio.cellseg.source import MaskGeometry

PITCH = 64
"""Mask pixels between cells; their middles lie at multiples of it, so every eighth lies on a chunk border."""


def write_big(
    path: Path, rows: int, cols: int, *, measure: bool = True, pitch: int = PITCH, tissue: float = 1.0
) -> int:
    """Write masks of that size (0.5 µm a pixel) with a cell every `pitch` pixels; returns how many there are.

    Without `measure` the table has their places only, which takes half the time. Cells lie on the upper left
    `tissue` of the height and of the width.
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
    used = round(rows * tissue), round(cols * tissue)
    down, across = (used[0] - pitch // 2) // pitch, (used[1] - pitch // 2) // pitch
    inside, i, j = _pattern(writer.CHUNK, pitch)
    number = (i * across + j).astype(np.uint32)
    for top in range(0, used[0], writer.CHUNK):
        for left in range(0, used[1], writer.CHUNK):
            h, w = min(writer.CHUNK, rows - top), min(writer.CHUNK, cols - left)
            first_row, first_col = top // pitch, left // pitch
            real = inside[:h, :w]
            inner = top + 2 * writer.CHUNK <= used[0] and left + 2 * writer.CHUNK <= used[1]
            if not (top and left and inner):
                row, col = i[:h, :w] + first_row, j[:h, :w] + first_col
                real = real & (row >= 1) & (col >= 1) & (row <= down) & (col <= across)
            first = np.uint32((first_row - 1) * across + first_col & 0xFFFFFFFF)
            writer.write_labels(top, left, (number[:h, :w] + first) * real)
    if not measure:
        _write_cells(writer, down, across, pitch)
    writer.finish()
    return down * across


def _write_cells(writer: ResultWriter, down: int, across: int, pitch: int) -> None:
    """A table without measuring: every cell in the middle of its square."""
    middle = np.stack(np.mgrid[1 : down + 1, 1 : across + 1], axis=-1).reshape(-1, 2) * pitch
    half = pitch // 2
    columns = {name: np.full(len(middle), 1, np.float32) for name in shape_columns("um")}
    box = np.concatenate([middle - half, middle + half], axis=1)
    writer.write_cells(middle.astype(np.float64), columns | {"bbox": box.astype(np.int32)})


def _pattern(side: int, pitch: int) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Which pixels of a chunk are in a cell, and that cell's row and column counted from the chunk's corner."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    i, j = (y + pitch // 2) // pitch, (x + pitch // 2) // pitch
    per = side // pitch
    long, short = (rng.uniform(*ends, (per, per))[i % per, j % per] * pitch / 64 for ends in ((12, 22), (8, 14)))
    angle = rng.uniform(0, np.pi, (per, per))[i % per, j % per]
    dy, dx = y - i * pitch, x - j * pitch
    u, v = dy * np.cos(angle) + dx * np.sin(angle), dx * np.cos(angle) - dy * np.sin(angle)
    return (u / long) ** 2 + (v / short) ** 2 <= 1, i, j
