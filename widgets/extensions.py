"""The extensions panel: which panels are on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.gui.panel import Panel
from studio.gui.registry import known_panels

if TYPE_CHECKING:
    from studio.gui.panel import Context

ALWAYS_ON = ("settings", "extensions")
"""Without these nothing could be switched back on."""


class ExtensionsPanel(Panel):
    """One tick a panel, remembered between starts."""

    def draw(self, ctx: Context) -> None:
        """Draw the list."""
        ctx.ui.text("Panels to show. The choice is remembered.", dim=True)
        for spec in known_panels():
            if spec.name in ALWAYS_ON:
                continue
            enabled = ctx.settings.extension_enabled(spec.name, spec.default)
            wanted = ctx.ui.checkbox(spec.title, enabled, tooltip=f"Show the {spec.title} panel.")
            if wanted != enabled:
                ctx.settings.set_extension(spec.name, wanted)
