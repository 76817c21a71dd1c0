"""Label images: TIFF, PNG, NPY. One number a pixel, 0 for the background."""

from __future__ import annotations

import contextlib
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.cellseg.imports.placing import imported, whole_slide
from studio.cellseg.imports.settle import check_shape, from_array
from studio.cellseg.scratch import whole_array
from studio.errors import ResultFileError, UsageError
from studio.slide.rgb import PROBLEMS as PICTURE_PROBLEMS

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress
    from studio.slide import WSI

PROBLEMS = (*PICTURE_PROBLEMS, tokenize.TokenError)
"""What the libraries raise for damaged files."""

_LAZY_BYTES = 256 << 20
"""Tiled TIFFs that are larger are read tile by tile when needed."""


def read_image(path: Path, slide: WSI, progress: Progress) -> Segmentation:
    """A label image as a segmentation."""
    suffix = path.suffix.lower()
    opened = _npy if suffix == ".npy" else _png if suffix == ".png" else _tiff
    try:
        with opened(path, progress) as array:
            place = whole_slide(path, check_shape(path, array.shape), slide)
            return from_array(path, array, place, imported(path, slide), progress)
    except PROBLEMS as error:
        why = str(error) or type(error).__name__
        raise ResultFileError(f"{path.name} can't be read as a label image ({why}).") from error


@contextlib.contextmanager
def _npy(path: Path, _progress: Progress) -> Iterator[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "pickle" in str(error).lower() or "object" in str(error).lower():
            raise UsageError(
                f"{path.name} holds a pickled Python object (as Cellpose's _seg.npy does), which could run any code, "
                "so it isn't opened. Save the masks alone: numpy.save('masks.npy', masks)."
            ) from error
        raise
    yield array


@contextlib.contextmanager
def _png(path: Path, _progress: Progress) -> Iterator[Any]:
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
                yield np.asarray(image)
        except Image.DecompressionBombError as error:
            raise UsageError(f"{path.name} is too large for a PNG. Save the labels as a tiled TIFF.") from error


@contextlib.contextmanager
def _tiff(path: Path, progress: Progress) -> Iterator[Any]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.series[0].keyframe
            size = (int(page.imagelength), int(page.imagewidth))
            planes = int(np.prod(file.series[0].shape)) // max(1, size[0] * size[1])
            channels = page.samplesperpixel
            if planes != 1 or channels != 1:
                raise ResultFileError(
                    f"{path.name} has {planes} planes of {channels} channels. A label image has one of each."
                )
            check_shape(path, size)
            if page.is_tiled and page.nbytes > _LAZY_BYTES:
                yield _lazy(page)
            else:
                yield _decoded(page, size, path, progress)
    except tifffile.TiffFileError as error:
        raise ResultFileError(f"{path.name} is no TIFF that can be read ({error}).") from error


def _lazy(page: Any) -> Any:
    """A tiled page as a Zarr array, which decodes the tiles of what is indexed."""
    import zarr

    return zarr.open(page.aszarr(maxworkers=2), mode="r")


def _decoded(page: Any, size: tuple[int, int], path: Path, progress: Progress) -> Any:
    """A whole page: strips can be as large as it is, so reading parts would decode it over and over."""
    out = whole_array(size, page.dtype, f"The masks of {path.name}")
    progress.start(len(page.dataoffsets), f"Reading {path.name}")
    for data, index, shape in page.segments(maxworkers=2):
        if data is not None:  # None: not stored, all 0
            part = out[index[-3] : index[-3] + shape[-3], index[-2] : index[-2] + shape[-2]]
            part[...] = data[0, : part.shape[0], : part.shape[1], 0]
        progress.advance()
    return out
