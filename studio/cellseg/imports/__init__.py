"""Other programs' cells as overlays: label images (TIFF, PNG, NPY, OME-Zarr) and polygons (GeoJSON)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.jobs import NullProgress, Progress
from studio.errors import ResultFileError, UsageError

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.slide import WSI

GEOJSON = (".geojson", ".json", ".geojson.gz", ".json.gz")
IMAGES = (".tif", ".tiff", ".png", ".npy")
ZARR = (".zarr",)
SUFFIXES = (*GEOJSON, *IMAGES, *ZARR)
"""Names that `load_overlay` takes, besides result files (`.zip`)."""


def is_overlay(path: Path) -> bool:
    """Whether a file is surely meant as cells and not as a slide.

    A TIFF or PNG may be either; it counts as cells if its name says so (`mask`, `label`, `seg`, `cells`).
    """
    name = path.name.lower()
    if name.endswith((*GEOJSON, *ZARR, ".npy")):
        return True
    return name.endswith(IMAGES) and any(word in name for word in ("mask", "label", "seg", "cells"))


def load_overlay(path: str | Path, slide: WSI, progress: Progress | None = None) -> Segmentation:
    """Cells from a file of another program, placed on a slide. Blocks; call it on a worker thread.

    Label images must cover the whole slide at some resolution, unless they
    say where they lie (OME-Zarr). Polygons are in slide pixels. Nothing is
    executed: pickled arrays are refused. Memory stays bounded; what is large
    goes through a nameless result file in the scratch folder.

    Args:
        path: a file in one of `SUFFIXES`, or a result file.
        slide: the slide they belong to.
        progress: told how far it is; may cancel.

    Raises:
        ResultFileError: the file is damaged, holds no cells, or doesn't fit the slide.
        UsageError: a kind of file that can't be imported.
    """
    path = Path(path)
    progress = progress or NullProgress()
    name = path.name.lower()
    if not path.exists():
        raise ResultFileError(f"{path} doesn't exist. Was it moved or renamed?")
    if name.endswith(".zip"):
        from studio.cellseg.result import Segmentation

        return Segmentation.load(path, progress)
    if name.endswith(GEOJSON):
        from studio.cellseg.imports.polygons import read_polygons

        return read_polygons(path, slide, progress)
    if name.endswith(ZARR) or (path.is_dir() and not name.endswith(IMAGES)):
        from studio.cellseg.imports.zarrlabels import read_zarr

        return read_zarr(path, slide, progress)
    if name.endswith(IMAGES):
        from studio.cellseg.imports.labelimage import read_image

        return read_image(path, slide, progress)
    raise UsageError(f"{path.name} can't be shown as cells. Files that can end with {', '.join(SUFFIXES)} or .zip.")
