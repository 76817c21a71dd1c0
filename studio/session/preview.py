"""Cells in what is on screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from studio.cellseg.params import SegmentParams
from studio.cellseg.source import MaskGeometry
from studio.core.jobs import Job
from studio.document import Overlay
from studio.session.models import TASKS, ModelSession

if TYPE_CHECKING:
    from studio.cellseg.models import ModelInfo
    from studio.slide import WSI

Rect = tuple[float, float, float, float]

PREVIEW_MAX_MPX = 64.0
"""Largest preview in working megapixels: a minute or two of one core with the embedded model."""

NO_CELLS = (
    "No cells found. Check that the diameter (µm) fits what you see, try another model, "
    "or lower the cell probability threshold under Advanced."
)


class PreviewSession(ModelSession):
    """Segments the view in the background; the latest request wins."""

    _preview_job: Job | None = None

    @property
    def previewing(self) -> bool:
        """Whether a preview is under way."""
        return self._preview_job is not None and not self._preview_job.state.final

    def why_not_preview(self) -> str | None:
        """What stands in the way of a preview, in words; None when nothing does."""
        slide = self.document.slide
        if slide is None:
            return "Open a slide first."
        if slide.mpp is None:
            return "The slide doesn't say how large a pixel is: set µm per pixel in the Slide panel first."
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

    def _leave_slide(self) -> None:
        if self._preview_job is not None:
            self.cancel(self._preview_job)

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


def clip_to_slide(rect: Rect, size: tuple[int, int]) -> Rect | None:
    """The part of a rectangle (x, y, width, height in slide pixels) that lies on the slide, or None."""
    left, top = max(0.0, rect[0]), max(0.0, rect[1])
    right, bottom = min(float(size[0]), rect[0] + rect[2]), min(float(size[1]), rect[1] + rect[3])
    if right - left < 1 or bottom - top < 1:
        return None
    return left, top, right - left, bottom - top
