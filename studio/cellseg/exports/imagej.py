"""A region's outlines as a zip of ImageJ ROIs, in slide pixels from the region's corner."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.cellseg.outlines import traced
from studio.cellseg.trace import UNIT
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.cellseg.exports import Options
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress

MOST_PX = 32_767
"""ROI files hold positions in 16 bits."""

_DATE = (1980, 1, 1, 0, 0, 0)


def write_rois(segmentation: Segmentation, out: Path, options: Options, progress: Progress) -> None:
    """Write a polygon for each cell, the largest part of it, named by its number."""
    from roifile import ROI_TYPE, ImagejRoi

    place = segmentation.geometry
    rect = options.rect_slide
    x, y = (rect[0], rect[1]) if rect else (0.0, 0.0)
    far = (
        rect[2:]
        if rect
        else (place.offset_x + place.shape[1] * place.scale_x, place.offset_y + place.shape[0] * place.scale_y)
    )
    if max(far) > MOST_PX:
        raise UsageError(
            f"ImageJ's ROI files reach {MOST_PX:,} pixels far, and these cells lie up to {max(far):,.0f} pixels away. "
            "Export a smaller region (--region X,Y,W,H)."
        )
    ids = segmentation.ids
    scale = np.array((place.scale_x, place.scale_y)) / UNIT
    shift = np.array((place.offset_x - x, place.offset_y - y))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for rings in traced(segmentation, progress, options.window(segmentation)):
            for row, ring in zip(rings.rows.tolist(), rings.largest().tolist(), strict=True):
                if ring < 0:
                    continue
                points = rings.points[rings.starts[ring] : rings.stops[ring]] * scale + shift
                roi = ImagejRoi.frompoints(points.astype(np.float32), name=str(ids[row]))
                roi.roitype = ROI_TYPE.POLYGON
                archive.writestr(zipfile.ZipInfo(f"{ids[row]:08d}.roi", _DATE), roi.tobytes())
