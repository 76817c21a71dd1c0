"""What a worker process calls to export: plain values in and out."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from studio.cellseg.exports import Rect, export
from studio.cellseg.result import Segmentation

if TYPE_CHECKING:
    from studio.core.jobs import Progress


def export_task(
    progress: Progress,
    *,
    masks: str,
    kind: str,
    out: str,
    rect_slide: Rect | None = None,
    slide_path: str | None = None,
    mpp: float | None = None,
) -> dict[str, Any]:
    """Write a result file in another format, replacing what is at `out`; see `studio.cellseg.exports.export`.

    Nothing is measured in, or taken from, a slide that isn't the cells' own.

    Returns:
        out, cells (in the result file).
    """
    from studio.slide import open_slide

    with ExitStack() as stack:
        segmentation = stack.enter_context(Segmentation.load(masks, progress))
        slide = None
        if slide_path is not None:
            slide = open_slide(slide_path, mpp=mpp)
            stack.callback(slide.close)
            if segmentation.mismatch(slide) is not None:
                slide = None
        path = export(segmentation, kind, out, progress, slide=slide, rect_slide=rect_slide, overwrite=True)
        return {"out": str(path), "cells": segmentation.cells}
