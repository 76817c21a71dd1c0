"""The same parameters over several slides, one after the other; a slide that fails doesn't stop the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cellseg.params import SegmentParams
from studio.core.jobs import Job, JobState
from studio.session.models import TASKS
from studio.session.state import PathDialog
from studio.session.text import cells_text, job_text

if TYPE_CHECKING:
    from studio.cellseg.models import ModelInfo
    from studio.session.runs import RunSession

TITLE = "Batch"
FOLDER = "masks"
"""Folder beside the first slide that results go to unless another is chosen."""

_WORK = ("window", "block", "batch", "workers", "device", "backend", "memory_gb")


class Status(StrEnum):
    """Where a slide of the list stands."""

    LISTED = "listed"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(slots=True)
class Item:
    """A slide of the list."""

    slide: Path
    name: str
    """Of its result: `{name}-masks.zip`."""
    status: Status = Status.LISTED
    cells: int | None = None
    out: Path | None = None
    """Its result, once there is one."""
    error: str = ""


class Batch:
    """Held by the session as `session.batch`; main thread only."""

    def __init__(
        self,
        session: RunSession,
        with_model: Callable[[str, Callable[[ModelInfo], None]], None],
        submit: Callable[..., Job],
        on_thread: Callable[..., Job],
    ) -> None:
        """The session's ways to have a model there, to have work done in the batch worker and on a thread."""
        self.items: list[Item] = []
        self._session = session
        self._with_model = with_model
        self._submit = submit
        self._on_thread = on_thread
        self._folder: Path | None = None
        self._params: SegmentParams | None = None
        self._job: Job | None = None

    @property
    def running(self) -> bool:
        """Whether slides of the list are being segmented."""
        return self._params is not None

    @property
    def job(self) -> Job | None:
        """The slide under way."""
        return self._job if self.running else None

    @property
    def folder(self) -> Path | None:
        """Where results go: the folder chosen, or one beside the first slide; None without slides."""
        if self._folder is None and self.items:
            return self.items[0].slide.parent / FOLDER
        return self._folder

    def add(self, slides: Iterable[str | Path]) -> int:
        """Put slides on the list that aren't on it; returns how many there were."""
        listed = {item.slide for item in self.items}
        taken = {item.name.lower() for item in self.items}
        new = [path for path in dict.fromkeys(Path(s).absolute() for s in slides) if path not in listed]
        for path in new:
            # Two slides of one name in two folders have a result each.
            names = (path.stem, *(f"{path.stem}-{n}" for n in range(2, len(taken) + 3)))
            name = next(name for name in names if name.lower() not in taken)
            taken.add(name.lower())
            self.items.append(Item(path, name, Status.WAITING if self.running else Status.LISTED))
        return len(new)

    def clear(self) -> None:
        """Empty the list; results and slides stay."""
        if not self.running:
            self.items.clear()
            self._folder = None

    def set_folder(self, folder: str | Path) -> None:
        """Where results go; made when the first is written."""
        if not self.running:
            self._folder = Path(folder).expanduser().absolute()

    def why_not(self) -> str | None:
        """What stands in the way of the run over the list, in words; None when nothing does."""
        if not self.items:
            return "Drop slides on the window, or a folder with slides in it, to list them."
        if self.running:
            return "The slides of the list are being segmented."
        if self._session.document.auto_diameter:
            return "Set the diameter first: a preview with Auto-detect finds it, then choose Manual."
        return None

    def start(self) -> None:
        """Segment all slides of the list with the panel's parameters; those whose result is there are passed over."""
        if (why := self.why_not()) is not None:
            self._session.notify("warning", why)
            return
        params = self._session.document.params
        self._with_model(params.model, lambda _info: self._begin(params))

    def stop(self) -> None:
        """Stop at once; the slide under way goes on where it was when the list is run again."""
        job = self._job
        self._params = None
        for item in self.items:
            if item.status in (Status.WAITING, Status.RUNNING):
                item.status = Status.STOPPED
        if job is not None and not job.state.final:
            self._session.cancel(job)

    def open(self, index: int) -> None:
        """Show a slide of the list, with its cells if they are there."""
        item = self.items[index]
        self._session.open_many([item.slide, *([item.out] if item.out is not None else [])])

    def ask_folder(self) -> None:
        """Let the window ask where results shall go."""
        folder = self.folder or Path(FOLDER)
        self._session.pending_dialog = PathDialog("save", "Folder for the results", folder, (), self.set_folder)

    def ask_add(self) -> None:
        """Let the window ask for another slide."""
        from studio.session.files import SLIDE_SUFFIXES

        folder = Path(self._session.settings.last_folder or Path.home())

        def add(path: Path) -> None:
            self.add([path])

        self._session.pending_dialog = PathDialog("open", "Add a slide", folder, SLIDE_SUFFIXES, add)

    def update(self) -> None:
        """Once a frame: a slide that was cancelled stops the list."""
        if self._job is not None and self._job.state is JobState.CANCELLED and self.running:
            self.stop()

    def status_text(self, item: Item) -> str:
        """Where a slide stands, in a few words."""
        if item.status is Status.RUNNING and self._job is not None:
            return job_text(self._job)
        if item.status is Status.DONE:
            return cells_text(item.cells or 0)
        return {Status.LISTED: "–"}.get(item.status, item.status.value)

    @property
    def summary(self) -> str:
        """How the list stands, in words."""
        done = sum(item.status is Status.DONE for item in self.items)
        failed = sum(item.status is Status.FAILED for item in self.items)
        text = f"{done} of {len(self.items)} slides segmented"
        return f"{text}, {failed} failed" if failed else text

    def _begin(self, params: SegmentParams) -> None:
        if self.running:
            return
        self._params, self._job = params, None
        for item in self.items:
            item.status, item.error, item.out, item.cells = Status.WAITING, "", None, None
        self._next()

    def _next(self) -> None:
        """Take the next slide, or end."""
        params, folder = self._params, self.folder
        if params is None or folder is None:
            return
        item = next((item for item in self.items if item.status is Status.WAITING), None)
        if item is None:
            self._params = None
            failed = any(item.status is Status.FAILED for item in self.items)
            self._session.notify("warning" if failed else "success", f"Batch complete: {self.summary}. See {folder}.")
            self._session.attention = f"Batch complete: {self.summary}"
            return
        item.status = Status.RUNNING
        out = folder / f"{item.name}-masks.zip"

        def apply(looked: Job) -> None:
            if self._params is not params or item.status is not Status.RUNNING:
                return
            cells = looked.result
            if cells is None:
                self._run(item, out, params)
            else:
                self._done(item, out, cells)

        def failed_to_look(looked: Job) -> None:
            if self._params is not params or item.status is not Status.RUNNING:
                return
            self._fail(item, looked.error or "The folder can't be written to.")

        self._on_thread("Look", lambda _progress: _cells_there(out, params), apply, failed=failed_to_look)

    def _run(self, item: Item, out: Path, params: SegmentParams) -> None:
        arguments: dict[str, Any] = {
            "slide_path": str(item.slide),
            "mpp": None,
            "params": params.to_dict(),
            "out": str(out),
            "focus": None,
        }

        def apply(job: Job) -> None:
            self._done(item, out, int(job.result["cells"]))

        def failed(job: Job) -> None:
            self._fail(item, job.error or "It failed without saying why.")

        job = self._submit(f"{TASKS}:segment_task", arguments, TITLE, apply, failed)
        number = self.items.index(item) + 1
        job.message = f"Slide {number} of {len(self.items)}: {item.name}"
        self._job = job

    def _done(self, item: Item, out: Path, cells: int) -> None:
        item.status, item.cells, item.out = Status.DONE, cells, out
        self._next()

    def _fail(self, item: Item, error: str) -> None:
        named = error if item.slide.name in error else f"{item.slide.name}: {error}"
        item.status, item.error = Status.FAILED, named
        self._session.notify("error", named)
        self._next()


def _cells_there(out: Path, params: SegmentParams) -> int | None:
    """Make the folder; the number of cells of a result that is there already, None where there is none. Blocks.

    Raises StudioError for a file that is something else: nothing is overwritten.
    """
    from studio.cellseg.result import Segmentation
    from studio.core.files import explaining
    from studio.errors import UsageError

    with explaining(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
    if not out.exists():
        return None
    with Segmentation.load(out) as there:
        values = there.meta.get("params")
        made_with = SegmentParams.from_dict(values) if isinstance(values, dict) else None
        if made_with is None or _result_of(made_with) != _result_of(params):
            raise UsageError(
                f"{out} was made with other parameters. Choose another folder for the results, or move it away."
            )
        return there.cells


def _result_of(params: SegmentParams) -> dict[str, Any]:
    return {name: value for name, value in params.to_dict().items() if name not in _WORK}
