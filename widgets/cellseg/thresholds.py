"""What becomes a cell of what the network sees: acts at once on a preview."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.cellseg.params import SegmentParams
from studio.session.text import cells_text

if TYPE_CHECKING:
    from studio.gui.panel import Context

TIPS = {
    "Cell probability": "Smallest cell probability (logit, no unit) of a cell's pixel; 0 is usual. Lower finds more "
    "and larger cells, higher fewer and smaller ones.",
    "Flow error": "Largest mean squared error (no unit) between a cell's flow and that of its shape; 0.4 is usual, "
    "0.5 for the built-in model. Lower drops ill-shaped cells, 0 keeps all.",
    "Min size": "Smallest cell in pixels of the segmentation, in which a cell of the set diameter is 30 or so across "
    "(17 with Cellpose's nuclei); 15 is usual.",
}
LIVE_TIP = "Acts at once on the cells of a preview."


def draw(ctx: Context) -> None:
    """The section Thresholds."""
    ui, session, params = ctx.ui, ctx.actions, ctx.document.params
    usual = SegmentParams(model=params.model)
    tips = {name: f"{tip} {LIVE_TIP} Double click: the usual value." for name, tip in TIPS.items()}
    session.set_params(
        cellprob_threshold=ui.tuner(
            "Cell probability", params.cellprob_threshold, -6.0, 6.0, step=0.05, neutral=usual.cellprob_threshold,
            tooltip=tips["Cell probability"],
        ),
        flow_threshold=ui.tuner(
            "Flow error", params.flow_threshold, 0.0, 2.0, step=0.01, neutral=usual.flow_threshold,
            tooltip=tips["Flow error"],
        ),
        min_size=int(
            ui.tuner(
                "Min size", params.min_size, 0, 300, step=1, fmt="%.0f", neutral=usual.min_size,
                tooltip=tips["Min size"],
            )
        ),
    )  # fmt: skip
    _state(ctx)


def _state(ctx: Context) -> None:
    """Whether the cells on screen are those of the sliders."""
    session, overlay = ctx.actions, ctx.document.overlay
    text = "These act at once on the cells of a preview."
    if session.previewing:
        text = "Segmenting…"
    elif session.live.ready and overlay is not None:
        ms = session.live.times.live_ms
        if ms is not None:
            text = f"{cells_text(overlay.source.cells)}, the last change took {ms / 1000:.2f} s"
    elif session.reflowing.possible:
        text = "Apply thresholds acts on the whole slide."
    elif session.preview_outdated:
        text = "Preview again: these act on its cells then."
    # One line each, so that nothing below moves.
    ctx.ui.text(text, dim=True)
