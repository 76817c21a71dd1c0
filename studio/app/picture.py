"""Pictures of the view to keep: a name that says what is on it, and a scale bar and regions drawn into it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.app.comparing import side_name
from studio.app.hud import SCALE_BAR_MAX, scale_bar
from studio.document import Document
from studio.resources import resource
from studio.session.text import distance_text

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

_LINE = (255, 219, 51)
_SHADOW = (0, 0, 0)
_CARD = (22, 24, 28)
_INK = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Extras:
    """What is drawn into a picture of the view besides slide and cells."""

    scale_bar: bool = True
    regions: bool = True
    """Regions and measured lines."""


def suggested_name(document: Document) -> str:
    """`SLIDE-x1500-y1040-20x`: where the middle of the view is, and how close."""
    slide, view = document.slide, document.view
    if slide is None:
        return "studio"
    close = f"{100 / view.scale:.3g}pct" if slide.mpp is None else f"{10 / (view.scale * slide.mpp):.3g}x"
    turned = f"-{view.rotation}deg" if view.rotation else ""
    return f"{slide.name}-x{view.center_x:.0f}-y{view.center_y:.0f}-{close}{turned}"


def draw_extras(rgb: NDArray[np.uint8], document: Document, ratio: float, extras: Extras) -> NDArray[np.uint8]:
    """The picture (h, w, 3) of the document's view with what was asked for; `ratio` is pixels to a unit of size.

    Where two sides are compared, the line between them and their names are part of the view.
    """
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(resource("assets", "fonts", "Inter-Regular.otf")), round(14 * ratio))
    if extras.regions:
        _draw_regions(draw, font, document, ratio)
    if document.comparison.divided:
        _draw_divider(draw, font, document, ratio)
    if extras.scale_bar:
        _draw_scale_bar(draw, font, document, ratio)
    return np.asarray(image)


def _draw_regions(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, document: Document, ratio: float) -> None:
    view, mpp = document.view, document.slide.mpp if document.slide is not None else None
    for roi in document.rois:
        for ring in (roi.outline, *roi.holes):
            points = [view.viewport_from_slide(float(x), float(y)) for x, y in (*ring, ring[0])]
            draw.line(points, _SHADOW, round(4 * ratio), joint="curve")
            draw.line(points, _LINE, round(2 * ratio), joint="curve")
        top = min((view.viewport_from_slide(float(x), float(y)) for x, y in roi.outline), key=lambda point: point[1])
        _write(draw, font, (top[0], top[1] - 10 * ratio), roi.title, "lb")
    for x0, y0, x1, y1 in document.lines:
        points = [view.viewport_from_slide(x0, y0), view.viewport_from_slide(x1, y1)]
        draw.line(points, _SHADOW, round(4 * ratio))
        draw.line(points, _LINE, round(2 * ratio))
        middle = ((points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2 - 10 * ratio)
        _write(draw, font, middle, distance_text(math.hypot(x1 - x0, y1 - y0), mpp), "mb")


def _draw_divider(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, document: Document, ratio: float) -> None:
    """The line between two sides that are compared, and which is which."""
    comparison, (width, height) = document.comparison, document.view.viewport
    x, gap = round(comparison.split * width), 12 * ratio
    for color, thick in ((_SHADOW, 4), (_INK, 2)):
        draw.line([(x, 0), (x, height)], color, round(thick * ratio))
    for side, at, anchor in zip(comparison.sides, (x - gap, x + gap), ("rt", "lt"), strict=True):
        _write(draw, font, (at, 14 * ratio), side_name(document, side), anchor)


def _draw_scale_bar(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, document: Document, ratio: float) -> None:
    view, mpp = document.view, document.slide.mpp if document.slide is not None else None
    per_pixel, unit = (view.scale, "px") if mpp is None else (view.scale * mpp, "µm")
    bar = scale_bar(per_pixel, unit, SCALE_BAR_MAX * ratio)
    margin, pad, thick = 14 * ratio, 12 * ratio, max(2, round(3 * ratio))
    width, height = bar.width + 2 * pad, 40 * ratio
    left, top = margin, view.viewport[1] - margin - height
    draw.rounded_rectangle((left, top, left + width, top + height), 6 * ratio, _CARD)
    draw.text((left + width / 2, top + 6 * ratio), bar.text, _INK, font, "ma")
    bottom = round(top + height - 11 * ratio)
    start = round(left + pad)
    draw.rectangle((start, bottom - thick + 1, start + round(bar.width) - 1, bottom), _INK)


def _write(
    draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, at: tuple[float, float], text: str, anchor: str
) -> None:
    left, top, right, bottom = draw.textbbox(at, text, font, anchor)
    pad = font.size / 4
    draw.rounded_rectangle((left - pad, top - pad, right + pad, bottom + pad), pad, _CARD)
    draw.text(at, text, _INK, font, anchor)
