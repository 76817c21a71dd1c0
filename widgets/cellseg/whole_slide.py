"""The run over the whole slide, and its export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.gui.control import Entry

from .jobs import job_row

if TYPE_CHECKING:
    from studio.gui.panel import Context

TIPS = {
    "Otsu threshold": "Segment only tissue, found by strict Otsu thresholding of the whole slide. "
    "Saves time; doesn't suit all slides (cytology, for one).",
    "Save flows": "Keep the flow field with the result (about 1 MB per megapixel), for gradXY.",
    "Segment": "Segment the whole slide in the background, beginning where you look. A stopped run resumes.",
    "Export": "Save the cells on screen as a .zip file; drop it on the window to see them again.",
    "Export as": "Save the cells for QuPath, napari, ImageJ, Cellpose, pandas and others.",
}


def draw(ctx: Context) -> None:
    """The section Whole-slide segmentation."""
    ui, session, params = ctx.ui, ctx.actions, ctx.document.params
    free = not ctx.document.auto_diameter
    if not free:
        ui.text("Preview with Auto-detect finds the diameter; then choose Manual to segment the slide.", dim=True)
    with ui.grid(2):
        otsu = ui.checkbox("Otsu threshold", params.otsu, enabled=free, tooltip=TIPS["Otsu threshold"])
        save_flows = ui.checkbox("Save flows", params.save_flows, enabled=free, tooltip=TIPS["Save flows"])
    if (otsu, save_flows) != (params.otsu, params.save_flows):
        session.set_params(otsu=otsu, save_flows=save_flows)
    with ui.grid(3):
        why = session.why_not_segment()
        if ui.button("Segment", enabled=why is None, tooltip=why or TIPS["Segment"], primary=True):
            session.segment()
        _export(ctx)
    job_row(ctx, "Segment", "Cancel")
    job_row(ctx, "Export", "Cancel export")


def _export(ctx: Context) -> None:
    """Export, and the menu of other formats beside it."""
    ui, session = ctx.ui, ctx.actions
    why = session.why_not_export()
    if ui.button("Export", enabled=why is None, tooltip=why or TIPS["Export"]):
        session.ask_export_path()
    choices = session.export_choices()
    entries = [Entry(c.title, c.why_not is None, c.why_not or c.about) for c in choices]
    chosen = ui.menu_button("Export as", entries, enabled=why is None, tooltip=why or TIPS["Export as"])
    if chosen is not None:
        session.ask_export_path(choices[chosen].kind)
