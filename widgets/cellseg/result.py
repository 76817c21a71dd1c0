"""What was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.session.live import LIVE
from studio.session.text import density_text

if TYPE_CHECKING:
    from studio.gui.panel import Context


def draw(ctx: Context) -> None:
    """The section Result."""
    overlay = ctx.document.overlay
    if overlay is None:
        ctx.ui.text("No cells yet.", dim=True)
        return
    # Of a run under way most of the slide hasn't been looked at; its density stands with its progress.
    density = None if overlay.origin == LIVE else density_text(overlay.source, overlay.searched)
    ctx.ui.text(f"{overlay.source.cells:,} cells" + (f", {density}" if density else ""))
    if overlay.params is not None:
        ctx.ui.text(f"{overlay.params.model}, {overlay.params.diam_um:.2f} µm", dim=True)
    regions = overlay.searched is not None
    origin = {
        "preview": "Preview of a region" if regions else "Preview of a view",
        "run": "Run over regions" if regions else "Whole-slide run",
        LIVE: "Run under way" if ctx.actions.segmenting else "Unfinished run",
    }.get(overlay.origin, overlay.origin)
    ctx.ui.text(origin, dim=True)
