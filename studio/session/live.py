"""Cells on the slide while a whole-slide run is under way: each finished block appears at once."""

from __future__ import annotations

from typing import Any

from studio.cellseg.params import SegmentParams
from studio.document import Document, Overlay

LIVE = "live"
"""Origin of the overlay of a run under way; the result that takes its place is `run`."""


class LiveCells:
    """Takes in what a run hands over by the way, as its `on_event`, and shows it on the slide it is about.

    Its cells take the place of what is shown when the first block comes. Whoever puts
    other cells on the slide after that, or none, keeps them until the run is complete.

    Args:
        document: what the window shows.
        params: of the run.
    """

    def __init__(self, document: Document, params: SegmentParams) -> None:
        self._document = document
        self._params = params
        self._stamp = document.slide_version
        self._overlay: Overlay | None = None

    def __call__(self, kind: str, payload: dict[str, Any]) -> None:
        """One event of the run."""
        from studio.cellseg.livesource import LiveSource, live_block, live_source

        if self._document.slide_version != self._stamp:
            return
        if kind == "plan":
            self._overlay = Overlay(live_source(payload), LIVE, self._params, growing=True)
        elif kind == "block" and self._overlay is not None:
            source = self._overlay.source
            assert isinstance(source, LiveSource)
            first = not source.blocks
            rect = source.add(live_block(payload), int(payload["cells"]))
            if first:
                self._document.set_overlay(self._overlay)
            elif self._document.overlay is self._overlay:
                self._document.grow_overlay(rect)
