"""How cells are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.document import OverlayStyle

if TYPE_CHECKING:
    from studio.gui.panel import Context

TIPS = {
    "Mask": "Fill cells in cyan.",
    "Outline": "Turn masks into outlines, to compare them with the cells under them.",
    "Centroid": "A green dot at the centre of each cell.",
    "gradXY": "The flow field that cells are formed from; colour is direction.",
    "Black BG": "Black instead of the slide behind masks.",
    "Alpha": "Opacity of the overlay: 0 shows only the slide, 1 only the overlay.",
    "Reset": "View controls back to their defaults.",
}


def draw(ctx: Context) -> None:
    """The section View controls."""
    ui, style = ctx.ui, ctx.document.style
    flows = ctx.document.overlay is not None and ctx.document.overlay.source.has_flows
    with ui.grid(2):
        style.mask = ui.checkbox("Mask", style.mask, tooltip=TIPS["Mask"])
        outline = ui.checkbox("Outline", style.outline, tooltip=TIPS["Outline"])
        if outline != style.outline:
            style.show_outline(outline)
        style.centroid = ui.checkbox("Centroid", style.centroid, tooltip=TIPS["Centroid"])
        tip = TIPS["gradXY"] if flows else "These cells have no flows. Preview, or tick Save flows before Segment."
        style.gradxy = ui.checkbox("gradXY", style.gradxy, enabled=flows, tooltip=tip)
        style.black_bg = ui.checkbox("Black BG", style.black_bg, tooltip=TIPS["Black BG"])
    style.alpha = ui.slider("Alpha", style.alpha, 0.0, 1.0, tooltip=TIPS["Alpha"])
    if ui.button("Reset", tooltip=TIPS["Reset"]):
        ctx.document.style = OverlayStyle()
