"""File work of a session: plain functions that block, called on a background thread."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ResultFileError, StudioError
from studio.settings import cache_dir

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from studio.cellseg.params import SegmentParams
    from studio.cellseg.result import Segmentation
    from studio.cellseg.source import LabelSource
    from studio.document import Overlay
    from studio.slide import WSI
    from studio.slide.roi import ROI

RUNS_KEPT = 30
"""Finished runs kept in the runs folder; the oldest go first."""

SLIDE_SUFFIXES = (
    ".svs", ".ndpi", ".tif", ".tiff", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".svslide", ".dcm", ".czi",
    ".png", ".jpg", ".jpeg", ".bmp",
)  # fmt: skip
"""Suffixes looked for beside a result file; opening by hand accepts any name."""

OPEN_SUFFIXES = (*SLIDE_SUFFIXES, ".zip", ".geojson", ".json", ".gz", ".npy", ".csv")
"""What a file dialog offers: slides, and what belongs on them."""

_NOT_IN_THE_RESULT = ("block", "batch", "workers", "device", "backend", "memory_gb")


def runs_dir() -> Path:
    """Folder that whole-slide runs of the window are written to."""
    return cache_dir() / "runs"


def run_path(slide: WSI, params: SegmentParams, rois: Sequence[ROI] | None = None) -> Path:
    """Where a run of these parameters on this slide goes; the same again, so that a stopped run resumes."""
    values = {k: v for k, v in params.to_dict().items() if k not in _NOT_IN_THE_RESULT}
    shapes = None if rois is None else [[ring.tolist() for ring in (roi.outline, *roi.holes)] for roi in rois]
    key = json.dumps([slide.fingerprint, slide.mpp, values, *([shapes] if shapes is not None else [])], sort_keys=True)
    return runs_dir() / f"{slide.name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}-masks.zip"


def prune_runs(keep: int = RUNS_KEPT) -> int:
    """Delete all but the newest finished runs. Returns how many went."""
    runs = sorted(runs_dir().glob("*-masks.zip"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in runs[keep:]:
        path.unlink(missing_ok=True)
    return len(runs[keep:])


@dataclass(frozen=True, slots=True)
class LoadedResult:
    """A result file, and what is wrong with showing it on the slide it was loaded for."""

    path: Path
    segmentation: Segmentation
    mismatch: str | None
    slide_beside: Path | None
    """Only looked for when no slide is open."""


def load_result_file(path: Path, slide: WSI | None) -> LoadedResult:
    """Open a result file and compare it with the open slide. Raises ResultFileError."""
    from studio.cellseg.result import Segmentation

    if not path.exists():
        raise ResultFileError(f"{path} is gone. Was it moved or renamed?")
    segmentation = Segmentation.load(path)
    try:
        mismatch = segmentation.mismatch(slide) if slide is not None else None
        beside = find_slide_beside(path, segmentation.meta) if slide is None else None
    except BaseException:
        segmentation.close()
        raise
    return LoadedResult(path, segmentation, mismatch, beside)


def slide_name_of(meta: dict[str, Any]) -> str | None:
    """Name of the slide that a result says it belongs to."""
    slide = meta.get("slide")
    name = slide.get("name") if isinstance(slide, dict) else slide
    return name if isinstance(name, str) and name else None


def find_slide_beside(path: Path, meta: dict[str, Any]) -> Path | None:
    """The slide of a result file if it lies in the same folder under its own name."""
    name = slide_name_of(meta)
    # A name from a file is not to be trusted as a path.
    if name is None or Path(name).name != name:
        return None
    names = [name, *(name + suffix for suffix in SLIDE_SUFFIXES), *(name + s.upper() for s in SLIDE_SUFFIXES)]
    for candidate in (path.with_name(n) for n in names):
        if candidate.is_file() and candidate.suffix.lower() in SLIDE_SUFFIXES:
            return candidate
    return None


def is_in_file(overlay: Overlay) -> bool:
    """Whether the cells on screen are those of the overlay's file."""
    return overlay.path is not None and not getattr(overlay.source, "changed", False)


def write_overlay(overlay: Overlay, target: Path, slide: WSI) -> None:
    """Write the cells on screen as a result file, wherever they are from. Raises ResultFileError."""
    from studio.cellseg.result import Segmentation
    from studio.cellseg.zipwrite import copy_file

    if overlay.path is not None and is_in_file(overlay):
        copy_file(overlay.path, target)
    elif isinstance(overlay.source, Segmentation):
        overlay.source.save(target)
    else:
        save_source(overlay.source, target, slide=slide, params=overlay.params)


def save_source(source: LabelSource, target: Path, *, slide: WSI, params: SegmentParams | None) -> None:
    """Write an overlay that only lives in memory (a preview) as a result file. Raises ResultFileError."""
    from studio.cellseg.result import Segmentation

    geometry = source.geometry
    rows, cols = geometry.shape
    meta: dict[str, Any] = {
        "format": 1,
        "slide": {"name": slide.name, "size": list(slide.size), "mpp": slide.mpp, "fingerprint": slide.fingerprint},
        "mpp": geometry.mpp,
        "counts": {"cells": source.cells},
    }
    if params is not None:
        meta |= {"params": params.to_dict(), "diam_um": params.diam_um, "model": {"name": params.model}}
    segmentation = Segmentation(
        source.read_labels(0, 0, 0, rows, cols),
        slide=slide.name,
        flows=source.read_flow(0, 0, 0, rows, cols) if source.has_flows else None,
        geometry=geometry,
        centroids=source.centroids(),
        meta=meta,
    )
    try:
        segmentation.save(target)
    finally:
        segmentation.close()


def write_picture(rgb: NDArray[np.uint8], target: Path) -> None:
    """Write an RGB picture (h, w, 3) in the format its suffix names. Raises StudioError."""
    from PIL import Image

    from studio.cellseg.zipwrite import not_written
    from studio.core.files import replacing

    if not target.parent.is_dir():  # a mistyped folder is no wish for a new one
        raise not_written(target, FileNotFoundError(2, "No such folder", str(target.parent)))
    try:
        with replacing(target) as place:
            Image.fromarray(rgb).save(place)
    except ValueError as error:  # Pillow's word for a suffix it doesn't know
        raise StudioError(f"{target.name} can't be written: name it .png or .jpg.") from error
