"""What the channel *Automatic* stands for on the slide that is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError

if TYPE_CHECKING:
    from studio.session.parameters import ParameterSession


class AutoChannel:
    """Looks at the slide's background, on a thread, the first time that somebody asks. Main thread only."""

    def __init__(self, session: ParameterSession, run: Callable[..., object]) -> None:
        """`run` is the session's way to do something on a thread."""
        self._session = session
        self._run = run
        self._asked_version = -1
        self._dark: bool | None = None

    def meaning(self) -> tuple[str, str] | None:
        """The channel that `auto` means here, one of `CHANNELS`, and why; None while that isn't known."""
        from studio.cellseg.inputs import resolve_channel

        document = self._session.document
        try:
            model = self._session.model_info(document.params.model)
        except ModelError:
            return None
        if model.channels != "auto":
            return model.channels, f"as {model.title} expects"
        dark = self._is_dark()
        if dark is None:
            return None
        return resolve_channel("auto", model, dark), f"for its {'dark' if dark else 'bright'} background"

    def _is_dark(self) -> bool | None:
        document = self._session.document
        slide, version = document.slide, document.slide_version
        if slide is None:
            return None
        if version != self._asked_version:
            self._asked_version, self._dark = version, None

            def apply(job: Any) -> None:
                if self._asked_version == version:
                    self._dark = bool(job.result)

            # A slide that was closed meanwhile, or can't be read: whoever segments it is told; here nothing is shown.
            self._run("Background", lambda _progress: slide.is_fluorescence(), apply, failed=lambda _job: None)
        return self._dark
