"""What speaks for the diameter: how large the cells are that were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..offer import offer

if TYPE_CHECKING:
    from studio.gui.panel import Context

TIPS = {
    "Sample slide": "Measure cells in six fields or more, spread over the slide's tissue, and take their median "
    "diameter (µm).",
    "Show ring": "A circle of the set diameter at the pointer, to hold against the cells. It is drawn while this panel "
    "is open.",
    "Cell diameters": "Diameters (µm) of circles of the measured cells' areas. Lines: quartiles and median.",
    "Use median": "Set the diameter to the median of these cells.",
    "Hide diameters": "Show this no longer.",
}
HISTOGRAM_HEIGHT = 64


def draw_tools(ctx: Context) -> None:
    """Ring and sample, below the diameter."""
    ui, diameters = ctx.ui, ctx.actions.diameters
    with ui.grid(2):
        diameters.ring.on = ui.checkbox("Show ring", diameters.ring.on, tooltip=TIPS["Show ring"])
        if offer(ui, "Sample slide", diameters.why_not_sample(), TIPS["Sample slide"]):
            diameters.sample_slide()


def draw_evidence(ctx: Context) -> None:
    """The diameters that were measured last, if any."""
    ui, diameters = ctx.ui, ctx.actions.diameters
    found = diameters.evidence
    if found is None:
        return
    first, median, third = found.quartiles_um
    if found.why_default:
        ui.text(f"No diameter found {found.where}: {found.why_default}.", dim=True)
        return
    ui.histogram(
        "Cell diameters",
        found.histogram,
        found.low_um,
        found.high_um,
        marks=found.quartiles_um,
        unit="µm",
        height=HISTOGRAM_HEIGHT,
        tooltip=TIPS["Cell diameters"],
    )
    ui.text(
        f"Median {median:.2f} µm, half of them {first:.1f} to {third:.1f} µm: {found.cells:,} cells {found.where}",
        dim=True,
    )
    if (humps := found.humps) is not None:
        small, large = humps.peaks
        ui.text(
            f"Two sizes of cells: about {small:.1f} µm ({humps.shares[0]:.0%}) and {large:.1f} µm "
            f"({humps.shares[1]:.0%}). One diameter won't suit both: choose that of the cells you are after.",
            color=ui.theme.warning,
        )
    with ui.grid(2):
        differs = abs(ctx.document.params.diam_um - found.diam_um) > 0.004
        tip = TIPS["Use median"] if differs else "This is the diameter that is set."
        if ui.button("Use median", enabled=differs, tooltip=tip):
            diameters.use()
        if ui.button("Hide diameters", tooltip=TIPS["Hide diameters"], shown="Hide"):
            diameters.dismiss()
