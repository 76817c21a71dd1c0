"""What to segment with, as a person keeps it: the model list, parameters, presets, the same thing as a command."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from studio.cellseg.params import SegmentParams
from studio.core.worker import Worker
from studio.errors import StudioError
from studio.session.slides import SlideSession
from studio.session.state import PathDialog
from studio.settings import Settings

if TYPE_CHECKING:
    from typing import Any

    from studio.cellseg.models import ModelInfo

PRESET_SUFFIX = ".json"
LOOK_EVERY_S = 2.0
"""How often the drawn list of models is held against the person's own list on disk."""


class ParameterSession(SlideSession):
    """The document's parameters and the models they may name."""

    def __init__(
        self, settings: Settings | None = None, *, interactive: Worker | None = None, batch: Worker | None = None
    ) -> None:
        super().__init__(settings, interactive=interactive, batch=batch)
        self._models: list[ModelInfo] | None = None
        self._list_stamp = 0
        self._looked_s = 0.0
        self.document.params = self._default_params()

    def models(self) -> list[ModelInfo]:
        """Models to choose from, the embedded one first; read again after a download, or a training elsewhere."""
        from studio.cellseg.models import list_models, user_list_stamp

        now = time.monotonic()
        if self._models is None or now - self._looked_s > LOOK_EVERY_S:
            self._looked_s, stamp = now, user_list_stamp()
            if self._models is None or stamp != self._list_stamp:
                self._models, self._list_stamp = list_models(), stamp
        return self._models

    def refresh_models(self) -> None:
        """Look again which models are on this machine."""
        self._models = None

    def model_info(self, name: str) -> ModelInfo:
        """The model of a name or path. Raises ModelError for an unknown one."""
        for info in self.models():
            if info.name == name:
                return info
        from studio.cellseg.models import resolve_model

        return resolve_model(name)

    def set_params(self, **changes: Any) -> None:
        """Change segmentation parameters; a value that can't be used is refused in a toast."""
        try:
            self.document.params = self.document.params.changed(**changes)
        except StudioError as error:
            self.notify("error", str(error))

    def reset_params(self) -> None:
        """All parameters back to their defaults."""
        self.document.params = self._default_params()
        self.document.auto_diameter = False

    def recipe(self, language: str) -> str | None:
        """What the panel shows as a `command` line or as `python` source; None (and a toast) without a slide."""
        from studio.cellseg import recipe

        slide = self.document.slide
        if slide is None:
            self.notify("warning", "Open a slide first.")
            return None
        write = recipe.as_command if language == "command" else recipe.as_python
        # The file's own pixel size is found by whoever reads the file; one set by hand is not.
        mpp = slide.mpp if slide.mpp_source == "override" else None
        return write(slide.path, Path(f"{slide.name}-masks.zip"), self.document.params, mpp=mpp)

    def save_preset(self, path: str | Path) -> None:
        """Write the parameters to a preset file."""
        from studio.cellseg.recipe import save_preset

        target = Path(path).expanduser().absolute()
        if target.suffix.lower() != PRESET_SUFFIX:
            target = target.with_name(target.name + PRESET_SUFFIX)
        try:
            save_preset(target, self.document.params)
        except StudioError as error:
            self.notify("error", str(error))
            return
        self.notify("success", f"Saved the parameters to {target}.")

    def load_preset(self, path: str | Path) -> None:
        """Take over the parameters of a preset file, or those that a result file was made with."""
        source = Path(path).expanduser().absolute()

        def work(_progress: object) -> SegmentParams:
            from studio.cellseg.recipe import load_preset

            return load_preset(source)

        def apply(job: Any) -> None:
            params: SegmentParams = job.result
            self.document.params = params
            self.document.auto_diameter = False
            self.notify("success", f"Parameters of {source.name}: {params.model}, {params.diam_um:g} µm.")

        self._run_on_thread("Preset", work, apply)

    def ask_save_preset(self) -> None:
        """Let the window ask where to save a preset."""
        name = Path(self.settings.last_folder, f"{self.document.params.model}-preset{PRESET_SUFFIX}")
        self.pending_dialog = PathDialog("save", "Save preset", name, (PRESET_SUFFIX,), self.save_preset)

    def ask_load_preset(self) -> None:
        """Let the window ask which preset, or which result's parameters, to take over."""
        folder = Path(self.settings.last_folder)
        self.pending_dialog = PathDialog("open", "Load preset", folder, (PRESET_SUFFIX, ".zip"), self.load_preset)

    def _default_params(self) -> SegmentParams:
        from studio.cellseg.models import default_model

        return SegmentParams(model=default_model())
