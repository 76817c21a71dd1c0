"""Cell segmentation as a person drives it: preview, diameter, whole slide, export, models."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from studio.cellseg.params import SegmentParams
from studio.cellseg.source import MaskGeometry
from studio.core.jobs import Job
from studio.core.worker import Worker
from studio.document import Overlay
from studio.errors import ModelError, StudioError
from studio.resources import resource
from studio.session import files
from studio.session.parameters import ParameterSession
from studio.session.state import PathDialog
from studio.session.terminal import TerminalBar
from studio.settings import Settings

if TYPE_CHECKING:
    from studio.cellseg.models import ModelInfo
    from studio.slide import WSI

log = logging.getLogger(__name__)

Rect = tuple[float, float, float, float]

TASKS = "studio.cellseg.tasks"
SAMPLE = ("assets", "samples", "CMU-1-Small-Region.svs")

PREVIEW_MAX_MPX = 64.0
"""Largest preview in working megapixels: a minute or two of one core with the embedded model."""

NO_CELLS = (
    "No cells found. Check that the diameter (µm) fits what you see, try another model, "
    "or lower the cell probability threshold under Advanced."
)

RESUMABLE = "What was done so far is kept: press Segment with the same settings to go on from there."


class Session(ParameterSession):
    """Everything the window can do. Panels call it as `ctx.actions`; main thread only."""

    def __init__(
        self, settings: Settings | None = None, *, interactive: Worker | None = None, batch: Worker | None = None
    ) -> None:
        super().__init__(settings, interactive=interactive, batch=batch)
        self._preview_job: Job | None = None
        self._segment_job: Job | None = None
        self._export_job: Job | None = None
        self._downloads: dict[str, Job] = {}
        self._terminal = TerminalBar()
        self._warm = False

    def update(self) -> bool:
        """Once a frame: take in what the workers did. Whether anything to draw changed."""
        changed = super().update()
        self._terminal.show(self._segment_job)
        return changed

    def sample_slide(self) -> Path:
        """The H&E slide that travels with the program."""
        return resource(*SAMPLE)

    @property
    def previewing(self) -> bool:
        """Whether a preview is under way."""
        return self._preview_job is not None and not self._preview_job.state.final

    @property
    def segmenting(self) -> bool:
        """Whether a whole-slide run is under way."""
        return self._segment_job is not None and not self._segment_job.state.final

    def warm_up(self) -> None:
        """Let the interactive worker load the engine now; the first preview then starts seconds sooner."""
        if not self._warm:
            self._warm = True
            kwargs = {"model": self.document.params.model}
            self._interactive.submit("studio.session.warm:warm_up", kwargs, title="Warm up")

    def why_not_preview(self) -> str | None:
        """What stands in the way of a preview, in words; None when nothing does."""
        slide = self.document.slide
        if slide is None:
            return "Open a slide first."
        if slide.mpp is None:
            return "The slide doesn't say how large a pixel is: set µm per pixel in the Slide panel first."
        return None

    def why_not_segment(self) -> str | None:
        """What stands in the way of a whole-slide run, in words; None when nothing does."""
        if (why := self.why_not_preview()) is not None:
            return why
        if self.document.auto_diameter:
            return "Set the diameter first: a preview with Auto-detect finds it, then choose Manual."
        if self.segmenting:
            return "A whole-slide segmentation is running; wait for it or cancel it."
        return None

    def why_not_export(self) -> str | None:
        """What stands in the way of an export, in words; None when nothing does."""
        if self.document.overlay is None:
            return "There are no cells to export yet: make a preview or segment the slide."
        if self._export_job is not None and not self._export_job.state.final:
            return "An export is under way."
        return None

    def preview(self) -> None:
        """Segment what is in view, in the background; a preview under way gives way to this one."""
        if (why := self.why_not_preview()) is not None:
            self._refuse(why)
            return
        slide = self._slide()
        rect = clip_to_slide(self.document.view.rect_slide, slide.size)
        if rect is None:
            self.notify("warning", "The slide is out of view. Move back to it (or press Fit), then preview.")
            return
        if self._preview_job is not None:
            self.cancel(self._preview_job)
        auto, params = self.document.auto_diameter, self.document.params
        self._with_model(params.model, lambda info: self._start_preview(slide, info, params, rect, auto))

    def segment(self) -> None:
        """Segment the whole slide in the background, beginning where the view is."""
        if (why := self.why_not_segment()) is not None:
            self._refuse(why)
            return
        slide, params = self._slide(), self.document.params
        self._with_model(params.model, lambda _info: self._start_segment(slide, params))

    def export(self, path: str | Path) -> None:
        """Write the cells on screen to a result file, in the background and atomically."""
        overlay, slide = self.document.overlay, self.document.slide
        if (why := self.why_not_export()) is not None or overlay is None or slide is None:
            self.notify("warning", why or "Open a slide first.")
            return
        target = Path(path).expanduser().absolute()
        if target.suffix.lower() != ".zip":
            target = target.with_name(target.name + ".zip")

        def work(_progress: object) -> None:
            from studio.cellseg.zipwrite import copy_file

            if overlay.path is not None:
                copy_file(overlay.path, target)
            else:
                files.save_source(overlay.source, target, slide=slide, params=overlay.params)

        def apply(_job: Job) -> None:
            self.settings.last_folder = str(target.parent)
            self.settings.changed()
            self.notify("success", f"Exported {overlay.source.cells:,} cells to {target}.")

        self._export_job = self._run_on_thread("Export", work, apply, visible=True)

    def ask_export_path(self) -> None:
        """Let the window ask where to export to, then export."""
        if (why := self.why_not_export()) is not None:
            self.notify("warning", why)
            return
        folder = self.settings.last_folder
        self.pending_dialog = PathDialog(
            kind="save",
            title="Export cells",
            suggested=Path(folder, self.suggested_export()) if folder else Path(self.suggested_export()),
            suffixes=(".zip",),
            on_path=self.export,
        )

    def suggested_export(self) -> str:
        """File name to offer for an export."""
        slide = self.document.slide
        return f"{slide.name if slide else 'cells'}-masks.zip"

    def clear_overlay(self) -> None:
        """Take the cells off the slide; files stay."""
        self.document.set_overlay(None)

    def _leave_slide(self) -> None:
        if self._preview_job is not None:
            self.cancel(self._preview_job)

    def _slide(self) -> WSI:
        if self.document.slide is None:
            raise StudioError("Open a slide first.")
        return self.document.slide

    def _refuse(self, why: str) -> None:
        self.notify("warning", why)
        slide = self.document.slide
        if slide is not None and slide.mpp is None:
            self.ask_mpp()

    def _with_model(self, name: str, then: Callable[[ModelInfo], None]) -> None:
        """Call `then` with the model once its weights are on this machine, downloading them if need be."""
        try:
            info = self.model_info(name)
        except ModelError as error:
            self.notify("error", str(error))
            return
        if info.installed:
            then(info)
            return
        running = self._downloads.get(info.name)
        if running is not None and not running.state.final:
            self.notify("info", f"{info.title} is being downloaded; try again when it is there.")
            return
        version = self.document.slide_version

        def work(progress: Any) -> None:
            from studio.cellseg.models import ensure_weights

            ensure_weights(info, progress)

        def apply(_job: Job) -> None:
            self.refresh_models()
            self.notify("success", f"Downloaded {info.title}.")
            if self.document.slide_version == version and self.document.params.model == name:
                then(self.model_info(name))

        job = self._run_on_thread("Download", work, apply, visible=True)
        job.message = f"Downloading {info.title}"
        self._downloads[info.name] = job

    def _start_preview(self, slide: WSI, info: ModelInfo, params: SegmentParams, rect: Rect, auto: bool) -> None:
        mpp = slide.require_mpp()
        size_mpx = rect[2] * rect[3] * (mpp * info.diam_mean / params.diam_um) ** 2 / 1e6
        if size_mpx > PREVIEW_MAX_MPX:
            self.notify(
                "warning",
                f"This view is too large for a preview at {params.diam_um:g} µm ({size_mpx:,.0f} Mpx, at most "
                f"{PREVIEW_MAX_MPX:g}). Zoom in, or press Segment for the whole slide.",
            )
            return
        kwargs = {
            "slide_path": str(slide.path),
            "mpp": mpp,
            "params": params.to_dict(),
            "rect_slide": rect,
            "auto_diameter": auto,
        }
        job = self._interactive.submit(
            f"{TASKS}:preview_task", kwargs, title="Preview", stamp=self.document.slide_version
        )
        job.message = "Segmenting current view"
        self._preview_job = self._watch(job, lambda done: self._apply_preview(done, params, auto))

    def _apply_preview(self, job: Job, asked: SegmentParams, auto: bool) -> None:
        if job.stamp != self.document.slide_version:
            return
        from studio.cellseg.memory import ArraySource

        result = cast("dict[str, Any]", job.result)
        geometry = MaskGeometry(**result["geometry"])
        source = ArraySource(result["labels"], geometry, flows=result.get("flows"), centroids=result.get("centroids"))
        used = SegmentParams.from_dict(result["params"])
        self.document.set_overlay(Overlay(source, "preview", used))
        # Whoever typed a diameter or went back to Manual meanwhile knows better.
        if auto and self.document.auto_diameter and self.document.params.diam_um == asked.diam_um:
            self.document.params = self.document.params.changed(diam_um=used.diam_um)
            if source.cells:
                self.notify("success", f"Detected a cell diameter of {used.diam_um:.2f} µm in {source.cells:,} cells.")
        if not source.cells:
            self.notify("warning", NO_CELLS)

    def _start_segment(self, slide: WSI, params: SegmentParams) -> None:
        out = files.run_path(slide, params)
        out.parent.mkdir(parents=True, exist_ok=True)
        view = self.document.view
        kwargs = {
            "slide_path": str(slide.path),
            "mpp": slide.require_mpp(),
            "params": params.to_dict(),
            "out": str(out),
            "focus": (view.center_x, view.center_y),
        }
        job = self._batch.submit(f"{TASKS}:segment_task", kwargs, title="Segment", stamp=self.document.slide_version)
        job.message = f"Segmenting {slide.name}"
        name, fingerprint = slide.name, slide.fingerprint
        self._segment_job = self._watch(
            job,
            lambda done: self._apply_segment(done, name, fingerprint),
            failed=lambda done: self.notify("error", f"{done.error} {RESUMABLE}"),
            cancelled=f"Segmentation stopped. {RESUMABLE}",
        )

    def _apply_segment(self, job: Job, name: str, fingerprint: str) -> None:
        result = cast("dict[str, Any]", job.result)
        out, cells = Path(result["out"]), int(result["cells"])
        slide = self.document.slide
        if slide is None or slide.fingerprint != fingerprint:
            self.notify(
                "success",
                f"Segmentation complete: {cells:,} cells on {name}, which is no longer open. They are in {out}.",
            )
            return
        version = self.document.slide_version

        def work(_progress: object) -> files.LoadedResult:
            files.prune_runs()
            return files.load_result_file(out, None)

        def apply(loading: Job) -> None:
            loaded = cast(files.LoadedResult, loading.result)
            if self.document.slide_version != version:
                loaded.segmentation.close()
                self.notify("success", f"Segmentation complete: {cells:,} cells on {name}. They are in {out}.")
                return
            self._show_result(loaded.segmentation, out, origin="run")
            self.notify("success", f"Segmentation complete: {cells:,} cells")
            if not cells:
                self.notify("warning", NO_CELLS)

        self._run_on_thread("Load", work, apply)


def clip_to_slide(rect: Rect, size: tuple[int, int]) -> Rect | None:
    """The part of a rectangle (x, y, width, height in slide pixels) that lies on the slide, or None."""
    left, top = max(0.0, rect[0]), max(0.0, rect[1])
    right, bottom = min(float(size[0]), rect[0] + rect[2]), min(float(size[1]), rect[1] + rect[3])
    if right - left < 1 or bottom - top < 1:
        return None
    return left, top, right - left, bottom - top
