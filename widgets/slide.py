"""The slide panel: what is open, and how large its pixels are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.gui.panel import Panel
from studio.session.text import size_text

if TYPE_CHECKING:
    from studio.gui.panel import Context
    from studio.slide import WSI

TIPS = {
    "Pixel size": "Micrometres per pixel. Cells are found by their size in µm, so a wrong value finds wrong cells.",
    "Set pixel size": "Use this pixel size instead of the file's. Cells already found stay as they are.",
    "Copy path": "Copy the file's full path to the clipboard.",
    "Close": "Close the slide. A whole-slide run goes on.",
}

_SOURCES = {
    "override": "set by hand",
    "openslide": "from the file",
    "vendor": "from the scanner's own entry",
    "ome": "from OME-XML",
    "imagej": "from ImageJ's entry",
    "tiff": "from the file's resolution tags",
}


class SlidePanel(Panel):
    """Shows the open slide; keeps only the pixel size being typed."""

    def __init__(self) -> None:
        self._version = -1
        self._mpp = 0.0

    def draw(self, ctx: Context) -> None:
        """Draw the facts of the slide, or how to open one."""
        slide = ctx.document.slide
        if slide is None:
            ctx.ui.text("No slide is open. Drop one on the window, or use File, Open.", dim=True)
            return
        self._facts(ctx, slide)
        self._pixel_size(ctx, slide)
        self._levels(ctx, slide)
        with ctx.ui.grid(2):
            if ctx.ui.button("Copy path", tooltip=f"{TIPS['Copy path']}\n{slide.path}"):
                ctx.ui.copy(str(slide.path))
                ctx.notify("info", "Path copied.")
            if ctx.ui.button("Close", tooltip=TIPS["Close"]):
                ctx.actions.close_slide()

    def _facts(self, ctx: Context, slide: WSI) -> None:
        ui = ctx.ui
        ui.heading(slide.path.name)
        ui.text(size_text(*slide.size, slide.mpp))
        if slide.magnification:
            ui.text(f"Scanned at {slide.magnification:g}x")
        ui.text(f"Vendor: {slide.vendor}", dim=True)

    def _levels(self, ctx: Context, slide: WSI) -> None:
        with ctx.ui.section(f"Levels ({len(slide.level_sizes)})", default_open=False) as is_open:
            if is_open:
                for number, ((width, height), down) in enumerate(
                    zip(slide.level_sizes, slide.level_downsamples, strict=True)
                ):
                    ctx.ui.text(f"{number}: {width:,} × {height:,} px, 1:{down:g}", dim=True)

    def _pixel_size(self, ctx: Context, slide: WSI) -> None:
        ui = ctx.ui
        if self._version != ctx.document.slide_version:
            self._version = ctx.document.slide_version
            self._mpp = slide.mpp or 0.0
        if slide.mpp is None:
            ui.text("The file doesn't say how large a pixel is; segmentation needs it.")
        else:
            ui.text(f"{slide.mpp:.4g} µm per pixel ({_SOURCES.get(slide.mpp_source, slide.mpp_source)})")
        if slide.mpp_note:
            ui.text(slide.mpp_note, dim=True)
        self._mpp = ui.number("Pixel size", self._mpp, step=0.01, fmt="%.4f", unit="µm/px", tooltip=TIPS["Pixel size"])
        changed = self._mpp != (slide.mpp or 0.0)
        if ui.button("Set pixel size", enabled=changed, width=-1.0, tooltip=TIPS["Set pixel size"]):
            ctx.actions.set_mpp(self._mpp)
