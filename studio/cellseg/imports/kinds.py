"""What a file is: cells, regions, a slide. Names say little, so some files are looked into."""

from __future__ import annotations

import contextlib
import itertools
import math
import warnings
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from studio.cellseg.imports import GEOJSON, ZARR, is_overlay
from studio.errors import StudioError

if TYPE_CHECKING:
    from studio.slide import WSI

REGION_UM = 60.0
"""Polygons whose middling size is this or more are regions: no cell is as large."""

_REGION_PX = 200.0
"""The same in slide pixels, where their size isn't known."""

_LOOKED_AT = 200
_PICTURES = (".tif", ".tiff", ".png")
_ZARR_FILES = ("zarr.json", ".zgroup", ".zattrs", ".zarray")


class Role(StrEnum):
    """What to do with a file."""

    RESULT = "result"
    CELLS = "cells"
    REGIONS = "regions"
    EITHER = "either"
    """A picture with one number a pixel that fits the open slide: its labels, or a slide of its own."""
    SLIDE = "slide"
    FOLDER = "folder"


def role_of(path: Path, slide: WSI | None) -> Role:
    """What a file seems to be, beside the open slide. Blocks (it may be looked into); never raises for a bad file."""
    name = path.name.lower()
    if path.is_dir():
        return Role.CELLS if name.endswith(ZARR) or any((path / f).is_file() for f in _ZARR_FILES) else Role.FOLDER
    if name.endswith(".zip"):
        return Role.RESULT
    if name.endswith(".csv"):
        return Role.REGIONS
    if name.endswith(GEOJSON):
        return _polygons(path, None if slide is None else slide.mpp)
    if name.endswith(_PICTURES):
        return _picture(path, slide)
    return Role.CELLS if is_overlay(path) else Role.SLIDE


def _polygons(path: Path, mpp: float | None) -> Role:
    """Cells, unless nothing in the file says that it is a cell and its polygons are as large as no cell.

    QuPath calls regions annotations, but CellViT calls its cells so too.
    """
    # Here, so that opening a slide loads nothing of it.
    import numpy as np

    from studio.cellseg.imports.jsonstream import JsonStream
    from studio.cellseg.imports.labelimage import PROBLEMS
    from studio.cellseg.imports.polygons import features

    sizes = []
    try:
        with contextlib.closing(JsonStream(path)) as stream:
            for feature in itertools.islice(features(stream), _LOOKED_AT):
                if feature.one_cell or feature.points:
                    return Role.CELLS
                sizes += [math.sqrt(float(np.prod(np.ptp(rings[0], axis=0)))) for rings in feature.polygons]
    except (StudioError, *PROBLEMS):
        return Role.CELLS  # whose reader says what is wrong
    limit = _REGION_PX if mpp is None else REGION_UM / mpp
    return Role.REGIONS if sizes and float(np.median(sizes)) >= limit else Role.CELLS


def _picture(path: Path, slide: WSI | None) -> Role:
    """Labels have one number a pixel; a picture in colours is a slide whatever it is called."""
    from studio.cellseg.imports.labelimage import PROBLEMS

    try:
        size = _label_size(path)
    except PROBLEMS:
        return Role.SLIDE
    if size is None:
        return Role.SLIDE
    if is_overlay(path):
        return Role.CELLS
    if slide is None:
        return Role.SLIDE
    across, down = slide.size[0] / size[0], slide.size[1] / size[1]
    # Rounded to whole pixels both ways.
    fits = abs(across - down) <= across / size[0] + down / size[1]
    return Role.EITHER if fits else Role.SLIDE


def _label_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an image with one integer a pixel; None for any other."""
    if path.suffix.lower() == ".png":
        from PIL import Image

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.size if image.mode in ("1", "L", "P", "I", "I;16", "I;16B") else None
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.series[0].keyframe
        size = (int(page.imagewidth), int(page.imagelength))
        plain = math.prod(file.series[0].shape) == size[0] * size[1] and page.samplesperpixel == 1
        return size if plain and page.dtype is not None and page.dtype.kind in "iub" else None
