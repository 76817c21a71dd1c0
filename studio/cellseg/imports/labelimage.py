"""Label images: TIFF, PNG, NPY. One number a pixel, 0 for the background."""

from __future__ import annotations

import struct
import tokenize
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.imports.placing import imported, whole_slide
from studio.cellseg.scratch import whole_array
from studio.cellseg.zarr2 import MAX_SIDE
from studio.errors import ResultFileError, UsageError

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress
    from studio.slide import WSI

Piece = tuple[int, int, NDArray[Any]]
"""Row, column and values of a part of an image."""

_BAND_BYTES = 32 << 20
_PROBLEMS = (
    *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, MemoryError, RuntimeError),
    *(SyntaxError, OverflowError, ZeroDivisionError, struct.error, zlib.error, tokenize.TokenError),
)
"""What the libraries raise for damaged files."""

_LARGEST_ID = 2**32 - 1


def read_image(path: Path, slide: WSI, progress: Progress) -> Segmentation:
    """A label image as a segmentation in memory (or a scratch file)."""
    from studio.cellseg.result import Segmentation

    suffix = path.suffix.lower()
    read = _read_npy if suffix == ".npy" else _read_png if suffix == ".png" else _read_tiff
    try:
        labels = read(path, slide, progress)
    except _PROBLEMS as error:
        why = str(error) or type(error).__name__
        raise ResultFileError(f"{path.name} can't be read as a label image ({why}).") from error
    return Segmentation(labels, meta=imported(path, slide), geometry=whole_slide(path, labels.shape, slide))


def collect(
    path: Path, shape: tuple[int, ...], pieces: Callable[[], Iterator[Piece]], count: int, progress: Progress
) -> NDArray[np.uint32]:
    """An array of labels from its pieces, (H, W) uint32; parts of one colour become a number each.

    Raises ResultFileError for what isn't whole numbers from 0 up, or has no size that a mask can have.
    """
    if len(shape) != 2 or not all(1 <= side <= MAX_SIDE for side in shape):
        raise ResultFileError(f"{path.name} has the shape {shape}; a label image has rows and columns only.")
    labels = whole_array(shape, np.uint32, f"The masks of {path.name}")
    progress.start(count, f"Reading {path.name}")
    for row, col, values in pieces():
        part = labels[row : row + values.shape[0], col : col + values.shape[1]]
        part[...] = _whole_numbers(path, values)[: part.shape[0], : part.shape[1]]
        progress.advance()
    return _separated(labels)


def _whole_numbers(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind not in "iubf":
        raise ResultFileError(f"{path.name} holds {values.dtype}, not one whole number a pixel.")
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (np.rint(values) == values).all()):
        raise ResultFileError(f"{path.name} holds fractions, so it is an image and no label image.")
    if values.size and (values.min() < 0 or values.max() > _LARGEST_ID):
        raise ResultFileError(f"{path.name} holds numbers that no cell can have ({values.min()} to {values.max()}).")
    return values


def _separated(labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A mask of one value (black and white) with a number for each connected part; anything else as it is."""
    first = int(labels.max())
    if first == 0 or (labels[(labels != 0) & (labels != first)]).size:
        return labels
    from scipy.ndimage import label

    parts, _ = label(labels)
    return np.asarray(parts, np.uint32)


def _read_npy(path: Path, _slide: WSI, progress: Progress) -> NDArray[np.uint32]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "pickle" in str(error).lower() or "object" in str(error).lower():
            raise UsageError(
                f"{path.name} holds a pickled Python object (as Cellpose's _seg.npy does), which could run any code, "
                "so it isn't opened. Save the masks alone: numpy.save('masks.npy', masks)."
            ) from error
        raise
    if array.dtype.hasobject or array.dtype.fields:
        raise UsageError(f"{path.name} holds {array.dtype}, not one number a pixel.")
    shape = array.shape
    band = max(1, _BAND_BYTES // max(1, int(np.prod(shape[1:])) * array.dtype.itemsize))

    def pieces() -> Iterator[Piece]:
        for row in range(0, shape[0], band):
            yield row, 0, np.asarray(array[row : row + band])

    return collect(path, shape, pieces, -(-shape[0] // band) if shape else 1, progress)


def _read_png(path: Path, _slide: WSI, progress: Progress) -> NDArray[np.uint32]:
    from PIL import Image

    with warnings.catch_warnings():
        # Pillow warns of large pictures and refuses huge ones; masks are large.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as image:
                if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
                    raise ResultFileError(
                        f"{path.name} is a picture in colour ({image.mode}). A label image has one number a pixel."
                    )
                values = np.asarray(image)
        except Image.DecompressionBombError as error:
            raise UsageError(f"{path.name} is too large for a PNG. Save the labels as a tiled TIFF.") from error
    return collect(path, values.shape, lambda: iter([(0, 0, values)]), 1, progress)


def _read_tiff(path: Path, _slide: WSI, progress: Progress) -> NDArray[np.uint32]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            page = series.keyframe
            planes = int(np.prod(series.shape)) // max(1, page.imagelength * page.imagewidth)
            channels = page.samplesperpixel
            if planes != 1 or channels != 1:
                raise ResultFileError(
                    f"{path.name} has {planes} planes of {channels} channels. A label image has one of each."
                )

            def pieces() -> Iterator[Piece]:
                for data, index, shape in page.segments(maxworkers=2):
                    if data is None:  # a tile that isn't stored
                        yield 0, 0, np.zeros((0, 0), np.uint8)
                    else:
                        yield index[-3], index[-2], data[0, : shape[-3], : shape[-2], 0]

            size = (int(page.imagelength), int(page.imagewidth))
            return collect(path, size, pieces, len(page.dataoffsets), progress)
    except tifffile.TiffFileError as error:
        raise ResultFileError(f"{path.name} is no TIFF that can be read ({error}).") from error
