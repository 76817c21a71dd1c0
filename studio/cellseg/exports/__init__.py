"""Segmentations in other programs' formats, written in pieces, with progress and cancel."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cellseg.zipwrite import not_written
from studio.core.jobs import NullProgress, Progress
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.cellseg.source import LabelSource
    from studio.slide import WSI

Rect = tuple[float, float, float, float]

_INSTALL = 'Install it: pip install "studio-wsi[export]"'


@dataclass(frozen=True, slots=True)
class Kind:
    """A format that cells can be exported to."""

    name: str
    title: str
    """For a menu."""
    suffixes: tuple[str, ...]
    """The usual one first; `.gz` after it compresses where `packs` is set."""
    target: str
    """`module:function(segmentation, out, options, progress)`."""
    about: str
    """What is written and who reads it, in a sentence."""
    packs: bool = False
    region: bool = True
    """Whether only a part can be written."""
    folder: bool = False
    local: bool = False
    """Meant for a part: other programs can't take a whole slide of it."""
    table: bool = False
    """Whether it carries what is known of each cell."""
    requires: tuple[str, ...] = ()
    """Optional packages."""

    @property
    def missing(self) -> str | None:
        """What to install before this can be written, in words; None when everything is there. Imports nothing."""
        for module in self.requires:
            if importlib.util.find_spec(module) is None:
                return f"{self.title} needs {module}. {_INSTALL}"
        return None


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "geojson",
            "GeoJSON for QuPath",
            (".geojson", ".json"),
            "geojson:write_geojson",
            "Each cell's outline with its measurements, as detections. End the name with .gz to compress.",
            packs=True,
            table=True,
        ),
        Kind(
            "csv",
            "Table as CSV",
            (".csv",),
            "tables:write_csv",
            "A line for each cell: place, size, shape, stain. End the name with .gz to compress.",
            packs=True,
            table=True,
        ),
        Kind(
            "parquet",
            "Table as Parquet",
            (".parquet",),
            "tables:write_parquet",
            "The table of cells, small and typed, for pandas, R and DuckDB.",
            table=True,
            requires=("pyarrow",),
        ),
        Kind(
            "h5ad",
            "AnnData",
            (".h5ad",),
            "tables:write_h5ad",
            "The table of cells with their places, for scanpy and squidpy.",
            table=True,
            requires=("anndata", "pandas"),
        ),
        Kind(
            "ome-zarr",
            "OME-Zarr 0.5 label image",
            (".zarr",),
            "omezarr:write_omezarr",
            "The label image with its pyramid, a folder, for napari and Python.",
            region=False,
            folder=True,
        ),
        Kind(
            "tiff",
            "Label TIFF with a pyramid",
            (".tif", ".tiff"),
            "labeltiff:write_tiff",
            "The label image with its pyramid, a BigTIFF, for QuPath, ImageJ and Python.",
            region=False,
        ),
        Kind(
            "seg-npy",
            "Cellpose _seg.npy",
            (".npy",),
            "cellposenpy:write_npy",
            "Masks and image of what is in view, for Cellpose's own window.",
            local=True,
        ),
        Kind(
            "imagej-roi",
            "ImageJ ROIs",
            (".zip",),
            "imagej:write_rois",
            "Outlines of the cells in view, for the ROI Manager of ImageJ and Fiji.",
            local=True,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Options:
    """What an export may need beside the cells."""

    slide: WSI | None = None
    """For formats that can carry the image, or what is measured in it."""
    rect_slide: Rect | None = None
    """Only this rectangle (x, y, width, height in slide pixels): cells whose centroid lies in it."""
    packed: bool = False
    """Compress with gzip."""

    def window(self, segmentation: Segmentation) -> tuple[int, int, int, int] | None:
        """The rectangle as (row, col, rows, cols) in mask pixels; None for everything. UsageError for an empty one."""
        if self.rect_slide is None:
            return None
        window = segmentation.geometry.window_of(self.rect_slide)
        if 0 in window[2:]:
            raise UsageError("The region lies beside the masks. Choose one that has cells.")
        return window


def kind_for(out: Path) -> Kind | None:
    """The format that a file's name asks for, or None where it doesn't say (`.zip` doesn't)."""
    name = out.name.lower().removesuffix(".gz")
    if name.endswith(".zip"):
        return None
    return next((kind for kind in KINDS.values() if name.endswith(kind.suffixes)), None)


def export(
    source: Segmentation | LabelSource | str | Path,
    kind: str,
    out: str | Path,
    progress: Progress | None = None,
    *,
    slide: WSI | None = None,
    rect_slide: Rect | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a segmentation in another format; returns the path written.

    What is at `out` stays whole until the new file is, and nothing is left of an export that fails or is cancelled.

    Args:
        source: a segmentation, another overlay (a preview), or the path of a result file.
        kind: one of `KINDS`.
        out: the file (for OME-Zarr the folder) to make; with `.gz` at its end GeoJSON and CSV are compressed.
        progress: told how far it is; may cancel.
        slide: its slide: for formats that can carry the image (`seg-npy`), and to measure each cell's stains for
            those that carry the cell table, where they aren't known.
        rect_slide: only cells in this rectangle (x, y, width, height in slide pixels).
        overwrite: replace what is at `out`.

    Raises:
        UsageError: unknown kind, bad target, a format that can't do what is asked, a missing optional package.
        ResultFileError: the result can't be read, or the target can't be written.
    """
    from studio.cellseg.result import Segmentation
    from studio.cellseg.stains import STAIN_COLUMNS

    chosen, out = _checked(kind, Path(out), rect_slide, overwrite)
    if isinstance(source, str | Path):
        with Segmentation.load(source) as segmentation:
            return export(segmentation, kind, out, progress, slide=slide, rect_slide=rect_slide, overwrite=overwrite)
    if not isinstance(source, Segmentation):
        place = source.geometry
        source = Segmentation(source.read_labels(0, 0, 0, *place.shape), geometry=place, slide=slide)
    if source.file is not None and out.exists() and out.samefile(source.file.path):
        raise UsageError(f"{out} is the file the cells come from. Choose another name.")
    progress = progress or NullProgress()
    if slide is not None and chosen.table and not set(STAIN_COLUMNS) & set(source.stored_columns):
        source.measure_stains(slide, progress)
    options = Options(slide, rect_slide, chosen.packs and out.name.lower().endswith(".gz"))
    module, _, function = chosen.target.partition(":")
    write = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    with _appearing(out) as partial:
        write(source, partial, options, progress)
    return out


def _checked(kind: str, out: Path, rect_slide: Rect | None, overwrite: bool) -> tuple[Kind, Path]:
    chosen = KINDS.get(kind)
    if chosen is None:
        raise UsageError(f"{kind!r} is no export format. There are {', '.join(KINDS)}.")
    if rect_slide is not None and not chosen.region:
        raise UsageError(f"{chosen.title} is always written whole. Leave out the region.")
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists already. Choose another name, or ask to replace it (--overwrite).")
    if out.is_dir() and not chosen.folder:
        raise UsageError(f"{out} is a folder. Choose a file name.")
    if out.is_dir() and not _is_zarr(out):
        raise UsageError(f"{out} is a folder with other things in it. Choose another name.")
    return chosen, out


def _is_zarr(folder: Path) -> bool:
    """Whether a folder may be replaced by a Zarr folder: it is one, or empty."""
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup")) or not any(folder.iterdir())


@contextlib.contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A path beside `out` to write to, a file or a folder, which takes its place when all went well."""
    partial = out.with_name(f".{secrets.token_hex(4)}-{out.name}")
    try:
        try:
            yield partial
            if out.is_dir():
                old = out.with_name(f".{secrets.token_hex(4)}-{out.name}")
                out.replace(old)
                partial.replace(out)
                shutil.rmtree(old, ignore_errors=True)
            else:
                partial.replace(out)
        except BaseException:
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    partial.unlink()
            raise
    except OSError as error:
        raise not_written(out, error) from error


def needs(module: str, what: str) -> Any:
    """Import an optional package, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"{what} needs {module}. {_INSTALL}") from error
