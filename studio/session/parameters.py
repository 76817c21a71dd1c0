"""What to segment with, as a person keeps it: the model list, parameters, presets, the same thing as a command."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from studio.cellseg.params import SegmentParams
from studio.core.geometry import clip_to_slide
from studio.core.worker import Worker
from studio.errors import StudioError
from studio.session.slides import SlideSession
from studio.session.state import PathDialog
from studio.settings import Settings

if TYPE_CHECKING:
    from typing import Any

    from studio.cellseg.models import ModelInfo

PRESET_SUFFIX = ".json"

RecipeOf = Literal["slide", "view", "regions"]
"""What a recipe is of: the whole slide, what is in view, or the regions drawn on it."""

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
        self.recipe_of: RecipeOf = "slide"
        """What recipes are made of."""
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
        """Change segmentation parameters; a value that can't be used is refused in a toast.

        Cheap where nothing changes: panels hand over what their controls say in each frame.
        """
        params = self.document.params
        if all(getattr(params, name) == value for name, value in changes.items()):
            return
        try:
            self.document.params = params.changed(**changes)
        except StudioError as error:
            self.notify("error", str(error))

    def reset_params(self) -> None:
        """All parameters back to their defaults."""
        self.document.params = self._default_params()
        self.document.auto_diameter = False

    def why_not_recipe(self, of: RecipeOf) -> str | None:
        """What stands in the way of a recipe of a part of the slide, in words; None when nothing does."""
        document = self.document
        if document.slide is None:
            return "Open a slide first."
        if of == "regions" and not document.rois:
            return "There are no regions: draw or load some under Annotations."
        if of == "view" and clip_to_slide(document.view.rect_slide, document.slide.size) is None:
            return "The slide is out of view. Move back to it (or press Fit)."
        return None

    def recipe(self, language: str, of: RecipeOf = "slide") -> str | None:
        """What the panel shows as a `command` line or as `python` source; None (and a toast) where there is nothing.

        Regions are named by a file that they should be saved to, which is said in a toast.
        """
        from studio.cellseg import recipe

        slide = self.document.slide
        if (why := self.why_not_recipe(of)) is not None or slide is None:
            self.notify("warning", why or "Open a slide first.")
            return None
        region, rois = None, None
        if of == "view" and (rect := clip_to_slide(self.document.view.rect_slide, slide.size)) is not None:
            region = (round(rect[0]), round(rect[1]), max(1, round(rect[2])), max(1, round(rect[3])))
        elif of == "regions":
            rois = Path(f"{slide.name}-regions.geojson")
            self.notify("info", f"The regions are read from {rois}: save them under that name (Annotations).")
        write = recipe.as_command if language == "command" else recipe.as_python
        # The file's own pixel size is found by whoever reads the file; one set by hand is not.
        mpp = slide.mpp if slide.mpp_source == "override" else None
        out = Path(f"{slide.name}-masks.zip")
        return write(slide.path, out, self.document.params, mpp=mpp, region=region, rois=rois)

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

    def drop_preset(self, path: Path) -> bool:
        """Take over a dropped file's parameters if it is a preset; whether it is one."""
        from studio.cellseg.recipe import is_preset

        if not is_preset(path):
            return False
        self.load_preset(path)
        return True

    def why_not_take_params(self) -> str | None:
        """What stands in the way of taking over the parameters of the cells on screen; None when nothing does."""
        overlay = self.document.overlay
        if overlay is None:
            return "There are no cells on screen."
        if overlay.params is None:
            return "Nothing is known of how these cells were found."
        return "The panel has these cells' parameters already." if overlay.params == self.document.params else None

    def take_params(self) -> None:
        """Take over the parameters that the cells on screen were found with."""
        overlay = self.document.overlay
        if (why := self.why_not_take_params()) is not None or overlay is None or overlay.params is None:
            self.notify("warning", why or "There are no cells on screen.")
            return
        self.document.params, self.document.auto_diameter = overlay.params, False
        self.notify("success", f"Parameters of these cells: {overlay.params.model}, {overlay.params.diam_um:g} µm.")

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
