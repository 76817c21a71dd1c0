"""Several slides, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.gui.control import TableColumn

from ..offer import offer
from .jobs import job_place

if TYPE_CHECKING:
    from studio.gui.panel import Context

COLUMNS = (TableColumn("Slide", 1.7, 0.0), TableColumn("Status", 1.0, 1.0))

TIPS = {
    "Add slide": "Put another slide on the list. Dropping several slides, or a folder, on the window lists them too.",
    "Results folder": "Where the results go, as SLIDE-masks.zip.",
    "Start batch": "Segment all slides of the list with the parameters above, one after the other. A slide that fails "
    "doesn't stop the rest; one whose result is there is passed over.",
    "Stop batch": "Stop. Started again, the list goes on where it was.",
    "Clear list": "Empty the list; slides and results stay where they are.",
    "row": "Open this slide, with its cells if they are there.",
}


def draw(ctx: Context) -> None:
    """The section Batch."""
    ui, batch = ctx.ui, ctx.actions.batch
    items = batch.items
    if not items:
        ui.text("Drop several slides on the window, or a folder with slides, to list them here.", dim=True)
    else:
        texts = [(item.slide.name, batch.status_text(item)) for item in items]
        press = ui.table("slides", COLUMNS, len(items), texts.__getitem__, sortable=False, tooltip=TIPS["row"])
        if press.row is not None:
            batch.open(press.row)
        ui.text(f"{batch.summary}. Results: {batch.folder}", dim=True)
    for item in items:
        if item.error:
            ui.text(item.error, dim=True)
    with ui.grid(2):
        _buttons(ctx)
    job_place(ctx, (("Batch", None),), _idle)


def _idle(ctx: Context) -> None:
    """While no list is being segmented: what would be done."""
    if ctx.actions.batch.items:
        ctx.ui.text("Start batch segments them with the parameters of this panel.", dim=True)


def _buttons(ctx: Context) -> None:
    ui, batch = ctx.ui, ctx.actions.batch
    if batch.running:
        if ui.button("Stop batch", tooltip=TIPS["Stop batch"]):
            batch.stop()
    else:
        if offer(ui, "Start batch", batch.why_not(), TIPS["Start batch"], primary=True):
            batch.start()
    if ui.button("Add slide", tooltip=TIPS["Add slide"]):
        batch.ask_add()
    busy = "Not while the list is being segmented." if batch.running else None
    empty = None if batch.items else "The list is empty."
    why = busy or empty
    if offer(ui, "Results folder", why, TIPS["Results folder"]):
        batch.ask_folder()
    if offer(ui, "Clear list", why, TIPS["Clear list"]):
        batch.clear()
