"""What the worker processes and the command line call: plain values in, plain values and arrays out."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cellseg.diameter import estimate_diameter
from studio.cellseg.forecast import forecast
from studio.cellseg.models import resolve_model
from studio.cellseg.networks import shared_network
from studio.cellseg.params import SegmentParams
from studio.cellseg.run import Request, run_slide
from studio.core.jobs import Progress
from studio.slide import WSI, open_slide

if TYPE_CHECKING:
    from studio.slide.roi import ROI

Rect = tuple[float, float, float, float]

_KEPT = 2
_slides: OrderedDict[tuple[str, int, int, float | None], WSI] = OrderedDict()
_lock = threading.Lock()


@contextmanager
def slide_at(path: str, mpp: float | None) -> Iterator[WSI]:
    """The slide at a path, kept open for the next task; another file of the same name is opened anew.

    An error drops it: a reader may be of no use after one.
    """
    try:
        status = Path(path).stat()
        key = (path, status.st_mtime_ns, status.st_size, mpp)
    except OSError:
        key = (path, 0, 0, mpp)
    with _lock:
        slide = _slides.pop(key, None) or open_slide(path, mpp=mpp)
    try:
        yield slide
    except BaseException:
        slide.close()
        raise
    with _lock:
        _slides[key] = slide
        while len(_slides) > _KEPT:
            _slides.popitem(last=False)[1].close()


def diameter_task(
    progress: Progress,
    *,
    slide_path: str,
    mpp: float | None,
    params: dict[str, Any],
    rect_slide: Rect | None = None,
) -> dict[str, Any]:
    """Find the cell diameter in a part of a slide, or over fields spread over its tissue.

    Returns:
        `DiameterEstimate`'s fields, and `seconds`.
    """
    began_s = time.monotonic()
    asked = SegmentParams.from_dict(params)
    with slide_at(slide_path, mpp) as slide:
        network = shared_network(resolve_model(asked.model), asked, progress)
        estimate = estimate_diameter(slide, asked, network, progress, rect_slide)
    return estimate.to_dict() | {"seconds": time.monotonic() - began_s}


def segment_task(
    progress: Progress,
    *,
    slide_path: str,
    mpp: float | None,
    params: dict[str, Any],
    out: str,
    focus: tuple[float, float] | None,
    region: Rect | None = None,
    overwrite: bool = True,
    rois: Sequence[ROI] | None = None,
) -> dict[str, Any]:
    """Segment a slide into a result file, going on where an earlier attempt stopped.

    Args:
        progress: told of blocks; `emit("plan", …)` says where the mask will lie and `emit("block", …)` where a
            finished block can be read (`livesource`), `emit("estimate", …)` what the run will take.
        slide_path: the slide.
        mpp: µm per slide pixel; None: the slide's own.
        params: of `SegmentParams`.
        out: the result file.
        focus: x, y in slide pixels: blocks nearest to it are done first.
        region: x, y, width, height in slide pixels to restrict the run to.
        overwrite: whether a file at `out` may be replaced.
        rois: only cells inside of these.

    Returns:
        out, cells, shape, mpp, seconds, peak_rss_mb, model, diam_um, blocks, blocks_skipped, resumed_blocks, and
        more (`Outcome.to_dict`).
    """
    request = Request(
        params=SegmentParams.from_dict(params),
        out=Path(out).absolute(),
        region_slide=region,
        rois=rois,
        focus_slide=focus,
        overwrite=overwrite,
    )
    with slide_at(slide_path, mpp) as slide:
        return run_slide(slide, request, progress).to_dict() | {"out": out}


def estimate_task(
    progress: Progress,
    *,
    slide_path: str,
    mpp: float | None,
    params: dict[str, Any],
    out: str,
    focus: tuple[float, float] | None = None,
    region: Rect | None = None,
    rois: Sequence[ROI] | None = None,
) -> dict[str, Any]:
    """What `segment_task` with these arguments would take; a few fields are measured, nothing is written.

    Returns:
        seconds (left, where an earlier attempt has left blocks), memory_mb, disk_mb, cells, cells_low, cells_high,
        text (all of it in words), fits_disk, and more (`Forecast`).
    """
    request = Request(SegmentParams.from_dict(params), Path(out).absolute(), region, rois, focus)
    with slide_at(slide_path, mpp) as slide:
        return forecast(slide, request, progress).to_dict()
