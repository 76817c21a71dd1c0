"""Result files of as many made-up cells as one likes, laid on a real slide: to measure with, and to test."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.mismatch import slide_facts
from studio.cellseg.resultwrite import CHUNK, ResultWriter
from studio.cellseg.source import MaskGeometry
from studio.core.jobs import NullProgress, Progress
from studio.slide import WSI

PITCH_PX = 32
"""Mask pixels from one cell to the next."""

MPP = 0.5
"""µm per mask pixel: 16 µm from cell to cell, as close as nuclei in dense tissue."""

_PER_CHUNK = CHUNK // PITCH_PX
_NOTHING = NullProgress()


def write_made_cells(path: Path, cells: int, slide: WSI, progress: Progress = _NOTHING) -> int:
    """Write about so many cells around the middle of a slide, on a square grid; returns how many.

    They lie equally close whatever their number is, so many of them reach
    beyond the slide: what is in view doesn't depend on how many there are.
    Shape and direction vary, and with them the columns of the table.
    """
    down = max(1, round(math.sqrt(cells)))
    across = max(1, round(cells / down))
    shape = (down * PITCH_PX, across * PITCH_PX)
    scale = MPP / slide.require_mpp()
    left, top = (side / 2 - length * scale / 2 for side, length in zip(slide.size, shape[::-1], strict=True))
    geometry = MaskGeometry(shape, scale, scale, left, top, MPP)
    writer = ResultWriter(
        path,
        shape=shape,
        geometry=geometry,
        wsi_dim=(round(shape[1] * scale), round(shape[0] * scale)),
        wsi_offset=(round(left), round(top)),
        meta={"slide": slide_facts(slide), "mpp": MPP},
        workdir=path.with_name(f"{path.name}.work"),
        flows=False,
    )
    inside, areas = _shapes()
    row, col = (np.repeat(np.arange(_PER_CHUNK), PITCH_PX)[:, None], np.repeat(np.arange(_PER_CHUNK), PITCH_PX)[None])
    progress.start(-(-down // _PER_CHUNK), f"Writing {down * across:,} cells")
    for i in range(0, down, _PER_CHUNK):
        for j in range(0, across, _PER_CHUNK):
            h, w = (min(_PER_CHUNK, count - first) * PITCH_PX for count, first in ((down, i), (across, j)))
            numbers = ((i + row[:h]) * across + (j + col[:, :w]) + 1).astype(np.uint32)
            writer.write_labels(i * PITCH_PX, j * PITCH_PX, numbers * inside[:h, :w])
        progress.advance(1)
    writer.write_cells(*_table(down, across, areas))
    writer.finish()
    return down * across


def _shapes() -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Ellipses of a chunk, (CHUNK, CHUNK), and the area in pixels of each, (_PER_CHUNK, _PER_CHUNK)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:CHUNK, :CHUNK]
    i, j = y // PITCH_PX, x // PITCH_PX
    size = (_PER_CHUNK, _PER_CHUNK)
    ends = ((9.0, 16.0), (6.0, 11.0), (0.0, math.pi))
    long, short, angle = (rng.uniform(low, high, size)[i, j] for low, high in ends)
    dy, dx = y - (i + 0.5) * PITCH_PX + 0.5, x - (j + 0.5) * PITCH_PX + 0.5
    u, v = dy * np.cos(angle) + dx * np.sin(angle), dx * np.cos(angle) - dy * np.sin(angle)
    inside = (u / long) ** 2 + (v / short) ** 2 <= 1
    return inside, np.bincount((i * _PER_CHUNK + j)[inside], minlength=_PER_CHUNK**2).reshape(size)


def _table(
    down: int, across: int, areas: NDArray[np.int64]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float32] | NDArray[np.int32]]]:
    """Centroids and columns, a row a cell; axes are those of a circle of that area."""
    i, j = (each.ravel() for each in np.mgrid[:down, :across])
    middle = np.stack([i, j], axis=1) * PITCH_PX + PITCH_PX / 2 - 0.5
    area = (areas[i % _PER_CHUNK, j % _PER_CHUNK] * MPP**2).astype(np.float32)
    diameter = np.sqrt(area * np.float32(4 / np.pi))
    box = np.concatenate([np.stack([i, j], axis=1), np.stack([i + 1, j + 1], axis=1)], axis=1) * PITCH_PX
    columns: dict[str, NDArray[np.float32] | NDArray[np.int32]] = {
        "area_um2": area,
        "perimeter_um": np.float32(np.pi) * diameter,
        "major_um": diameter,
        "minor_um": diameter,
        "eccentricity": np.zeros_like(area),
        "bbox": box.astype(np.int32),
    }
    return middle, columns
