"""The settings panel: how the program looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.gui.panel import Panel
from studio.logs import log_path
from studio.session.files import runs_dir
from studio.settings import THEMES, UI_SCALE_RANGE

if TYPE_CHECKING:
    from studio.gui.panel import Context

TIPS = {
    "Theme": "Dark or light controls; the slide looks the same.",
    "UI scale": "Size of text and controls, on top of the screen's own scale.",
    "Clear recent files": "Forget which slides were opened lately; the files stay.",
}


class SettingsPanel(Panel):
    """Writes the settings; the window follows them."""

    def draw(self, ctx: Context) -> None:
        """Draw the choices and where things are kept."""
        ui, settings = ctx.ui, ctx.settings
        theme = ui.combo("Theme", THEMES.index(settings.theme), [t.capitalize() for t in THEMES], tooltip=TIPS["Theme"])
        ui_scale = ui.slider("UI scale", settings.ui_scale, *UI_SCALE_RANGE, tooltip=TIPS["UI scale"])
        if (THEMES[theme], ui_scale) != (settings.theme, settings.ui_scale):
            settings.theme, settings.ui_scale = THEMES[theme], ui_scale
            settings.changed()
        if ui.button("Clear recent files", enabled=bool(settings.recent), tooltip=TIPS["Clear recent files"]):
            settings.recent.clear()
            settings.changed()
        ui.separator()
        ui.text(f"Runs: {runs_dir()}", dim=True)
        ui.text(f"Log: {log_path()}", dim=True)
