"""Where a label image lies on a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.cellseg.mismatch import slide_facts
from studio.cellseg.source import MaskGeometry
from studio.errors import ResultFileError

if TYPE_CHECKING:
    from pathlib import Path

    from studio.slide import WSI

_TOLERANCE = 0.01
"""How far width and height may disagree on the scale, besides the rounding of a pixel."""


def whole_slide(path: Path, shape: tuple[int, ...], slide: WSI) -> MaskGeometry:
    """The geometry of an image of the whole slide at some resolution; ResultFileError where its shape isn't one's."""
    rows, cols = shape
    scale_x, scale_y = slide.size[0] / cols, slide.size[1] / rows
    slack = _TOLERANCE + 1.5 / min(rows, cols)
    if abs(scale_x / scale_y - 1) > slack:
        raise ResultFileError(
            f"{path.name} has {cols:,} × {rows:,} pixels, which is no reduced size of {slide.name} "
            f"({slide.size[0]:,} × {slide.size[1]:,}). A label image must cover the whole slide; for a part of it "
            "use OME-Zarr with a translation, or GeoJSON."
        )
    return MaskGeometry((rows, cols), scale_x, scale_y, 0.0, 0.0, slide.mpp * scale_x if slide.mpp else None)


def imported(path: Path, slide: WSI) -> dict[str, Any]:
    """What an imported result remembers."""
    facts: dict[str, Any] = {"slide": slide_facts(slide), "imported_from": path.name}
    return facts
