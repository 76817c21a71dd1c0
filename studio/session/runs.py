"""The run over the whole slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from studio.cellseg.params import SegmentParams
from studio.core.jobs import Job
from studio.core.worker import Worker
from studio.session import files
from studio.session.live import LiveCells
from studio.session.models import TASKS
from studio.session.preview import NO_CELLS, PreviewSession
from studio.session.terminal import TerminalBar
from studio.settings import Settings

if TYPE_CHECKING:
    from studio.slide import WSI

RESUMABLE = "What was done so far is kept: press Segment with the same settings to go on from there."


class RunSession(PreviewSession):
    """Segments whole slides in the batch worker; a stopped run resumes."""

    def __init__(
        self, settings: Settings | None = None, *, interactive: Worker | None = None, batch: Worker | None = None
    ) -> None:
        super().__init__(settings, interactive=interactive, batch=batch)
        self._segment_job: Job | None = None
        self._terminal = TerminalBar()

    def update(self) -> bool:
        """Once a frame: take in what the workers did. Whether anything to draw changed."""
        changed = super().update()
        self._terminal.show(self._segment_job)
        return changed

    @property
    def segmenting(self) -> bool:
        """Whether a whole-slide run is under way."""
        return self._segment_job is not None and not self._segment_job.state.final

    def why_not_segment(self) -> str | None:
        """What stands in the way of a whole-slide run, in words; None when nothing does."""
        if (why := self.why_not_preview()) is not None:
            return why
        if self.document.auto_diameter:
            return "Set the diameter first: a preview with Auto-detect finds it, then choose Manual."
        if self.segmenting:
            return "A whole-slide segmentation is running; wait for it or cancel it."
        return None

    def segment(self) -> None:
        """Segment the whole slide in the background, beginning where the view is."""
        if (why := self.why_not_segment()) is not None:
            self._refuse(why)
            return
        slide, params = self._slide(), self.document.params
        self._with_model(params.model, lambda _info: self._start_segment(slide, params))

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
            on_event=LiveCells(self.document, params),
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
