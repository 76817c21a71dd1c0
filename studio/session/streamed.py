"""The cells of a preview on screen: block by block while it runs, and what was there before if it doesn't end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.cellseg.params import SegmentParams
from studio.cellseg.source import MaskGeometry
from studio.cellseg.tunedsource import TunedSource
from studio.document import Overlay

if TYPE_CHECKING:
    from studio.document import Document

PREVIEW = "preview"
"""`Overlay.origin` of a preview."""


@dataclass(frozen=True, slots=True)
class _Growing:
    job_id: int
    overlay: Overlay
    source: TunedSource


class Streamed:
    """Puts a preview's blocks on the slide as they come. Main thread only.

    The cells that were there before are kept aside until the preview has
    ended, and come back if it was stopped or failed: a preview that isn't
    finished leaves nothing to be taken for one that is.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._growing: _Growing | None = None
        self._before: Overlay | None = None

    @property
    def under_way(self) -> bool:
        """Whether a preview's first cells are on screen and its last ones aren't."""
        return self._growing is not None

    def add(self, job_id: int, block: dict[str, Any], params: SegmentParams) -> None:
        """Show a block that a job's `view_task` handed over; cells of an earlier job that wasn't finished go."""
        document, growing = self._document, self._growing
        if growing is not None and document.overlay is not growing.overlay:
            # Somebody has put other cells on the slide meanwhile, and wants to see them.
            return
        if growing is None or growing.job_id != job_id:
            if growing is None:
                self._before = document.take_overlay()
            source = TunedSource(_geometry(block["geometry"]))
            growing = self._growing = _Growing(job_id, Overlay(source, PREVIEW, params, growing=True), source)
            document.set_overlay(growing.overlay)
        document.grow_overlay(growing.source.add(block))

    def finish(self, result: dict[str, Any], params: SegmentParams) -> Overlay | None:
        """Show a preview that has ended; the cells before it go. None where other cells were put there meanwhile."""
        document, growing = self._document, self._growing
        if growing is not None and document.overlay is not None and document.overlay is not growing.overlay:
            self.forget()
            return None
        geometry = _geometry(result["geometry"])
        if growing is not None and document.overlay is growing.overlay and growing.source.geometry == geometry:
            overlay, source = growing.overlay, growing.source
            overlay.params, overlay.growing = params, False
        else:
            source = TunedSource(geometry)
            overlay = Overlay(source, PREVIEW, params)
            document.set_overlay(overlay)
        source.put(result["labels"], result["flows"], result["centroids"])
        document.grow_overlay(source.rect_slide)
        # Cells have other numbers now.
        document.selected_cell = 0
        self._growing = None
        self._close_before()
        return overlay

    def give_up(self) -> None:
        """Put back what was there before the preview, unless somebody has put other cells there."""
        growing, self._growing = self._growing, None
        if growing is not None and self._document.overlay is growing.overlay:
            before, self._before = self._before, None
            self._document.set_overlay(before)
        self._close_before()

    def forget(self) -> None:
        """The slide goes: nothing is put back."""
        self._growing = None
        self._close_before()

    def _close_before(self) -> None:
        before, self._before = self._before, None
        self._document.close_unused(before)


def _geometry(values: dict[str, Any]) -> MaskGeometry:
    return MaskGeometry(**values | {"shape": tuple(values["shape"])})
