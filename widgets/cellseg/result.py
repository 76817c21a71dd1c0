"""What was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.session.text import density_text

if TYPE_CHECKING:
    from studio.gui.panel import Context


def draw(ctx: Context) -> None:
    """The section Result."""
    overlay = ctx.document.overlay
    if overlay is None:
        ctx.ui.text("No cells yet.", dim=True)
        return
    density = density_text(overlay.source)
    ctx.ui.text(f"{overlay.source.cells:,} cells" + (f", {density}" if density else ""))
    if overlay.params is not None:
        ctx.ui.text(f"{overlay.params.model}, {overlay.params.diam_um:.2f} µm", dim=True)
    origin = {"preview": "Preview of a view", "run": "Whole-slide run"}.get(overlay.origin, overlay.origin)
    ctx.ui.text(origin, dim=True)
