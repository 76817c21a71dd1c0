"""The cell segmentation panel: tune on what is in view, then run over the whole slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.cellseg.params import CHANNELS
from studio.document import OverlayStyle
from studio.gui.panel import Panel
from studio.session.text import density_text, duration_text, job_fraction, job_text, model_title

if TYPE_CHECKING:
    from studio.gui.panel import Context

CHANNEL_TITLES = {
    "auto": "Automatic",
    "gray": "Gray",
    "red": "Red",
    "green": "Green",
    "blue": "Blue",
    "hematoxylin": "Haematoxylin",
    "fluorescence": "Fluorescence",
}

NARROW = 84
"""Width of the column of labels where they are short."""

TIPS = {
    "Model": "The network that finds the cells. Models marked 'download' are fetched when first used.",
    "Auto-detect diameter": "Preview measures the cells in view and fills in their typical diameter.",
    "Manual": "Use the diameter below. The whole slide can be segmented once it is set.",
    "Diameter": "Expected cell diameter in micrometres, fractions allowed. The slide is scaled by it: it matters most.",
    "Preview": "Segment exactly what is in view, with the same result the whole slide will have there.",
    "Otsu threshold": "Segment only tissue, found by strict Otsu thresholding of the whole slide. "
    "Saves time; doesn't suit all slides (cytology, for one).",
    "Save flows": "Keep the flow field with the result (about 1 MB per megapixel), for gradXY.",
    "Segment": "Segment the whole slide in the background, beginning where you look. A stopped run resumes.",
    "Export": "Save the cells on screen as a .zip file; drop it on the window to see them again.",
    "Mask": "Fill cells in cyan.",
    "Outline": "Turn masks into outlines, to compare them with the cells under them.",
    "Centroid": "A green dot at the centre of each cell.",
    "gradXY": "The flow field that cells are formed from; colour is direction.",
    "Black BG": "Black instead of the slide behind masks.",
    "Alpha": "Opacity of the overlay: 0 shows only the slide, 1 only the overlay.",
    "Reset": "View controls back to their defaults.",
    "Window": "Side in pixels of what is segmented at a time: larger is a little faster and takes more memory. "
    "The cells found stay the same.",
    "Tile": "Cut each window into 256-pixel network tiles: less memory. Off: one network pass per window.",
    "Downscale": "Divides the resolution of the saved masks, for smaller files; 1 is full resolution.",
    "Workers": "Compute threads; 0 is one per core.",
    "Channel": "What the network sees. Automatic: haematoxylin for the built-in model, gray for Cellpose's.",
    "Cell probability": "Smallest cell probability (logit) of a cell pixel. Lower finds more and larger cells.",
    "Flow error": "Largest mean squared flow error of a cell. Lower drops ill-shaped cells; 0 keeps all.",
    "Min size": "Smallest cell, in pixels of the segmentation (a cell of the set diameter spans 30 or so across).",
    "Defaults": "All segmentation parameters back to their defaults.",
    "Load preset": "Take parameters from a preset file, or those that a result (.zip) was made with.",
    "Save preset": "Write these parameters to a file, for other slides and other machines.",
    "Copy command": "Put the command line that does the same for this slide on the clipboard.",
    "Copy Python": "Put the Python call that does the same for this slide on the clipboard.",
    "Cancel": "Stop. A whole-slide run can be resumed later by pressing Segment with the same settings.",
}


class CellSegPanel(Panel):
    """Draws the document's parameters and calls the session; keeps nothing."""

    def opened(self, ctx: Context) -> None:
        """Whoever opens this panel will want a preview soon."""
        ctx.actions.warm_up()

    def draw(self, ctx: Context) -> None:
        """Draw all sections."""
        ui = ctx.ui
        with ui.labels(NARROW), ui.section("Model & Cell Diameter") as is_open:
            if is_open:
                self._model(ctx)
                self._diameter(ctx)
                self._preview(ctx)
        with ui.section("Whole-slide segmentation") as is_open:
            if is_open:
                self._whole_slide(ctx)
        with ui.section("Result") as is_open:
            if is_open:
                self._result(ctx)
        with ui.labels(NARROW), ui.section("View controls") as is_open:
            if is_open:
                self._view(ctx)
        with ui.section("Advanced", default_open=False) as is_open:
            if is_open:
                self._advanced(ctx)

    def _model(self, ctx: Context) -> None:
        session, chosen = ctx.actions, ctx.document.params.model
        models = session.models()
        names = [info.name for info in models]
        titles = [model_title(info) for info in models]
        if chosen not in names:
            names.append(chosen)
            titles.append(chosen)
        index = ctx.ui.combo("Model", names.index(chosen), titles, tooltip=TIPS["Model"])
        if names[index] != chosen:
            session.set_params(model=names[index])
        for info in models:
            if info.name == names[index] and info.description:
                ctx.ui.text(info.description, dim=True)
        self._job_row(ctx, "Download", "Cancel download")

    def _diameter(self, ctx: Context) -> None:
        ui, document = ctx.ui, ctx.document
        if ui.radio("Auto-detect diameter", document.auto_diameter, tooltip=TIPS["Auto-detect diameter"]):
            document.auto_diameter = True
        ui.same_line(16)
        if ui.radio("Manual", not document.auto_diameter, tooltip=TIPS["Manual"]):
            document.auto_diameter = False
        # No limits here: the session refuses 0 or -1 in words, where clamping would quietly take another value.
        diam_um = ui.number(
            "Diameter",
            document.params.diam_um,
            step=0.5,
            unit="µm",
            enabled=not document.auto_diameter,
            tooltip=TIPS["Diameter"],
        )
        if diam_um != document.params.diam_um:
            ctx.actions.set_params(diam_um=diam_um)

    def _preview(self, ctx: Context) -> None:
        session = ctx.actions
        why = session.why_not_preview()
        if ctx.ui.button("Preview", enabled=why is None, width=-1.0, tooltip=why or TIPS["Preview"], primary=True):
            session.preview()
        self._job_row(ctx, "Preview", "Cancel preview" if session.segmenting else "Cancel")

    def _whole_slide(self, ctx: Context) -> None:
        ui, session, params = ctx.ui, ctx.actions, ctx.document.params
        free = not ctx.document.auto_diameter
        if not free:
            ui.text("Preview with Auto-detect finds the diameter; then choose Manual to segment the slide.", dim=True)
        with ui.grid(2):
            otsu = ui.checkbox("Otsu threshold", params.otsu, enabled=free, tooltip=TIPS["Otsu threshold"])
            save_flows = ui.checkbox("Save flows", params.save_flows, enabled=free, tooltip=TIPS["Save flows"])
        if (otsu, save_flows) != (params.otsu, params.save_flows):
            session.set_params(otsu=otsu, save_flows=save_flows)
        with ui.grid(2):
            why = session.why_not_segment()
            if ui.button("Segment", enabled=why is None, tooltip=why or TIPS["Segment"], primary=True):
                session.segment()
            why = session.why_not_export()
            if ui.button("Export", enabled=why is None, tooltip=why or TIPS["Export"]):
                session.ask_export_path()
        self._job_row(ctx, "Segment", "Cancel")
        self._job_row(ctx, "Export", None)

    def _result(self, ctx: Context) -> None:
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

    def _view(self, ctx: Context) -> None:
        ui, style = ctx.ui, ctx.document.style
        flows = ctx.document.overlay is not None and ctx.document.overlay.source.has_flows
        with ui.grid(2):
            style.mask = ui.checkbox("Mask", style.mask, tooltip=TIPS["Mask"])
            outline = ui.checkbox("Outline", style.outline, tooltip=TIPS["Outline"])
            if outline != style.outline:
                style.show_outline(outline)
            style.centroid = ui.checkbox("Centroid", style.centroid, tooltip=TIPS["Centroid"])
            tip = TIPS["gradXY"] if flows else "These cells have no flows. Preview, or tick Save flows before Segment."
            style.gradxy = ui.checkbox("gradXY", style.gradxy, enabled=flows, tooltip=tip)
            style.black_bg = ui.checkbox("Black BG", style.black_bg, tooltip=TIPS["Black BG"])
        style.alpha = ui.slider("Alpha", style.alpha, 0.0, 1.0, tooltip=TIPS["Alpha"])
        if ui.button("Reset", tooltip=TIPS["Reset"]):
            ctx.document.style = OverlayStyle()

    def _advanced(self, ctx: Context) -> None:
        ui, session, params = ctx.ui, ctx.actions, ctx.document.params
        titles = [CHANNEL_TITLES[name] for name in CHANNELS]
        channel = ui.combo("Channel", CHANNELS.index(params.channel), titles, tooltip=TIPS["Channel"])
        changes = {
            "channel": CHANNELS[channel],
            "cellprob_threshold": ui.number(
                "Cell probability", params.cellprob_threshold, step=0.5, tooltip=TIPS["Cell probability"]
            ),
            "flow_threshold": ui.number("Flow error", params.flow_threshold, step=0.1, tooltip=TIPS["Flow error"]),
            "min_size": ui.integer("Min size", params.min_size, step=5, tooltip=TIPS["Min size"]),
            "window": ui.integer("Window", params.window, step=256, tooltip=TIPS["Window"]),
            "tile": ui.checkbox("Tile", params.tile, tooltip=TIPS["Tile"]),
            "downscale": ui.number("Downscale", params.downscale, step=1.0, tooltip=TIPS["Downscale"]),
            "workers": ui.integer("Workers", params.workers, step=1, tooltip=TIPS["Workers"]),
        }
        changes = {name: value for name, value in changes.items() if value != getattr(params, name)}
        if changes:
            session.set_params(**changes)
        if ui.button("Defaults", width=-1.0, tooltip=TIPS["Defaults"]):
            session.reset_params()
        self._take_along(ctx)

    def _take_along(self, ctx: Context) -> None:
        """The parameters as a file, a command line or a Python call."""
        ui, session = ctx.ui, ctx.actions
        with ui.grid(2):
            if ui.button("Load preset", tooltip=TIPS["Load preset"]):
                session.ask_load_preset()
            if ui.button("Save preset", tooltip=TIPS["Save preset"]):
                session.ask_save_preset()
            for label, language in (("Copy command", "command"), ("Copy Python", "python")):
                if ui.button(label, tooltip=TIPS[label]) and (text := session.recipe(language)) is not None:
                    ui.copy(text)
                    ctx.notify("info", "Copied. Paste it where you want to run it.")

    def _job_row(self, ctx: Context, title: str, cancel_label: str | None) -> None:
        """Progress of the active job of a title, with a button to stop it."""
        job = next((job for job in ctx.actions.active_jobs if job.title == title), None)
        if job is None:
            return
        asked = job.cancel_asked
        tip = f"Stopping; takes {duration_text(10)} at most." if asked else TIPS["Cancel"]
        if ctx.ui.job_row(
            job.message or job.title,
            job_fraction(job),
            job_text(job),
            cancel=cancel_label or "",
            enabled=not asked,
            tooltip=tip,
        ):
            ctx.actions.cancel(job)
