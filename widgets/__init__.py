"""The window's panels, one module each. Importing this imports none of them."""

from __future__ import annotations

from studio.gui.panel import PanelSpec

PANELS: tuple[PanelSpec, ...] = (
    PanelSpec("slide", "Slide", "slide", "studio.widgets.slide:SlidePanel"),
    PanelSpec("annotations", "Annotations", "annotations", "studio.widgets.annotations:AnnotationsPanel"),
    PanelSpec("image", "Image", "image", "studio.widgets.image:ImagePanel"),
    PanelSpec("cellseg", "Cell Segmentation", "cell", "studio.widgets.cellseg:CellSegPanel", default=False),
    PanelSpec("results", "Results", "results", "studio.widgets.results:ResultsPanel"),
    PanelSpec("settings", "Settings", "settings", "studio.widgets.settings:SettingsPanel"),
    PanelSpec("extensions", "Extensions", "extensions", "studio.widgets.extensions:ExtensionsPanel"),
)
"""Panels that come with the program; others register under the entry-point group `studio.widgets`."""
