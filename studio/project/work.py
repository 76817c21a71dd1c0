"""The work on one slide: segment it, or extract its cells. Plain values in, plain values out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cellseg.params import SegmentParams
from studio.core.files import explaining, replacing
from studio.core.jobs import Progress
from studio.errors import MissingMppError

if TYPE_CHECKING:
    from studio.slide import ROI, WSI

THUMBNAIL_PX = 360
_QUALITY = 78

_NOT_IN_THE_RESULT = frozenset(("block", "window", "batch", "workers", "device", "backend", "memory_gb"))


def segment_one(
    progress: Progress,
    *,
    slide_path: str,
    mpp: float | None,
    mpp_if_missing: float | None,
    params: dict[str, Any],
    rois: str | None,
    out: str,
    thumbnail: str,
) -> dict[str, Any]:
    """Segment a slide into `out`, draw it with its cells into `thumbnail`, and say what was found.

    Args:
        progress: told of blocks.
        slide_path: the slide.
        mpp: µm per pixel, over what the file says.
        mpp_if_missing: µm per pixel for a file that doesn't say.
        params: of `SegmentParams`.
        rois: file of regions to keep to.
        out: the result file, replaced where there is one.
        thumbnail: the JPEG.

    Returns:
        cells, seconds, size, mpp, slide_mm2, tissue_mm2, cells_per_mm2 (of tissue, or of the slide where no
        tissue is told from background), model, diam_um, resumed_blocks.
    """
    from studio.cellseg.run import Request, run_slide
    from studio.slide import open_slide, read_rois

    with explaining(Path(out)):
        Path(out).parent.mkdir(parents=True, exist_ok=True)
    with open_slide(slide_path, mpp=mpp) as slide:
        if slide.mpp is None and mpp_if_missing is not None:
            slide.set_mpp(mpp_if_missing)
        regions = None if rois is None else read_rois(rois)
        request = Request(SegmentParams.from_dict(params), Path(out), rois=regions)
        outcome = run_slide(slide, request, progress)
        per_px = slide.require_mpp() ** 2 / 1e6
        slide_mm2 = slide.size[0] * slide.size[1] * per_px
        tissue_mm2 = slide_mm2 * slide.tissue().share
        draw_thumbnail(slide, Path(out), Path(thumbnail))
        return {
            "cells": outcome.cells,
            "seconds": outcome.seconds,
            "size": list(slide.size),
            "mpp": slide.mpp,
            "slide_mm2": slide_mm2,
            "tissue_mm2": tissue_mm2,
            "cells_per_mm2": outcome.cells / (tissue_mm2 or slide_mm2),
            "model": outcome.plan.params.model,
            "diam_um": outcome.plan.params.diam_um,
            "resumed_blocks": outcome.resumed_blocks,
        }


@dataclass
class _Style:
    """How cells are drawn on a thumbnail: filled, for outlines would be too fine."""

    mask: bool = True
    outline: bool = False
    centroid: bool = False
    gradxy: bool = False
    black_bg: bool = False
    alpha: float = 0.6


def draw_thumbnail(slide: WSI, masks: Path, path: Path) -> None:
    """A small JPEG of a slide with its cells. Raises RunError where it can't be written."""
    from PIL import Image

    from studio.cellseg.picture import overlay_picture
    from studio.cellseg.result import Segmentation

    with Segmentation.load(masks) as segmentation:
        picture = overlay_picture(slide, segmentation, (0, 0, *slide.size), THUMBNAIL_PX, _Style())
    with replacing(path) as part:
        Image.fromarray(picture).save(part, "JPEG", quality=_QUALITY)


def extract_one(
    progress: Progress,
    *,
    slide_path: str,
    mpp: float | None,
    mpp_if_missing: float | None,
    masks: str,
    rois: str | None,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Extract the cells of a slide; arguments as in `segment_one`.

    `masks` is its result file, `options` are those of `studio.extract.extract_cells`, with `tile_px` and `tile_um`.

    Returns:
        Fields of `CellExtraction`; paths as text.
    """
    from studio.cellseg.result import Segmentation
    from studio.slide import WSI

    options = dict(options)
    tile = (options.pop("tile_px"), options.pop("tile_um"))
    with Segmentation.load(masks) as segmentation, WSI(slide_path, *tile, mpp=mpp) as slide:
        if slide.mpp is None:
            # What the masks were made with counts where the slide doesn't say.
            slide.set_mpp(mpp_if_missing or _mpp_of(segmentation, slide_path))
        if rois is not None:
            slide.load_rois(rois)
        slide.apply_segmentation(segmentation)
        found = asdict(slide.extract_cells(**options, progress=progress))
    return {name: str(value) if isinstance(value, Path) else value for name, value in found.items()}


def _mpp_of(segmentation: Any, slide_path: str) -> float:
    made_from = segmentation.meta.get("slide")
    mpp = made_from.get("mpp") if isinstance(made_from, dict) else None
    if not isinstance(mpp, int | float):
        raise MissingMppError(
            f"{Path(slide_path).name} doesn't say how many micrometres one pixel measures, and its masks don't "
            "either. Give it in the column mpp of the annotations, or as mpp=."
        )
    return float(mpp)


def result_parameters(params: SegmentParams) -> dict[str, Any]:
    """The parameters that decide what is in a result file."""
    return {name: value for name, value in params.to_dict().items() if name not in _NOT_IN_THE_RESULT}


def differs_from(masks: Path, params: SegmentParams, rois: Sequence[ROI] | None) -> str | None:
    """In what an existing result was made otherwise than asked now, as `diam_um 8 (now 10)`; None: in nothing.

    A result that doesn't say how it was made (Slideflow's) counts as made so.
    Raises ResultFileError for a file that is damaged.
    """
    from studio.cellseg.result import Segmentation

    with Segmentation.load(masks) as segmentation:
        made, shapes = segmentation.meta.get("params"), segmentation.meta.get("rois")
    if not isinstance(made, dict):
        return None
    wanted = result_parameters(params)
    other = [
        f"{name} {_text(made[name])} (now {_text(value)})"
        for name, value in wanted.items()
        if made.get(name, value) != value
    ]
    if shapes != (None if rois is None else [[ring.tolist() for ring in (roi.outline, *roi.holes)] for roi in rois]):
        other.append("other regions of interest")
    return ", ".join(other) or None


def of_another(masks: Path, slide_path: Path) -> str | None:
    """What speaks against a result being of a slide; None: nothing. Only one that names another slide is looked into.

    Raises ResultFileError, SlideError.
    """
    from studio.cellseg.result import Segmentation
    from studio.slide import open_slide

    with Segmentation.load(masks) as segmentation:
        if segmentation.slide in (None, slide_path.stem):
            return None
        with open_slide(slide_path) as slide:
            return segmentation.mismatch(slide)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
