"""Opening and closing slides and result files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from studio.cellseg.params import SegmentParams
from studio.cellseg.searched import Searched, rois_of
from studio.core.jobs import Job, Progress
from studio.document import Overlay
from studio.errors import ParameterError, StudioError
from studio.session import files
from studio.session.base import CLOSE_TIMEOUT_S, JobHost
from studio.session.dropped import Dropped, sort_dropped
from studio.session.state import Question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from studio.cellseg.result import Segmentation
    from studio.session.batch import Batch
    from studio.session.rois import Rois
    from studio.slide import WSI

log = logging.getLogger(__name__)

TYPICAL_MPP = 0.25
"""Suggested where a slide doesn't say; what most 40x scanners give."""


class SlideSession(JobHost):
    """What is open: a slide, and cells on it."""

    rois: Rois
    batch: Batch
    _opening: Job | None = None
    _loading: Job | None = None
    _looking: Job | None = None
    _requests: int = 0
    """How often something was asked to be opened."""
    _shown_request: int = 0
    """Which of them the slide opened last was asked for by: what takes longer to look into comes too late."""

    _problems_told: tuple[int, int] = (-1, 0)
    """Version of the slide, and how many of its problems were said."""

    def update(self) -> bool:
        """As in the base; says what of the open slide can't be read."""
        changed = super().update()
        slide, version = self.document.slide, self.document.slide_version
        told = self._problems_told[1] if self._problems_told[0] == version else 0
        problems = slide.problems if slide is not None else ()
        self._problems_told = (version, len(problems))
        for problem in problems[told:]:
            self.notify("error", problem)
        return changed or len(problems) > told

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """As in the base; the slide is closed first, so that nobody waits for what still reads it."""
        if self.document.slide is not None:
            self.document.slide.close()
        super().close(timeout_s)

    @property
    def loading(self) -> bool:
        """Whether a slide or a result file is being opened."""
        jobs = (self._opening, self._loading, self._looking)
        return any(job is not None and not job.state.final for job in jobs)

    def open_path(self, path: str | Path) -> None:
        """Open whatever a file is: a slide, cells (a result or another program's), or regions."""
        self.open_many([path])

    def open_many(self, paths: Sequence[str | Path], mpp: float | None = None) -> None:
        """Open files dropped together: the slide (with `mpp`, if given) first, then all that belongs on it.

        What some of them are only shows inside, so they are looked into in the background.
        """
        there: list[Path] = []
        for path in map(Path, paths):
            if path.exists():
                there.append(path.absolute())
            else:
                self.settings.forget_recent(str(path))
                self.notify("error", f"{path} doesn't exist. Was it moved or renamed?")
        if not there:
            return
        slide = self.document.slide
        self._requests += 1
        request = self._requests

        def work(_progress: object) -> Dropped:
            return sort_dropped(there, slide)

        def apply(job: Job) -> None:
            dropped = cast(Dropped, job.result)
            if dropped.slides:
                if request < self._shown_request:
                    return
                self._shown_request = request
            self._open_dropped(dropped, mpp)

        self._looking = self._run_on_thread("Look", work, apply)

    def _open_dropped(self, dropped: Dropped, mpp: float | None) -> None:
        """Open what was dropped, now that it is known what it is."""
        for folder in dropped.empty_folders:
            self.notify("warning", f"{folder} holds no slide. Open files by their name, or a folder with slides in it.")
        if dropped.slides:
            self._list_slides(dropped.slides)
            self._open(list(dropped.slides), mpp, dropped)
        else:
            self._put_on_slide(dropped)

    def _list_slides(self, slides: Sequence[Path]) -> None:
        """Several slides were asked for at once: one is shown, all are listed to be segmented."""
        named = [path for path in slides if path.suffix.lower() in files.SLIDE_SUFFIXES]
        if len(named) > 1:
            self.batch.add(named)
            where = "under Batch in the Cell Segmentation panel"
            self.notify("info", f"Opening {named[0].name}. All {len(named)} slides are listed {where}.")

    def _put_on_slide(self, dropped: Dropped) -> None:
        """Show results, cells and regions on the open slide."""
        single = len(dropped.results) == 1
        for path in dropped.results:
            self._load(path, ask=single)
        others = (*dropped.cells, *dropped.regions, *dropped.either)
        if others and self.document.slide is None:
            self.notify("warning", f"{others[0].name} belongs on a slide. Open its slide first, then drop it again.")
            return
        for path in dropped.cells:
            self.import_cells(path)
        for path in dropped.regions:
            self.rois.load(path)
        for path in dropped.either:
            self._ask_labels(path)

    def _ask_labels(self, path: Path) -> None:
        """Ask whether a picture that fits the slide is its cells or another slide."""
        self._ask(
            Question(
                kind="labels",
                title="Cells, or another slide?",
                text=f"{path.name} has one number a pixel and the open slide's proportions. It may be a label image "
                "of the slide's cells, or a slide of its own.",
                yes="Show as cells",
                no="Open as a slide",
                on_yes=lambda _value: self.import_cells(path),
                on_no=lambda: self.open_slide(path),
                dismissed_is_no=False,
            )
        )

    def import_cells(self, path: str | Path) -> None:
        """Show another program's cells (label image, OME-Zarr, GeoJSON) on the open slide."""
        path, slide = Path(path).absolute(), self.document.slide
        if slide is None:
            self.notify("warning", "Open a slide first.")
            return

        def work(progress: Progress) -> object:
            from studio.cellseg.imports import load_overlay

            return load_overlay(path, slide, progress)

        def apply(job: Job) -> None:
            cells = cast("Segmentation", job.result)
            if job.stamp != self.document.slide_version:
                cells.close()
                self.notify("info", f"{path.name} was not loaded, because another slide was opened meanwhile.")
                return
            # Without a path: exporting writes a result file, which the cells' own isn't.
            self.document.set_overlay(Overlay(cells, str(path)))
            self.notify("success", f"Loaded {cells.cells:,} cells from {path.name}.")

        self._loading = self._run_on_thread("Import", work, apply, visible=True)
        self._loading.message = f"Reading {path.name}"

    def open_slide(self, path: str | Path, mpp: float | None = None) -> None:
        """Open a slide in the background; what is open stays until it is there, or if it can't be opened."""
        self._requests += 1
        self._shown_request = self._requests
        self._open([Path(path)], mpp, Dropped())

    def close_slide(self) -> None:
        """Close the slide and its cells. A whole-slide run goes on."""
        self._ask(None)
        self._leave_slide()
        self.document.set_slide(None)

    def load_result(self, path: str | Path) -> None:
        """Show the cells of a result file on the open slide, or open the slide that lies beside it."""
        self._load(Path(path), ask=True)

    def set_mpp(self, mpp: float | None) -> None:
        """Say how many micrometres one slide pixel measures; None goes back to what the file says."""
        slide = self.document.slide
        if slide is None:
            self.notify("warning", "Open a slide first.")
            return
        try:
            slide.set_mpp(None if mpp is None else float(mpp))
        except StudioError as error:
            self.notify("error", str(error))
            return
        if self.pending_question is not None and self.pending_question.kind == "mpp":
            self.pending_question = None

    def ask_mpp(self) -> None:
        """Put the question how large a pixel is, for a slide that doesn't say."""
        slide = self.document.slide
        if slide is None:
            return
        self._ask(
            Question(
                kind="mpp",
                title="How large is a pixel?",
                text=f"{slide.path.name} doesn't say how many micrometres one pixel measures. Cells are found by their "
                "size in µm, so it is needed for segmentation. Scans at 40x have about 0.25, at 20x about 0.5.",
                yes="Set pixel size",
                no="Only look",
                value=TYPICAL_MPP,
                on_yes=lambda value: self.set_mpp(TYPICAL_MPP if value is None else value),
            )
        )

    def fit_view(self) -> None:
        """Bring the whole slide into view."""
        if self.document.slide is not None:
            self.document.view.show(self.document.slide.bounds)

    def show_rect(self, rect: tuple[float, float, float, float]) -> None:
        """Bring a rectangle (x, y, width, height in slide pixels) into view, with a little margin."""
        self.document.view.show(rect)

    def save_picture(self, rgb: NDArray[np.uint8], path: Path) -> None:
        """Write an RGB picture (h, w, 3) in the background; as PNG where the name says nothing."""
        target = path.expanduser().absolute()
        if not target.suffix:
            target = target.with_suffix(".png")

        def apply(_job: Job) -> None:
            self.notify("success", f"Saved {target}.")

        self._run_on_thread("Save picture", lambda _progress: files.write_picture(rgb, target), apply)

    def _open(self, candidates: list[Path], mpp: float | None, more: Dropped) -> None:
        """Open the first candidate that is a slide, then put on it what else there is."""
        path = candidates[0].absolute()

        def work(_progress: object) -> object:
            from studio.slide import open_slide

            slide = open_slide(path, mpp=mpp)
            # Read here, where waiting for a slow drive stalls no frame; it is kept.
            log.info("Opened %s, fingerprint %s", path, slide.fingerprint)
            return slide

        def apply(job: Job) -> None:
            slide = cast("WSI", job.result)
            if job is not self._opening:
                slide.close()
                return
            self._show_slide(slide)
            self._put_on_slide(more)

        def failed(job: Job) -> None:
            self.notify("error", job.error or f"{path.name} can't be opened.")
            if not path.exists():
                self.settings.forget_recent(str(path))
            if candidates[1:] and job is self._opening:
                self._open(candidates[1:], mpp, more)

        self._opening = self._run_on_thread("Open", work, apply, failed=failed)

    def _leave_slide(self) -> None:
        """Stop work whose result nobody could see any more."""

    def _show_slide(self, slide: WSI) -> None:
        self._ask(None)
        self._leave_slide()
        self.document.set_slide(slide)
        self.fit_view()
        self.settings.add_recent(slide.path)
        if slide.mpp is None:
            self.ask_mpp()

    def _load(self, path: Path, *, ask: bool) -> None:
        """Load a result; if it is another slide's, ask what to do, or (one of several) just say so."""
        path = path.absolute()
        slide = self.document.slide

        def work(_progress: object) -> object:
            return files.load_result_file(path, slide)

        def apply(job: Job) -> None:
            loaded = cast(files.LoadedResult, job.result)
            if job.stamp != self.document.slide_version:
                loaded.segmentation.close()
                self.notify("info", f"{path.name} was not loaded, because another slide was opened meanwhile.")
            elif slide is None:
                self._result_without_slide(loaded)
            elif loaded.mismatch is None:
                self._show_result(loaded.segmentation, path)
            else:
                self._other_slides_result(loaded, slide, ask)

        self._loading = self._run_on_thread("Load", work, apply)

    def _result_without_slide(self, loaded: files.LoadedResult) -> None:
        name = files.slide_name_of(loaded.segmentation.meta)
        loaded.segmentation.close()
        if loaded.slide_beside is not None:
            self._open([loaded.slide_beside], None, Dropped(results=(loaded.path,)))
            return
        which = f"the slide {name}" if name else "its slide"
        self.notify("warning", f"{loaded.path.name} holds cells of a slide. Open {which} first, then drop it again.")

    def _other_slides_result(self, loaded: files.LoadedResult, slide: WSI, ask: bool) -> None:
        path, segmentation = loaded.path, loaded.segmentation
        if not ask:
            segmentation.close()
            self.notify("warning", f"{path.name} was left out: it doesn't belong to {slide.name} ({loaded.mismatch}).")
            return
        version = self.document.slide_version

        def show(_value: float | None) -> None:
            if self.document.slide_version == version:
                self._show_result(segmentation, path)
            else:
                segmentation.close()

        self._ask(
            Question(
                kind="mismatch",
                title="Cells of another slide?",
                text=f"{path.name} doesn't seem to belong to {slide.name}: {loaded.mismatch} Load it anyway?",
                yes="Load anyway",
                no="Don't load",
                on_yes=show,
                on_no=segmentation.close,
            )
        )

    def _show_result(self, segmentation: Segmentation, path: Path, origin: str | None = None) -> None:
        rois, place = rois_of(segmentation.meta), segmentation.geometry
        searched = None if rois is None else Searched.within(rois, place.rect_slide)
        params = _params_of(segmentation)
        self.document.set_overlay(Overlay(segmentation, origin or str(path), params, path, searched))
        if origin is None:
            self.notify("success", f"Loaded {segmentation.cells:,} cells from {path.name}.")


def _params_of(segmentation: Segmentation) -> SegmentParams | None:
    """Parameters a result was made with, if it says so in a way we understand."""
    values = segmentation.meta.get("params")
    if not isinstance(values, dict):
        return None
    try:
        return SegmentParams.from_dict(values)
    except (ParameterError, TypeError):
        return None
