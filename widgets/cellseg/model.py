"""Which network, how large the cells are, and the preview."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.session.text import cells_text, model_title

from ..offer import offer
from .jobs import job_place
from .sizes import draw_evidence, draw_tools

if TYPE_CHECKING:
    from studio.gui.panel import Context

TIPS = {
    "Model": "The network that finds the cells: those on this machine, a file of your own, and those that are "
    "downloaded when first used.",
    "Auto-detect diameter": "Preview measures the cells in view and fills in their typical diameter.",
    "Manual": "Use the diameter below. The whole slide can be segmented once it is set.",
    "Diameter": "Expected cell diameter in micrometres, fractions allowed. The slide is scaled by it: it matters most.",
    "Preview": "Segment exactly what is in view, with the same result the whole slide will have there. Cells appear "
    "from the middle outwards; stop it (Esc), and what was there before comes back.",
    "Preview ROI": "Segment the selected region, whole, wherever the view is.",
    "Auto-preview": "Segment what is in view whenever it has stood still for half a second. Moving on stops it.",
}

FROM_FILE = "From a file…"


def draw(ctx: Context) -> None:
    """The section Model & Cell Diameter."""
    _model(ctx)
    _diameter(ctx)
    _preview(ctx)
    draw_evidence(ctx)


def _model(ctx: Context) -> None:
    session, chosen = ctx.actions, ctx.document.params.model
    models = session.models()
    lines = [(info.name, model_title(info)) for info in models if info.installed]
    if all(info.name != chosen for info in models):
        lines.append((chosen, chosen))
    # Where it is seen, not below all that there is to download.
    lines.append(("", FROM_FILE))
    lines += [(info.name, model_title(info)) for info in models if not info.installed]
    names, titles = zip(*lines, strict=True)
    index = ctx.ui.combo("Model", names.index(chosen), titles, tooltip=TIPS["Model"])
    if not names[index]:
        session.ask_model_file()
    elif names[index] != chosen:
        session.set_params(model=names[index])
    for info in models:
        if info.name == chosen and info.description:
            ctx.ui.text(info.description, dim=True)


def _diameter(ctx: Context) -> None:
    ui, document = ctx.ui, ctx.document
    if ui.radio("Auto-detect diameter", document.auto_diameter, tooltip=TIPS["Auto-detect diameter"]):
        document.auto_diameter = True
    ui.same_line(16)
    if ui.radio("Manual", not document.auto_diameter, tooltip=TIPS["Manual"]):
        document.auto_diameter = False
    # No limits here: the session refuses 0 or -1 in words, where clamping would quietly take another value.
    diam_um = ui.number(
        "Diameter",
        document.params.diam_um,
        step=0.5,
        unit="µm",
        enabled=not document.auto_diameter,
        tooltip=TIPS["Diameter"],
    )
    ctx.actions.set_params(diam_um=diam_um)
    draw_tools(ctx)


def _preview(ctx: Context) -> None:
    ui, session = ctx.ui, ctx.actions
    why = session.why_not_preview()
    shown = "Preview here" if session.preview_elsewhere else "Preview again" if session.preview_outdated else "Preview"
    if offer(ui, "Preview", why, TIPS["Preview"], width=-1.0, primary=True, shown=shown):
        session.preview()
    with ui.grid(2):
        auto = session.auto_preview.on
        if ui.checkbox("Auto-preview", auto, tooltip=TIPS["Auto-preview"]) != auto:
            session.auto_preview.switch(not auto)
        if offer(ui, "Preview ROI", session.why_not_preview_roi(), TIPS["Preview ROI"]):
            session.preview_roi()
    rows = (
        ("Download", "Cancel download"),
        ("Sample slide", "Cancel sampling"),
        ("Preview", "Cancel preview" if session.segmenting else "Cancel"),
    )
    job_place(ctx, rows, lambda ctx: ctx.ui.text(_state(ctx), dim=True))


def _state(ctx: Context) -> str:
    """What there is to say while nothing is under way."""
    session, overlay = ctx.actions, ctx.document.overlay
    if session.auto_preview.on and session.auto_too_large:
        return "Zoom in for auto-preview: so large a view is segmented when you press Preview."
    if session.preview_outdated:
        return "The cells on screen were found with another model, diameter or channel."
    if session.preview_elsewhere:
        return "Part of what is in view hasn't been segmented."
    if session.live.shown is not None and overlay is not None:
        return f"{cells_text(overlay.source.cells)} in this preview."
    return "Preview segments what is in view. The whole slide gets the same cells there."
