"""Cells in what is on screen, or in a region: made in the background, shown as they come, tuned live."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from studio.cellseg.params import SegmentParams
from studio.cellseg.searched import Searched
from studio.core.geometry import clip_to_slide, largest_outside
from studio.core.jobs import Job, JobState
from studio.core.worker import Worker
from studio.document import Overlay
from studio.errors import ModelError
from studio.session.autopreview import AutoPreview
from studio.session.diameters import Diameters
from studio.session.models import ModelSession
from studio.session.streamed import PREVIEW, Streamed
from studio.session.sweep import Sweep
from studio.session.thresholds import LiveThresholds, Shown, Wish
from studio.settings import Settings

if TYPE_CHECKING:
    from studio.slide import WSI
    from studio.slide.roi import ROI

Rect = tuple[float, float, float, float]

TUNE = "studio.cellseg.tunetasks:view_task"

PREVIEW_MAX_MPX = 64.0
"""Largest preview in working megapixels: a minute or two of one core with the embedded model."""

AUTO_MAX_MPX = 12.0
"""Largest preview that is made without being asked for: some ten seconds."""

NO_CELLS = (
    "No cells found. Check that the diameter (µm) fits what you see, try another model, "
    "or lower the cell probability threshold."
)

_MOSTLY = 0.98
"""Share of the view that a preview covers when it is taken for one of the view."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A preview that was asked for."""

    slide: WSI
    params: SegmentParams
    rect: Rect
    roi: ROI | None
    auto_diameter: bool
    quiet: bool
    """Begun by the auto-preview: nothing is said of what it finds."""


class PreviewSession(ModelSession):
    """Segments the view or a region in the background; the latest request wins."""

    def __init__(
        self, settings: Settings | None = None, *, interactive: Worker | None = None, batch: Worker | None = None
    ) -> None:
        super().__init__(settings, interactive=interactive, batch=batch)
        self._preview_job: Job | None = None
        self._quiet_job: Job | None = None
        self._slide_jobs: list[Job] = []
        self._diam_means: dict[str, float] = {}
        self._streamed = Streamed(self.document)
        self.live = LiveThresholds(
            self.document, self._submit_live, self._interactive.cancel, lambda why: self.notify("error", why)
        )
        self.auto_preview = AutoPreview(self)
        self.diameters = Diameters(self)
        self.sweep = Sweep(self)

    @property
    def previewing(self) -> bool:
        """Whether a preview is under way."""
        return self._preview_job is not None and not self._preview_job.state.final

    @property
    def due_s(self) -> float:
        """Seconds until `update` should be called though nothing happens."""
        return min(self.live.due_s, self.auto_preview.due_s)

    def update(self) -> bool:
        """Once a frame: take in what the workers did. Whether anything to draw changed."""
        changed = super().update()
        job = self._preview_job
        if self._streamed.under_way and (job is None or job.state in (JobState.FAILED, JobState.CANCELLED)):
            self._streamed.give_up()
            changed = True
        self.auto_preview.follow()
        self.live.follow()
        return changed

    def set_params(self, **changes: Any) -> None:
        """Change segmentation parameters; a value that can't be used is refused in a toast."""
        before = self.document.params
        super().set_params(**changes)
        if self.document.params is not before:
            self.live.follow()

    def why_not_preview(self) -> str | None:
        """What stands in the way of a preview, in words; None when nothing does."""
        slide = self.document.slide
        if slide is None:
            return "Open a slide first."
        if slide.mpp is None:
            return "The slide doesn't say how large a pixel is: set µm per pixel in the Slide panel first."
        return None

    def why_not_preview_roi(self) -> str | None:
        """What stands in the way of a preview of a region, in words; None when nothing does."""
        if (why := self.why_not_preview()) is not None:
            return why
        if self.document.selected_roi is None:
            return "Draw a region on the slide (or select one under Annotations) first."
        return None

    def preview(self, *, quiet: bool = False) -> None:
        """Segment what is in view, in the background; a preview under way gives way to this one."""
        if (why := self.why_not_preview()) is not None:
            self._refuse(why)
            return
        slide = self._slide()
        rect = clip_to_slide(self.document.view.rect_slide, slide.size)
        if rect is None:
            self.notify("warning", "The slide is out of view. Move back to it (or press Fit), then preview.")
            return
        self._begin(_Request(slide, self.document.params, rect, None, self.document.auto_diameter, quiet))

    def preview_roi(self) -> None:
        """Segment the selected region in the background; a preview under way gives way to this one."""
        if (why := self.why_not_preview_roi()) is not None:
            self._refuse(why)
            return
        slide, roi = self._slide(), self.document.rois[self.document.selected_roi or 0]
        rect = clip_to_slide(roi.bbox, slide.size)
        if rect is None:
            self.notify("warning", f"{roi.name} lies beyond the slide.")
            return
        self._begin(_Request(slide, self.document.params, rect, roi, self.document.auto_diameter, False))

    @property
    def preview_elsewhere(self) -> bool:
        """Whether the cells on screen are a preview, but not of what is in view now."""
        shown, slide = self.live.shown, self.document.slide
        if shown is None or slide is None or shown.roi is not None:
            return False
        return not _covers(shown.rect_slide, clip_to_slide(self.document.view.rect_slide, slide.size))

    @property
    def preview_offer(self) -> Rect | None:
        """The part of the view, in slide pixels, that a preview is offered for as the one on screen doesn't reach it.

        None while one is under way or follows the view by itself, and where the view is too large for any.
        """
        shown, slide = self.live.shown, self.document.slide
        if shown is None or slide is None or not self.preview_elsewhere or self.previewing or self.auto_preview.on:
            return None
        view = clip_to_slide(self.document.view.rect_slide, slide.size)
        return None if view is None or self._view_mpx > PREVIEW_MAX_MPX else largest_outside(view, shown.rect_slide)

    @property
    def preview_outdated(self) -> bool:
        """Whether the cells on screen are a preview with other parameters than the panel's."""
        return self.live.shown is not None and not self.live.fits(self.document.params)

    def auto_key(self) -> Hashable | None:
        """What a preview would be of, for the auto-preview; None where it should leave things alone."""
        document, slide = self.document, self.document.slide
        overlay = document.overlay
        if slide is None or slide.mpp is None or (overlay is not None and overlay.origin != PREVIEW):
            return None
        if (shown := self.live.shown) is not None and shown.roi is not None:
            return None
        rect = clip_to_slide(document.view.rect_slide, slide.size)
        if rect is None or self.auto_too_large:
            return None
        # A diameter that is looked for in each view is an outcome, not a wish.
        found = {"diam_um": 10.0} if document.auto_diameter else {}
        wish = document.params.changed(**found, cellprob_threshold=0.0, flow_threshold=0.4, min_size=15, niter=200)
        return document.slide_version, rect, wish, document.auto_diameter

    @property
    def auto_too_large(self) -> bool:
        """Whether the view is too large for a preview that nobody asked for, or its model unknown."""
        return self._view_mpx > AUTO_MAX_MPX

    @property
    def _view_mpx(self) -> float:
        """Working megapixels of the view: none off the slide, infinitely many where the model isn't known."""
        slide = self.document.slide
        rect = None if slide is None else clip_to_slide(self.document.view.rect_slide, slide.size)
        if slide is None or slide.mpp is None or rect is None:
            return 0.0
        try:
            return self._size_mpx(slide, self.document.params, rect)
        except ModelError:
            return math.inf

    def auto_done(self) -> bool:
        """Whether the preview on screen is of what is in view, with the panel's parameters."""
        return self.live.ready and not self.preview_elsewhere

    def preview_quietly(self) -> None:
        """Make a preview for the auto-preview."""
        # Weights are fetched for those who ask for a preview.
        if self.model_info(self.document.params.model).installed:
            self.preview(quiet=True)

    def stop_quietly(self) -> None:
        """Stop a preview that the auto-preview began."""
        if self._quiet_job is not None:
            self.cancel(self._quiet_job)

    def start_on_slide(
        self,
        target: str,
        title: str,
        apply: Callable[[Job], None],
        on_event: Callable[[str, dict[str, Any]], None] | None = None,
        **kwargs: Any,
    ) -> None:
        """Run a task on the open slide, with the panel's parameters unless `kwargs` has its own.

        One of a title takes the place of the one before. What it finds is dropped where another slide is open by then.
        """
        slide, params, version = self._slide(), self.document.params, self.document.slide_version
        common: dict[str, Any] = {"slide_path": str(slide.path), "mpp": slide.require_mpp()}
        if "variants" not in kwargs:
            common["params"] = params.to_dict()

        def begin(_info: object) -> None:
            for old in [job for job in self.jobs if job.title == title and not job.state.final]:
                self.cancel(old)
            self.live.stop()
            job = self._interactive.submit(target, common | kwargs, title=title, stamp=version)
            job.message = self._until_ready(title)
            self._slide_jobs = [old for old in self._slide_jobs if not old.state.final] + [job]
            self._watch(
                job,
                lambda done: apply(done) if self.document.slide_version == version else None,
                on_event=on_event,
            )

        self._with_model(params.model, begin)

    def _begin(self, request: _Request) -> None:
        if self._preview_job is not None:
            self.cancel(self._preview_job)
        self.live.stop()
        self._with_model(request.params.model, lambda _info: self._start_preview(request))

    def _leave_slide(self) -> None:
        super()._leave_slide()
        if self._preview_job is not None:
            self.cancel(self._preview_job)
        for job in self._slide_jobs:
            self.cancel(job)
        self._streamed.forget()
        self.live.forget()

    def _size_mpx(self, slide: WSI, params: SegmentParams, rect: Rect) -> float:
        """Working megapixels of a rectangle of the slide."""
        diam_mean = self._diam_means.get(params.model)
        if diam_mean is None:
            diam_mean = self._diam_means[params.model] = self.model_info(params.model).diam_mean
        return rect[2] * rect[3] * (slide.require_mpp() * diam_mean / params.diam_um) ** 2 / 1e6

    def _start_preview(self, request: _Request) -> None:
        params, roi = request.params, request.roi
        size_mpx = self._size_mpx(request.slide, params, request.rect)
        if size_mpx > PREVIEW_MAX_MPX:
            self.notify(
                "warning",
                f"{'This view' if roi is None else roi.name} is too large for a preview at {params.diam_um:g} µm "
                f"({size_mpx:,.0f} Mpx, at most {PREVIEW_MAX_MPX:g}). Zoom in, or press Segment for the whole slide.",
            )
            return
        kwargs = self._task(request.slide, params, request.rect, roi) | {"auto_diameter": request.auto_diameter}
        job = self._interactive.submit(TUNE, kwargs, title="Preview", stamp=self.document.slide_version)
        job.message = self._until_ready(f"Segmenting {'current view' if roi is None else roi.name}")

        def on_event(_kind: str, payload: dict[str, Any]) -> None:
            if job is self._preview_job and job.stamp == self.document.slide_version:
                self._streamed.add(job.id, payload, params)

        # One that nobody asked for isn't listed among the jobs either.
        self._preview_job = self._watch(
            job, lambda done: self._apply_preview(done, request), on_event=on_event, visible=not request.quiet
        )
        self._quiet_job = job if request.quiet else None

    @staticmethod
    def _task(slide: WSI, params: SegmentParams, rect: Rect, roi: ROI | None) -> dict[str, Any]:
        return {
            "slide_path": str(slide.path),
            "mpp": slide.require_mpp(),
            "params": params.to_dict(),
            "rect_slide": rect,
            "rois": None if roi is None else [roi],
        }

    def _apply_preview(self, job: Job, request: _Request) -> None:
        if job.stamp != self.document.slide_version:
            return
        result = cast("dict[str, Any]", job.result)
        used = SegmentParams.from_dict(result["params"])
        overlay = self._streamed.finish(result, used)
        if overlay is None:
            self.notify("info", "The preview has ended; the cells put on the slide meanwhile stay.")
            return
        overlay.searched = None if request.roi is None else Searched.within([request.roi], request.rect)
        self.live.times.tiles += int(result["tiles"])
        self.live.times.network_ms = 1000 * float(result["network_s"])
        if result["diameter"] is not None:
            self.diameters.note(result["diameter"], "in view" if request.roi is None else f"in {request.roi.name}")
        self.live.made(Shown(overlay, request.rect, request.roi, job.stamp))
        self._say_what_was_found(overlay, request, used)

    def _say_what_was_found(self, overlay: Overlay, request: _Request, used: SegmentParams) -> None:
        params, cells = self.document.params, overlay.source.cells
        # Whoever typed a diameter or went back to Manual meanwhile knows better.
        if request.auto_diameter and self.document.auto_diameter and params.diam_um == request.params.diam_um:
            self.document.params = params.changed(diam_um=used.diam_um)
            if cells and not request.quiet:
                evidence = self.diameters.evidence
                measured = cells if evidence is None else evidence.cells
                if evidence is not None and evidence.why_default:
                    self.notify("warning", f"Kept the diameter of {used.diam_um:g} µm: {evidence.why_default}.")
                else:
                    self.notify("success", f"Detected a cell diameter of {used.diam_um:.2f} µm in {measured:,} cells.")
        if not cells and not request.quiet:
            self.notify("warning", NO_CELLS)

    def _submit_live(
        self,
        shown: Shown,
        wish: Wish,
        apply: Callable[[Job], None],
        failed: Callable[[Job], None],
    ) -> Job:
        """Have the preview on screen made again with other thresholds."""
        kwargs = self._task(self._slide(), wish.params, shown.rect_slide, shown.roi)
        kwargs |= {"stream": False, "flows": wish.flows, "ahead": wish.ahead}
        job = self._interactive.submit(TUNE, kwargs, title="Thresholds", stamp=self.document.slide_version)
        return self._watch(job, apply, failed=failed, visible=False)


def _covers(rect: Rect, view: Rect | None) -> bool:
    """Whether a rectangle covers the view, but for a sliver."""
    if view is None:
        return True
    across = min(rect[0] + rect[2], view[0] + view[2]) - max(rect[0], view[0])
    down = min(rect[1] + rect[3], view[1] + view[3]) - max(rect[1], view[1])
    return max(0.0, across) * max(0.0, down) >= _MOSTLY * view[2] * view[3]
