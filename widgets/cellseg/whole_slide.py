"""The run over the whole slide, and its export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.gui.control import Entry
from studio.session.leftovers import text_of
from studio.session.text import bytes_text

from ..offer import offer
from .jobs import PLACE_HEIGHT, job_place

if TYPE_CHECKING:
    from studio.gui.panel import Context

TIPS = {
    "Otsu threshold": "Segment only tissue, found by strict Otsu thresholding of the whole slide. "
    "Saves time; doesn't suit all slides (cytology, for one).",
    "Save flows": "Keep the flow field with the result (about 1 MB per megapixel), for gradXY and for other thresholds "
    "later on.",
    "Regions only": "Segment only inside the regions drawn or loaded in the Annotations panel.",
    "Segment": "Segment the whole slide in the background, beginning where you look. A stopped run can be resumed.",
    "Estimate": "What Segment would take (time, memory, disk) and find (cells per mm² with its 95 % interval), from "
    "random fields. Ends by itself when that is known to 5 %.",
    "Pause": "Hold the run: the machine is free, and what is done is kept. Resume goes on, now or another day.",
    "Resume": "Go on with the unfinished run of this slide, with the settings it was begun with.",
    "Discard unfinished run": "Forget the unfinished run of this slide and delete what it has done.",
    "Apply thresholds": "Make the cells of the whole slide anew with the thresholds above, from the stored flows: "
    "no network, a fraction of the time.",
    "Export": "Save the cells on screen as a .zip file; drop it on the window to see them again.",
    "leftover": "Open its slide, to go on with it by Resume.",
    "delete": "Delete what this run has done.",
    "Export as": "Save the cells for QuPath, napari, ImageJ, Cellpose, pandas and others.",
}

LEFTOVERS_MAX = 5

ROWS = (
    ("Segment", "Cancel"),
    ("Estimate", "Stop estimating"),
    ("Apply thresholds", "Stop applying"),
    ("Export", "Cancel export"),
)
"""Jobs of this section, and what the buttons are called that stop them."""

IDLE = "Estimate says what a run would take, before you begin one."
COUNT_HEIGHT = 21
"""Of the line that counts a run's cells."""


def draw(ctx: Context) -> None:
    """The section Whole-slide segmentation."""
    _options(ctx)
    _run(ctx)
    job_place(ctx, ROWS, _idle, PLACE_HEIGHT + COUNT_HEIGHT)
    with ctx.ui.grid(2):
        _export(ctx)
    _thresholds(ctx)
    _leftovers(ctx)


def _options(ctx: Context) -> None:
    """Where on the slide, and what is kept."""
    ui, session, params = ctx.ui, ctx.actions, ctx.document.params
    free = not ctx.document.auto_diameter
    if not free:
        ui.text("Preview with Auto-detect finds the diameter; then choose Manual to segment the slide.", dim=True)
    with ui.grid(2):
        otsu = ui.checkbox("Otsu threshold", params.otsu, enabled=free, tooltip=TIPS["Otsu threshold"])
        save_flows = ui.checkbox("Save flows", params.save_flows, enabled=free, tooltip=TIPS["Save flows"])
        # Without regions it isn't in the way; a tick whose regions went can be taken away.
        if ctx.document.rois or session.rois_only:
            session.rois_only = ui.checkbox(
                "Regions only", session.rois_only, enabled=free, tooltip=TIPS["Regions only"]
            )
    session.set_params(otsu=otsu, save_flows=save_flows)


def _run(ctx: Context) -> None:
    """Segment, estimate, pause and resume."""
    ui, session = ctx.ui, ctx.actions
    with ui.grid(3):
        why = session.why_not_segment()
        if offer(ui, "Segment", why, TIPS["Segment"], primary=True):
            session.segment()
        if offer(ui, "Estimate", session.estimating.why_not(), TIPS["Estimate"]):
            session.estimating.start()
        if session.unfinished is not None and not session.segmenting:
            if ui.button("Resume", tooltip=TIPS["Resume"]):
                session.resume()
        else:
            why = None if session.segmenting else "There is no run to pause."
            if session.pausing:
                why = "The run is being paused."
            if offer(ui, "Pause", why, TIPS["Pause"]):
                session.pause()


def _idle(ctx: Context) -> None:
    """While nothing is under way: an unfinished run, what one would take, or how to know."""
    ui, session, run = ctx.ui, ctx.actions, ctx.actions.unfinished
    lines = session.estimating.lines()
    if run is not None:
        done = f"{run.blocks_done} of {run.blocks} blocks" if run.blocks else f"{run.blocks_done} blocks"
        where = "" if run.rois is None else ", regions only"
        ui.text(f"Unfinished run: {done} ({run.params['model']}, {run.params['diam_um']:g}\u00a0µm{where}).", dim=True)
        if ui.button("Discard unfinished run", width=-1.0, tooltip=TIPS["Discard unfinished run"]):
            session.discard_unfinished()
    for line in lines if lines or run is not None else (IDLE,):
        ui.text(line, dim=True)


def _leftovers(ctx: Context) -> None:
    """Unfinished runs besides the one that Resume goes on with: what they are, and a way to be rid of them."""
    ui, leftovers = ctx.ui, ctx.actions.leftovers
    items = leftovers.items
    if not items:
        return
    size = bytes_text(sum(left.bytes for left in items))
    ui.text(f"{'Other unfinished' if ctx.actions.unfinished is not None else 'Unfinished'} runs, {size}:", dim=True)
    for left in items[:LEFTOVERS_MAX]:
        about, known = text_of(left), left.run is not None
        tip = f"{about}. {TIPS['leftover']}" if known else f"{about}. What it was isn't known any more."
        if ui.row(f"Run {left.name}", shown=left.slide_name, middle=True, enabled=known, beside=1, tooltip=tip):
            leftovers.choose(left)
        ui.same_line(2)
        if ui.icon_button(f"Delete run {left.name}", "trash", tooltip=f"{TIPS['delete']} {about}."):
            leftovers.ask_delete(left)
        ui.text(about, dim=True)
    if len(items) > LEFTOVERS_MAX:
        ui.text(f"… and {len(items) - LEFTOVERS_MAX:,} more.", dim=True)


def _thresholds(ctx: Context) -> None:
    """Other thresholds for a result with flows."""
    reflowing, tip = ctx.actions.reflowing, TIPS["Apply thresholds"]
    if reflowing.possible and offer(ctx.ui, "Apply thresholds", reflowing.why_not(), tip, width=-1.0):
        reflowing.start()


def _export(ctx: Context) -> None:
    """Export, and the menu of other formats beside it."""
    ui, session = ctx.ui, ctx.actions
    why = session.why_not_export()
    if offer(ui, "Export", why, TIPS["Export"]):
        session.ask_export_path()
    choices = session.export_choices()
    entries = [Entry(c.title, c.why_not is None, c.why_not or c.about) for c in choices]
    chosen = ui.menu_button("Export as", entries, enabled=why is None, tooltip=why or TIPS["Export as"])
    if chosen is not None:
        session.ask_export_path(choices[chosen].kind)
