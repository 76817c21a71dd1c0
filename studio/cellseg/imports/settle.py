"""Imported masks as a segmentation: in memory if they are small, else through a result file in the scratch folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.measure import measure_labels, renumber, windows
from studio.cellseg.resultwrite import ResultWriter
from studio.cellseg.source import MaskGeometry
from studio.cellseg.zarr2 import MAX_SIDE
from studio.errors import ResultFileError

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress

IN_MEMORY_BYTES = 256 << 20
"""Of masks, 4 bytes a pixel."""

_LARGEST_ID = 2**32 - 1


def through_file(
    place: MaskGeometry, meta: dict[str, Any], fill: Callable[[ResultWriter], None], progress: Progress
) -> Segmentation:
    """A segmentation from a result file that `fill` writes; the file has no name any more, so it goes when closed.

    (Where a system can't remove an open file, Windows, it stays in the temporary folder.)
    """
    from studio.cellseg.result import Segmentation

    with tempfile.TemporaryDirectory(prefix="studio-overlay-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "overlay-masks.zip"
        rows, cols = place.shape
        writer = ResultWriter(
            path,
            shape=place.shape,
            geometry=place,
            wsi_dim=(round(cols * place.scale_x), round(rows * place.scale_y)),
            wsi_offset=(round(place.offset_x), round(place.offset_y)),
            meta=meta,
            workdir=Path(folder),
            flows=False,
        )
        fill(writer)
        writer.finish(lambda: progress.advance(0))
        return Segmentation.load(path)


def check_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a label image. ResultFileError for anything else."""
    if len(shape) != 2 or not all(1 <= side <= MAX_SIDE for side in shape):
        raise ResultFileError(f"{path.name} has the shape {shape}; a label image has rows and columns only.")
    return int(shape[0]), int(shape[1])


def from_array(path: Path, array: Any, place: MaskGeometry, meta: dict[str, Any], progress: Progress) -> Segmentation:
    """A segmentation from labels (H, W) that can be sliced: an array, a memmap, a Zarr array.

    Raises ResultFileError for what isn't whole numbers from 0 up.
    """
    from studio.cellseg.result import Segmentation

    count = sum(1 for _ in windows(place.shape))
    progress.start(2 * count, f"Reading {path.name}")
    if place.shape[0] * place.shape[1] * 4 <= IN_MEMORY_BYTES:
        whole = separated(_whole_numbers(path, np.asarray(array[:, :])))
        progress.advance(count)
        segmentation = Segmentation(whole, meta=meta, geometry=place)
        segmentation.calculate_centroids()
        progress.advance(count)
        return segmentation

    def read(_level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint32]:
        out = np.zeros((rows, cols), np.uint32)
        top, left = max(0, row), max(0, col)
        part = np.asarray(array[top : row + rows, left : col + cols])
        out[top - row : top - row + part.shape[0], left - col : left - col + part.shape[1]] = _whole_numbers(path, part)
        return out

    measured = measure_labels(read, place.shape, advance=progress.advance)
    if len(measured.ids) == 1:
        raise ResultFileError(
            f"{path.name} is black and white, and too large to tell its cells apart here. Give each cell a number of "
            "its own, for instance with skimage.measure.label."
        )
    new = np.arange(1, len(measured.ids) + 1, dtype=np.uint32)

    def fill(writer: ResultWriter) -> None:
        for row, col, rows, cols in windows(place.shape):
            writer.write_labels(row, col, renumber(read(0, row, col, rows, cols), measured.ids, new))
            progress.advance()
        writer.write_cells(measured.centroids, measured.columns(place))

    return through_file(place, meta, fill, progress)


def separated(labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A black and white mask with a number for each connected part; anything else as it is."""
    first = int(labels.max(initial=0))
    if first == 0 or ((labels != 0) & (labels != first)).any():
        return labels
    from scipy.ndimage import label

    parts, _ = label(labels)
    return np.asarray(parts, np.uint32)


def _whole_numbers(path: Path, values: NDArray[Any]) -> NDArray[np.uint32]:
    if values.dtype.kind not in "iubf":
        raise ResultFileError(f"{path.name} holds {values.dtype}, not one whole number a pixel.")
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (np.rint(values) == values).all()):
        raise ResultFileError(f"{path.name} holds fractions, so it is an image and no label image.")
    if values.size and (values.min() < 0 or values.max() > _LARGEST_ID):
        raise ResultFileError(f"{path.name} holds numbers that no cell can have ({values.min()} to {values.max()}).")
    return values.astype(np.uint32)
