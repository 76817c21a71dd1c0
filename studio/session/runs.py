"""The run over the whole slide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from studio.cellseg.params import SegmentParams
from studio.core.jobs import Job, JobState
from studio.core.worker import Worker
from studio.session import files, unfinished
from studio.session.base import Apply, OnEvent
from studio.session.batch import Batch
from studio.session.estimating import Estimating
from studio.session.leftovers import Leftovers
from studio.session.live import LIVE, LiveCells
from studio.session.models import TASKS
from studio.session.preview import NO_CELLS, PreviewSession
from studio.session.reflowing import Reflowing
from studio.session.runcounts import RunCounts
from studio.session.terminal import TerminalBar
from studio.session.text import job_text
from studio.session.unfinished import Leftover, Run
from studio.settings import Settings

if TYPE_CHECKING:
    from studio.slide import WSI

RESUMABLE = "What was done so far is kept: press Resume to go on from there."

CRASHES_MAX = 3
"""So many crashes of the worker without a block done in between end a run."""


class RunSession(PreviewSession):
    """Segments whole slides in the batch worker; a run that stopped, whyever, goes on where it was."""

    def __init__(
        self, settings: Settings | None = None, *, interactive: Worker | None = None, batch: Worker | None = None
    ) -> None:
        super().__init__(settings, interactive=interactive, batch=batch)
        self.rois_only = False
        """Whether runs are restricted to the regions of the slide."""
        self.unfinished: Run | None = None
        """A run of the open slide that was begun, isn't under way, and can go on."""
        self.run_counts: RunCounts | None = None
        """What the run under way has found so far."""
        self.attention: str | None = None
        """News for somebody who looks elsewhere; `take_attention` takes it."""
        self._run: Run | None = None
        self._live_out: Path | None = None
        """The run whose blocks were put on a slide last."""
        self._segment_job: Job | None = None
        self._pausing = False
        self._crashes = 0
        self._crashed_at = -1
        self._terminal = TerminalBar()
        self.estimating = Estimating(self, self._with_model, self._submit_estimate)
        self.reflowing = Reflowing(self, self._submit_reflow, self._show_finished)
        self.leftovers = Leftovers(self, self._run_on_thread, self._ask)
        self.batch = Batch(self, self._with_model, self._submit_of_batch, self._run_on_thread)

    def update(self) -> bool:
        """Once a frame: take in what the workers did. Whether anything to draw changed."""
        changed = super().update()
        job = self._segment_job
        if self._run is not None and job is not None and job.state is JobState.CANCELLED:
            self._stopped()
        self.batch.update()
        self._terminal.show(job if self.segmenting or self.batch.job is None else self.batch.job, self.run_counts)
        return changed

    @property
    def segmenting(self) -> bool:
        """Whether a whole-slide run is under way."""
        return self._segment_job is not None and not self._segment_job.state.final

    @property
    def pausing(self) -> bool:
        """Whether the run under way was asked to pause and is about to."""
        return self._pausing and self.segmenting

    @property
    def progress_text(self) -> str | None:
        """How far the run under way is, in a word or two for a title; None without one."""
        job = self._segment_job if self.segmenting else self.batch.job
        return None if job is None or job.state.final else job_text(job)

    def take_attention(self) -> str | None:
        """News for somebody who looks elsewhere, once."""
        news, self.attention = self.attention, None
        return news

    def why_not_segment(self) -> str | None:
        """What stands in the way of a whole-slide run, in words; None when nothing does."""
        if (why := self.why_not_preview()) is not None:
            return why
        if self.document.auto_diameter:
            return "Set the diameter first: a preview with Auto-detect finds it, then choose Manual."
        if self.segmenting:
            return "A whole-slide segmentation is running; wait for it, pause it or cancel it."
        if self.rois_only and not self.document.rois:
            return "There are no regions: draw or load some in the Annotations panel, or untick Regions only."
        return None

    def requested_run(self) -> Run:
        """The run that the panel asks for now. Raises StudioError without a slide of known scale."""
        slide, params, view = self._slide(), self.document.params, self.document.view
        rois = tuple(self.document.rois) if self.rois_only else None
        return Run(
            out=files.run_path(slide, params, rois),
            slide_path=slide.path,
            slide_name=slide.name,
            fingerprint=slide.fingerprint,
            mpp=slide.require_mpp(),
            params=params.to_dict(),
            rois=rois,
            focus=(view.center_x, view.center_y),
        )

    def segment(self) -> None:
        """Segment the whole slide in the background, beginning where the view is."""
        if (why := self.why_not_segment()) is not None:
            self._refuse(why)
            return
        run = self.requested_run()
        self._with_model(self.document.params.model, lambda _info: self._begin_run(run))

    def pause(self) -> None:
        """Hold the run under way; what it has done stays, and `resume` goes on, now or another day."""
        if self.segmenting:
            self._pausing = True
            self.cancel(self._segment_job)

    def resume(self) -> None:
        """Go on with the unfinished run of this slide, with the parameters it was begun with."""
        run = self.unfinished
        if run is None or self.segmenting:
            self.notify("warning", "There is no unfinished run of this slide to go on with.")
            return
        self._with_model(str(run.params.get("model")), lambda _info: self._begin_run(run))

    def discard_unfinished(self) -> None:
        """Forget the unfinished run, and delete what it has done."""
        if self.unfinished is not None:
            self.leftovers.delete(self.unfinished.out)

    @property
    def running_out(self) -> Path | None:
        """Where the run under way writes its result; None without one."""
        return self._run.out if self._run is not None and self.segmenting else None

    def is_open(self, run: Run) -> bool:
        """Whether the slide on screen is a run's."""
        slide = self.document.slide
        return slide is not None and slide.fingerprint == run.fingerprint

    def forget_run(self, out: Path) -> None:
        """The blocks of an unfinished run are about to go: nothing on screen may go on reading them."""
        if self.unfinished is not None and self.unfinished.out == out:
            self.unfinished = None
        overlay = self.document.overlay
        if overlay is not None and overlay.origin == LIVE and self._live_out == out:
            self.document.set_overlay(None)

    def _leave_slide(self) -> None:
        super()._leave_slide()
        self.estimating.stop()

    def _show_slide(self, slide: WSI) -> None:
        super()._show_slide(slide)
        self.unfinished, self.rois_only = None, False
        self._look_for_unfinished(offer=True)

    def _look_for_unfinished(self, *, offer: bool) -> None:
        """See on the disk whether a run of the open slide can go on; `offer`: and say so."""
        slide = self.document.slide
        if slide is None:
            return
        version, fingerprint = self.document.slide_version, slide.fingerprint

        def apply(job: Job) -> None:
            self.leftovers.take(cast("list[Leftover]", job.result))
            if self.document.slide_version != version:
                return
            found = self.leftovers.of(fingerprint)
            self.unfinished = found[0] if found else None
            if found and offer:
                done = f"{found[0].share:.0%} of it is done" if found[0].blocks else "part of it is done"
                self.notify("info", f"A run over this slide was not finished; {done}. Press Resume to go on with it.")

        self._run_on_thread("Look", lambda _progress: unfinished.leftovers(), apply)

    def _begin_run(self, run: Run) -> None:
        if self.segmenting:
            return
        unfinished.note(run)
        if self.unfinished is not None and self.unfinished.out == run.out:
            self.unfinished = None
        self._crashes, self._crashed_at = 0, -1
        self._submit_run(run)

    def _submit_estimate(self, target: str, kwargs: dict[str, Any], on_event: OnEvent) -> Job:
        job = self._batch.submit(target, kwargs, title="Estimate", stamp=self.document.slide_version)
        return self._watch(job, lambda _job: None, on_event=on_event)

    def _submit_reflow(self, target: str, kwargs: dict[str, Any], title: str, apply: Apply) -> Job:
        job = self._batch.submit(target, kwargs, title=title, stamp=self.document.slide_version)
        return self._watch(job, apply, cancelled="Stopped; the cells stay as they were.")

    def _submit_of_batch(self, target: str, kwargs: dict[str, Any], title: str, apply: Apply, failed: Apply) -> Job:
        self.estimating.stop()
        job = self._batch.submit(target, kwargs, title=title, stamp=self.document.slide_version)
        stopped = "Batch stopped. Start it again, with the same folder, to go on."
        return self._watch(job, apply, failed=failed, cancelled=stopped)

    def _submit_run(self, run: Run) -> None:
        self.estimating.stop()
        job = self._batch.submit(
            f"{TASKS}:segment_task", run.arguments(), title="Segment", stamp=self.document.slide_version
        )
        job.message = f"Segmenting {run.slide_name}"
        self._run, self._pausing, self.run_counts = run, False, RunCounts()
        self._live_out = run.out
        live = LiveCells(self.document, SegmentParams.from_dict(run.params), run.fingerprint)

        def on_event(kind: str, payload: dict[str, Any]) -> None:
            if self.run_counts is not None:
                self.run_counts.take(kind, payload)
            live(kind, payload)
            if kind == "block" and self._run is not None and job.total != self._run.blocks:
                self._run = replace(self._run, blocks=job.total)
                unfinished.note(self._run)

        self._segment_job = self._watch(job, self._apply_segment, failed=self._failed, on_event=on_event)

    def _stopped(self) -> None:
        """The run was cancelled or paused."""
        paused, self._pausing = self._pausing, False
        self._run = self.run_counts = None
        self.notify("info", f"Segmentation {'paused' if paused else 'stopped'}. {RESUMABLE}")
        self._look_for_unfinished(offer=False)

    def _failed(self, job: Job) -> None:
        run = self._run
        if run is not None and job.crashed:
            self._crashes = 1 if job.done > self._crashed_at else self._crashes + 1
            self._crashed_at = job.done
            if self._crashes < CRASHES_MAX:
                self.notify("warning", f"{job.error} It was started again and goes on where it was.")
                self._submit_run(run)
                return
        self._run = self.run_counts = None
        self.notify("error", f"{job.error} {RESUMABLE}")
        self.attention = f"Segmentation failed: {job.error}"
        self._look_for_unfinished(offer=False)

    def _apply_segment(self, job: Job) -> None:
        result = cast("dict[str, Any]", job.result)
        out, cells = Path(result["out"]), int(result["cells"])
        run, self._run, self.run_counts = self._run, None, None
        assert run is not None
        unfinished.forget(run.out)
        self.attention = f"Segmentation of {run.slide_name} complete: {cells:,} cells"
        if self.is_open(run):
            self._show_finished(out, cells, run.fingerprint)
        else:
            self._say_elsewhere(out, cells, run.slide_name)

    def _say_elsewhere(self, out: Path, cells: int, name: str) -> None:
        self.notify(
            "success",
            f"Segmentation complete: {cells:,} cells on {name}, which is no longer open. They are in {out}.",
        )

    def _show_finished(self, out: Path, cells: int, fingerprint: str) -> None:
        """Put a finished result on its slide, if that is (still) open."""

        def work(_progress: object) -> files.LoadedResult:
            files.prune_runs()
            return files.load_result_file(out, None)

        def apply(loading: Job) -> None:
            loaded, slide = cast(files.LoadedResult, loading.result), self.document.slide
            if slide is None or slide.fingerprint != fingerprint:
                name = loaded.segmentation.slide or "another slide"
                loaded.segmentation.close()
                self._say_elsewhere(out, cells, name)
                return
            self._show_result(loaded.segmentation, out, origin="run")
            self.notify("success", f"Segmentation complete: {cells:,} cells")
            if not cells:
                self.notify("warning", NO_CELLS)

        self._run_on_thread("Load", work, apply)
