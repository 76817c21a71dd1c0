"""How cells are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.cellseg.cellvalues import has_probability
from studio.cellseg.columns import column_title, column_unit
from studio.document import COLORMAPS, FILL_BY_CELL, LINE_RGB, PLAIN_FILL, OverlayStyle

if TYPE_CHECKING:
    from studio.gui.panel import Context

TIPS = {
    "Mask": "Fill cells with a colour.",
    "Outline": "Turn masks into outlines, to compare them with the cells under them.",
    "Centroid": "A green dot at the centre of each cell.",
    "gradXY": "The flow field that cells are formed from; colour is direction.",
    "Cell prob.": "How likely each pixel is part of a cell, 0 to 1, as the network says.",
    "Black BG": "Black instead of the slide behind masks.",
    "Alpha": "Opacity of the overlay: 0 shows only the slide, 1 only the overlay.",
    "Fill": "What the colour of a mask tells: nothing (cyan), which cell it is, or a measure of the cell.",
    "Line width": "Width of outlines in screen pixels.",
    "Line colour": "Colour of outlines.",
    "Colours": "Colour map for measures. All three can be told apart by colour-blind people.",
    "Lowest": "Cells of this value and below have the map's first colour.",
    "Highest": "Cells of this value and above have the map's last colour.",
    "Full contrast": "Colours from the 2nd to the 98th percentile of all cells again.",
    "Reset": "View controls back to their defaults.",
}

NO_FLOWS = "These cells have no flows. Preview, or tick Save flows before Segment."

LINE_COLOURS = {
    "Yellow": LINE_RGB,
    "White": (1.0, 1.0, 1.0),
    "Black": (0.0, 0.0, 0.0),
    "Red": (1.0, 0.1, 0.1),
    "Green": (0.1, 0.9, 0.2),
    "Blue": (0.1, 0.3, 1.0),
}


def draw(ctx: Context) -> None:
    """The section View controls."""
    ui, style = ctx.ui, ctx.document.style
    overlay = ctx.document.overlay
    flows = overlay is not None and overlay.source.has_flows
    with ui.grid(2):
        style.mask = ui.checkbox("Mask", style.mask, tooltip=TIPS["Mask"])
        outline = ui.checkbox("Outline", style.outline, tooltip=TIPS["Outline"])
        if outline != style.outline:
            style.show_outline(outline)
        style.centroid = ui.checkbox("Centroid", style.centroid, tooltip=TIPS["Centroid"])
        tip = TIPS["gradXY"] if flows else NO_FLOWS
        style.gradxy = ui.checkbox("gradXY", style.gradxy, enabled=flows, tooltip=tip)
        style.black_bg = ui.checkbox("Black BG", style.black_bg, tooltip=TIPS["Black BG"])
        known = overlay is not None and has_probability(overlay.source)
        tip = TIPS["Cell prob."] if known else NO_FLOWS
        style.cellprob = ui.checkbox("Cell prob.", style.cellprob, enabled=known, tooltip=tip)
    style.alpha = ui.slider("Alpha", style.alpha, 0.0, 1.0, tooltip=TIPS["Alpha"])
    _fill(ctx)
    if ui.button("Reset", tooltip=TIPS["Reset"]):
        ctx.document.style = OverlayStyle()


def draw_colours(ctx: Context) -> None:
    """The section Lines & colours."""
    ui, document = ctx.ui, ctx.document
    style, values = document.style, document.values
    style.outline_px = ui.slider("Line width", style.outline_px, 0.5, 6.0, fmt="%.1f", tooltip=TIPS["Line width"])
    names = list(LINE_COLOURS)
    shown = next((n for n, rgb in enumerate(LINE_COLOURS.values()) if rgb == style.outline_rgb), 0)
    style.outline_rgb = LINE_COLOURS[names[ui.combo("Line colour", shown, names, tooltip=TIPS["Line colour"])]]
    by_value = values is not None and values.column == style.fill
    why = "" if by_value else "Choose a measure as Fill first: "
    style.colormap = COLORMAPS[
        ui.combo("Colours", COLORMAPS.index(style.colormap), COLORMAPS, enabled=by_value, tooltip=why + TIPS["Colours"])
    ]
    if values is None or not by_value:
        return
    first, last = style.value_range or (values.low, values.high)
    unit, step = column_unit(values.column), (values.high - values.low) / 20
    low = ui.number("Lowest", first, step=step, fmt="%.4g", high=last, unit=unit, tooltip=TIPS["Lowest"])
    high = ui.number("Highest", last, step=step, fmt="%.4g", low=first, unit=unit, tooltip=TIPS["Highest"])
    if (low, high) != (first, last):
        style.value_range = (low, high)
    if ui.button("Full contrast", enabled=style.value_range is not None, tooltip=TIPS["Full contrast"]):
        style.value_range = None


def _fill(ctx: Context) -> None:
    """What masks are coloured by. A column that these cells lack stays chosen, for cells that have it."""
    style = ctx.document.style
    fills = [PLAIN_FILL, FILL_BY_CELL, *ctx.actions.colours.columns]
    titles = ["Cyan", "By cell", *(column_title(name) for name in fills[2:])]
    before = fills.index(style.fill) if style.fill in fills else 0
    chosen = ctx.ui.combo("Fill", before, titles, tooltip=TIPS["Fill"])
    if chosen != before:
        # Limits of one measure say nothing of another.
        style.fill, style.value_range, style.mask = fills[chosen], None, True
