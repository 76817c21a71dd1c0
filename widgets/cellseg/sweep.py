"""The middle of the view segmented in several ways, to choose from by eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.session.sweep import KINDS

from ..offer import offer
from .jobs import job_place

if TYPE_CHECKING:
    from studio.gui.panel import Context
    from studio.session.sweep import Variant

TIPS = {
    "Vary": "What differs from picture to picture; all else is as set in this panel.",
    "Sweep": "Segment the middle of the view in several ways, a square of 16 cell diameters.",
    "Clear pictures": "Take the pictures away.",
}
HINT = "The middle of the view with several values, each a picture. Press the best."
PICTURE_HEIGHT = 190
ENLARGED = 460
"""Height of the picture that the pointer is on."""


def draw(ctx: Context) -> None:
    """The section Side by side."""
    ui, sweep = ctx.ui, ctx.actions.sweep
    sweep.kind = KINDS[ui.combo("Vary", KINDS.index(sweep.kind), KINDS, tooltip=TIPS["Vary"])]
    with ui.grid(2):
        if offer(ui, "Sweep", sweep.why_not(), TIPS["Sweep"]):
            sweep.start()
        shown = bool(sweep.variants)
        tip = TIPS["Clear pictures"] if shown else "There are no pictures."
        if ui.button("Clear pictures", enabled=shown, tooltip=tip, shown="Clear"):
            sweep.clear()
    job_place(ctx, (("Sweep", "Cancel sweep"),), lambda ctx: ctx.ui.text(HINT, dim=True))
    pictures = [variant for variant in sweep.variants if variant.picture is not None]
    for first in range(0, len(pictures), 2):
        pair = pictures[first : first + 2]
        with ui.grid(2):
            for variant in pair:
                _picture(ctx, variant)
        with ui.grid(2):
            for variant in pair:
                _caption(ctx, variant)
    for variant in sweep.variants:
        if variant.error is not None:
            ui.text(f"{variant.caption}: {variant.error}", dim=True)


def _picture(ctx: Context, variant: Variant) -> None:
    if variant.picture is not None:
        tip = f"Take {variant.caption} ({variant.cells or 0:,} cells)."
        if ctx.ui.picture(
            f"Take {variant.caption}", variant.picture, high=PICTURE_HEIGHT, enlarged=ENLARGED, tooltip=tip
        ):
            ctx.actions.sweep.choose(variant)


def _caption(ctx: Context, variant: Variant) -> None:
    """The value, as what is chosen now or to choose it."""
    text = f"{variant.caption} ({variant.cells or 0:,})"
    tip = f"Take {variant.caption}, with which {variant.cells or 0:,} cells were found."
    if ctx.ui.radio(text, ctx.actions.sweep.chosen(variant), tooltip=tip):
        ctx.actions.sweep.choose(variant)
