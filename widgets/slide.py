"""The slide panel: what is open, how large its pixels are, where it has tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.gui.panel import Panel
from studio.session.slides import TYPICAL_MPP
from studio.session.text import size_text

if TYPE_CHECKING:
    from studio.gui.panel import Context
    from studio.slide import WSI

TIPS = {
    "Pixel size": "Micrometres per pixel. Cells are found by their size in µm, so a wrong value finds wrong cells.",
    "Set pixel size": "Use this pixel size instead of the file's. Cells already found stay as they are.",
    "Use the file's": "Forget the pixel size set by hand and go back to what the file says.",
    "Copy path": "Copy the file's full path to the clipboard.",
    "Close": "Close the slide. A whole-slide run goes on.",
    "Outline tissue": "Outline on the slide what Otsu's threshold takes for tissue.",
    "thumbnail": "The whole slide.",
    "label": "The slide's label, which may name the patient.",
    "macro": "The glass as the scanner sees it, label included.",
    "Try again": "Read the file once more.",
    "Copy metadata": "Copy all of it to the clipboard, one entry a line.",
}

_SOURCES = {
    "override": "set by hand",
    "openslide": "from the file",
    "vendor": "from the scanner's own entry",
    "ome": "from OME-XML",
    "imagej": "from ImageJ's entry",
    "tiff": "from the file's resolution tags",
}

METADATA_MAX = 200
"""Entries listed; a file's XML can have thousands, which copying takes all."""

_VALUE_MAX = 120


class SlidePanel(Panel):
    """Shows the open slide; keeps only the pixel size being typed."""

    def __init__(self) -> None:
        self._seen: tuple[int, float | None] = (-1, None)
        self._mpp = 0.0

    def draw(self, ctx: Context) -> None:
        """Draw the facts of the slide, or how to open one."""
        slide = ctx.document.slide
        if slide is None:
            ctx.ui.text("No slide is open. Drop one on the window, or use File, Open.", dim=True)
            return
        self._facts(ctx, slide)
        self._pixel_size(ctx, slide)
        with ctx.ui.grid(2):
            if ctx.ui.button("Copy path", tooltip=f"{TIPS['Copy path']}\n{slide.path}"):
                ctx.ui.copy(str(slide.path))
                ctx.notify("info", "Path copied.")
            if ctx.ui.button("Close", tooltip=TIPS["Close"]):
                ctx.actions.close_slide()
                return
        for title, draw in (
            ("Tissue", self._tissue),
            ("Pictures", self._pictures),
            (f"Levels ({len(slide.level_sizes)})", self._levels),
            ("Metadata", self._metadata),
        ):
            with ctx.ui.section(title, default_open=False) as is_open:
                if is_open:
                    draw(ctx, slide)

    def _facts(self, ctx: Context, slide: WSI) -> None:
        ui = ctx.ui
        ui.heading(slide.path.name)
        ui.text(size_text(*slide.size, slide.mpp))
        if slide.magnification:
            ui.text(f"Scanned at {slide.magnification:g}x")
        ui.text(f"Vendor: {slide.vendor}", dim=True)

    def _pixel_size(self, ctx: Context, slide: WSI) -> None:
        ui = ctx.ui
        seen = (ctx.document.slide_version, slide.mpp)
        if self._seen != seen:
            self._seen, self._mpp = seen, slide.mpp or TYPICAL_MPP
        if slide.mpp is None:
            ui.text("The file doesn't say how large a pixel is; segmentation needs it.")
        else:
            ui.text(f"{slide.mpp:.4g} µm per pixel ({_SOURCES.get(slide.mpp_source, slide.mpp_source)})")
        if slide.mpp_note:
            ui.text(slide.mpp_note, dim=True)
        self._mpp = ui.number("Pixel size", self._mpp, step=0.01, fmt="%.4f", unit="µm/px", tooltip=TIPS["Pixel size"])
        changed, by_hand = self._mpp != slide.mpp, slide.mpp_source == "override"
        with ui.grid(2):
            tip = TIPS["Set pixel size"] if changed else "This is the pixel size in use."
            if ui.button("Set pixel size", enabled=changed, tooltip=tip):
                ctx.actions.set_mpp(self._mpp)
            tip = TIPS["Use the file's"] if by_hand else "No pixel size was set by hand."
            if ui.button("Use the file's", enabled=by_hand, tooltip=tip):
                ctx.actions.set_mpp(None)

    def _tissue(self, ctx: Context, slide: WSI) -> None:
        ui, overview = ctx.ui, ctx.actions.overview
        overview.find_tissue()
        tissue = overview.tissue
        shown = ui.checkbox("Outline tissue", overview.show_tissue, tooltip=TIPS["Outline tissue"])
        if shown != overview.show_tissue:
            overview.show_tissue = shown
        if tissue is None:
            self._awaited(ctx, "tissue", "Looking for tissue…")
            return
        text = f"{tissue.share:.1%} of the slide is tissue"
        if slide.mpp is not None:
            area_mm2 = tissue.share * slide.size[0] * slide.size[1] * (slide.mpp / 1000) ** 2
            text += f", {area_mm2:,.1f} mm²"
        ui.text(text)
        what = "brightness" if tissue.fluorescence else "saturation"
        ui.text(
            f"Otsu's threshold: {what} {tissue.threshold} of 255. A run with Otsu threshold skips the rest.", dim=True
        )
        if ui.picture("Tissue picture", tissue.picture, tooltip="The slide, what is no tissue washed out."):
            ctx.actions.fit_view()

    def _pictures(self, ctx: Context, slide: WSI) -> None:
        del slide
        overview = ctx.actions.overview
        overview.read_pictures()
        pictures = overview.pictures
        if pictures is None:
            self._awaited(ctx, "pictures", "Reading…")
            return
        for name, rgb in pictures.items():
            ctx.ui.text(name.capitalize(), dim=True)
            if ctx.ui.picture(name.capitalize(), rgb, tooltip=TIPS.get(name, f"The file calls it {name}.")):
                ctx.actions.fit_view()

    def _awaited(self, ctx: Context, what: str, text: str) -> None:
        problem = ctx.actions.overview.problem(what)
        ctx.ui.text(problem or text, dim=True)
        if problem and ctx.ui.button(f"Try {what} again", width=-1.0, tooltip=TIPS["Try again"]):
            ctx.actions.overview.try_again(what)

    def _levels(self, ctx: Context, slide: WSI) -> None:
        for number, ((width, height), down) in enumerate(zip(slide.level_sizes, slide.level_downsamples, strict=True)):
            mpp = f", {slide.mpp * down:.3g} µm/px" if slide.mpp is not None else ""
            ctx.ui.text(f"{number}: {width:,} × {height:,} px, 1:{down:g}{mpp}", dim=True)

    def _metadata(self, ctx: Context, slide: WSI) -> None:
        entries = sorted(slide.properties.items())
        if not entries:
            ctx.ui.text("The file says nothing about itself.", dim=True)
            return
        if ctx.ui.button("Copy metadata", width=-1.0, tooltip=TIPS["Copy metadata"]):
            ctx.ui.copy("\n".join(f"{key}\t{value}" for key, value in entries))
            ctx.notify("info", f"Copied {len(entries):,} entries.")
        for key, value in entries[:METADATA_MAX]:
            short = " ".join(value.split())
            ctx.ui.text(f"{key}: {short[:_VALUE_MAX]}{'…' * (len(short) > _VALUE_MAX)}", dim=True)
        if len(entries) > METADATA_MAX:
            ctx.ui.text(f"… and {len(entries) - METADATA_MAX:,} more.", dim=True)
