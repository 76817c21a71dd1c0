"""The window's panels, one file each. Importing this imports none of them."""

from __future__ import annotations

from studio.gui.panel import PanelSpec

PANELS: tuple[PanelSpec, ...] = (
    PanelSpec("slide", "Slide", "S", "studio.widgets.slide:SlidePanel"),
    PanelSpec("cellseg", "Cell Segmentation", "C", "studio.widgets.cellseg:CellSegPanel", default=False),
    PanelSpec("settings", "Settings", "G", "studio.widgets.settings:SettingsPanel"),
    PanelSpec("extensions", "Extensions", "E", "studio.widgets.extensions:ExtensionsPanel"),
)
"""Panels that come with the program; others register under the entry-point group `studio.widgets`."""
