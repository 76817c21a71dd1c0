"""Whether a result belongs to a slide, and if not, what differs, in words for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.cellseg.source import MaskGeometry

if TYPE_CHECKING:
    from studio.slide import WSI

_MPP_TOLERANCE = 0.02
_EDGE_PX = 2.0
"""Rounding of a mask's extent in slide pixels."""


def slide_of(meta: dict[str, Any]) -> dict[str, Any]:
    """What a result says of its slide; empty where it says nothing."""
    slide = meta.get("slide")
    if isinstance(slide, str):
        return {"name": slide}
    return slide if isinstance(slide, dict) else {}


def slide_facts(slide: WSI) -> dict[str, Any]:
    """What a result remembers of its slide."""
    return {"name": slide.name, "size": list(slide.size), "mpp": slide.mpp, "fingerprint": slide.fingerprint}


def mismatch_text(meta: dict[str, Any], geometry: MaskGeometry, slide: WSI, *, placed: bool) -> str | None:
    """One or two sentences on what speaks against showing a result on a slide, or None.

    The fingerprint decides where there is one: a renamed copy is the same
    slide, another file of the same name isn't. Results without it (Slideflow's) are judged by their extent.

    Args:
        meta: of the result.
        geometry: of the result.
        slide: the slide that is open.
        placed: whether the result says where on a slide it lies.
    """
    made_from = slide_of(meta)
    fingerprint = made_from.get("fingerprint")
    if fingerprint:
        return None if fingerprint == slide.fingerprint else _difference(made_from, slide)
    return _difference(made_from, slide, only_facts=True) or _extent(geometry, slide, placed)


def _difference(made_from: dict[str, Any], slide: WSI, *, only_facts: bool = False) -> str | None:
    parts = []
    name, size, mpp = made_from.get("name"), _pair(made_from.get("size")), made_from.get("mpp")
    if isinstance(name, str) and name and name != slide.name:
        parts.append(f"it was made from {name[:80]}")
    if size is not None and size != slide.size:
        parts.append(f"its slide has {size[0]:,} × {size[1]:,} px, this one {slide.size[0]:,} × {slide.size[1]:,}")
    if slide.mpp and isinstance(mpp, int | float) and mpp > 0 and abs(mpp / slide.mpp - 1) > _MPP_TOLERANCE:
        parts.append(f"its slide has {mpp:.4g} µm per pixel, this one {slide.mpp:.4g}")
    if parts:
        return "; ".join(parts) + "."
    return None if only_facts else "its slide has the same name and size, but the file's content is another."


def _extent(geometry: MaskGeometry, slide: WSI, placed: bool) -> str | None:
    rows, cols = geometry.shape
    if not placed:
        if (cols, rows) == slide.size:
            return None
        return (
            f"it doesn't say where its masks ({cols:,} × {rows:,} px) lie on a slide of {slide.size[0]:,} × "
            f"{slide.size[1]:,} px. They would be shown pixel by pixel from the upper left corner."
        )
    width, height = cols * geometry.scale_x, rows * geometry.scale_y
    right, bottom = geometry.offset_x + width, geometry.offset_y + height
    inside = min(geometry.offset_x, geometry.offset_y) > -_EDGE_PX
    if inside and right < slide.size[0] + _EDGE_PX and bottom < slide.size[1] + _EDGE_PX:
        return None
    return (
        f"its masks reach from {geometry.offset_x:,.0f}, {geometry.offset_y:,.0f} to {right:,.0f}, {bottom:,.0f} px, "
        f"but the slide has {slide.size[0]:,} × {slide.size[1]:,} px."
    )


def _pair(value: Any) -> tuple[int, int] | None:
    if isinstance(value, list | tuple) and len(value) == 2 and all(_is_number(side) for side in value):
        return int(value[0]), int(value[1])
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
