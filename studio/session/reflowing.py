"""Other thresholds for the whole slide on screen, from the flows that its result stores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import StudioError
from studio.session.files import runs_dir

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Job
    from studio.session.runs import RunSession

REFLOW = "studio.cellseg.reflow:reflow_task"
TITLE = "Apply thresholds"


class Reflowing:
    """Held by the session as `session.reflowing`; main thread only."""

    def __init__(
        self,
        session: RunSession,
        submit: Callable[[str, dict[str, Any], str, Callable[[Job], None]], Job],
        show: Callable[[Path, int, str], None],
    ) -> None:
        """`submit` has work done in the batch worker, `show` puts a finished result on screen."""
        self._session = session
        self._submit = submit
        self._show = show
        self._job: Job | None = None
        self._looked_at: tuple[int, Any, str | None] | None = None

    @property
    def possible(self) -> bool:
        """Whether the cells on screen are of a file with flows, so that thresholds can be applied to all of it."""
        return self._result() is not None

    def why_not(self) -> str | None:
        """What stands in the way, in words; None when nothing does."""
        if (result := self._result()) is None:
            return "Open, or make, a result with flows first: tick Save flows before Segment."
        if self._job is not None and not self._job.state.final:
            return "Thresholds are being applied."
        # Asked once a frame; the answer depends on these alone.
        key = self._session.document.overlay_version, self._session.document.params
        if self._looked_at is None or self._looked_at[:2] != key:
            self._looked_at = (*key, self._judge(result))
        return self._looked_at[2]

    def start(self) -> None:
        """Make the cells of the whole slide anew with the panel's thresholds, without the network."""
        session, result = self._session, self._result()
        overlay, slide = session.document.overlay, session.document.slide
        if (why := self.why_not()) is not None or result is None or overlay is None or slide is None:
            session.notify("warning", why or "Open a slide first.")
            return
        changes, path = self._changes(result), overlay.path
        assert path is not None
        out = _target(slide.name, path, changes)
        out.parent.mkdir(parents=True, exist_ok=True)
        arguments = {
            "slide_path": str(slide.path),
            "mpp": slide.mpp,
            "masks": str(path),
            "changes": changes,
            "out": str(out),
        }
        fingerprint = slide.fingerprint

        def apply(job: Job) -> None:
            self._show(out, int(job.result["cells"]), fingerprint)

        self._job = self._submit(REFLOW, arguments, TITLE, apply)
        self._job.message = f"Applying thresholds to {slide.name}"

    def _result(self) -> Segmentation | None:
        from studio.cellseg.result import Segmentation

        overlay = self._session.document.overlay
        if overlay is None or overlay.path is None or not isinstance(overlay.source, Segmentation):
            return None
        return overlay.source if overlay.source.has_flows else None

    def _changes(self, result: Segmentation) -> dict[str, Any]:
        """The panel's thresholds that are others than the result's."""
        from studio.cellseg.storedflows import THRESHOLDS

        made_with, now = result.meta.get("params", {}), self._session.document.params
        return {name: getattr(now, name) for name in THRESHOLDS if getattr(now, name) != made_with.get(name)}

    def _judge(self, result: Segmentation) -> str | None:
        from studio.cellseg.storedflows import changed_params

        try:
            changes = self._changes(result)
            changed_params(result, changes)
        except StudioError as error:
            return str(error)
        return None if changes else "The cells on screen were made with these thresholds."


def _target(slide_name: str, masks: Path, changes: dict[str, Any]) -> Path:
    """Where it goes; the same again, so that what was stopped goes on."""
    status = masks.stat()
    key = json.dumps([str(masks), status.st_mtime_ns, status.st_size, changes], sort_keys=True)
    return runs_dir() / f"{slide_name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}-masks.zip"
