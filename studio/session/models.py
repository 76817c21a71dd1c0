"""Weights on this machine, fetched when they are first needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.jobs import Job, JobState
from studio.core.worker import Worker
from studio.errors import ModelError, StudioError
from studio.session.parameters import ParameterSession
from studio.session.state import PathDialog
from studio.session.warm import warm_window
from studio.settings import Settings

if TYPE_CHECKING:
    from studio.cellseg.models import ModelInfo
    from studio.slide import WSI

TASKS = "studio.cellseg.tasks"


class ModelSession(ParameterSession):
    """What any segmentation needs first: a slide of known scale, and a model's weights."""

    def __init__(
        self, settings: Settings | None = None, *, interactive: Worker | None = None, batch: Worker | None = None
    ) -> None:
        super().__init__(settings, interactive=interactive, batch=batch)
        self._downloads: dict[str, Job] = {}
        self._warming: Job | None = None
        self._warm_here = False

    def ask_model_file(self) -> None:
        """Let the window ask for a file of weights, then use it."""
        folder = Path(self.settings.last_folder or Path.home())
        self.pending_dialog = PathDialog("open", "Choose a model's weights", folder, (), self.use_model_file)

    def use_model_file(self, path: str | Path) -> None:
        """Take a file's weights for the model, if it holds a network that can be run."""
        source = Path(path).expanduser().absolute()

        def apply(_job: Job) -> None:
            self.set_params(model=str(source))
            self.notify("success", f"Model: {source.name}.")

        job = self._interactive.submit("studio.session.warm:warm_up", {"model": str(source)}, title="Model")
        job.message = f"Reading {source.name}"
        self._watch(job, apply, visible=False)

    def warm_up(self) -> None:
        """Let the interactive worker load the engine now; the first preview then starts seconds sooner."""
        if self._warming is None:
            kwargs = {"model": self.document.params.model}
            self._warming = self._interactive.submit("studio.session.warm:warm_up", kwargs, title="Warm up")

    def update(self) -> bool:
        """Once a frame: take in what the workers did. Whether anything to draw changed."""
        changed = super().update()
        if not self._warm_here and self._warming is not None and self._warming.state is JobState.DONE:
            # What the worker has compiled is loaded here as well, before cells wait for it.
            self._warm_here = True
            self._run_on_thread("Warm up", warm_window, lambda _job: None)
        return changed

    def _until_ready(self, message: str) -> str:
        """What a job that waits for the interactive worker says: `message`, once the worker is ready for it."""
        ready = self._warming is None or self._warming.state.final
        return message if ready else "Getting ready (longer the first time)"

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
