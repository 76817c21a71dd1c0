"""Cells on the slide while a whole-slide run is under way: each finished block appears at once."""

from __future__ import annotations

from typing import Any

from studio.cellseg.params import SegmentParams
from studio.document import Document, Overlay

LIVE = "live"
"""Origin of the overlay of a run under way."""

RUN = "run"
"""Origin of the result that takes its place."""


class LiveCells:
    """Takes in what a run hands over by the way, as its `on_event`, and shows it on the slide it is about.

    Its cells take the place of what is shown when the first block comes. Whoever puts
    other cells on the slide after that, or none, keeps them until the run is complete.
    On a slide that was left and opened again they come back with the next block, if it has no others.

    Args:
        document: what the window shows.
        params: of the run.
        fingerprint: of the slide that the run is about.
    """

    def __init__(self, document: Document, params: SegmentParams, fingerprint: str) -> None:
        self._document = document
        self._params = params
        self._fingerprint = fingerprint
        self._stamp = document.slide_version
        self._plan: dict[str, Any] | None = None
        self._blocks: list[dict[str, Any]] = []
        self._overlay: Overlay | None = None

    def __call__(self, kind: str, payload: dict[str, Any]) -> None:
        """One event of the run."""
        if kind == "plan":
            self._plan = payload
        elif kind == "block" and self._plan is not None:
            self._blocks.append(payload)
            self._show(self._plan)

    def _show(self, plan: dict[str, Any]) -> None:
        """Show the newest block, or all of them where none is shown yet."""
        from studio.cellseg.livesource import LiveSource, live_block, live_source

        document, slide = self._document, self._document.slide
        if slide is None or slide.fingerprint != self._fingerprint:
            return
        came_back = document.slide_version != self._stamp
        if came_back:
            self._stamp, self._overlay = document.slide_version, None
        if self._overlay is None:
            self._overlay = Overlay(live_source(plan), LIVE, self._params, growing=True)
            source = self._overlay.source
            assert isinstance(source, LiveSource)
            for block in self._blocks:
                source.add(live_block(block), int(block["cells"]))
            if not came_back or document.overlay is None:
                document.set_overlay(self._overlay)
        elif document.overlay is self._overlay:
            source, newest = self._overlay.source, self._blocks[-1]
            assert isinstance(source, LiveSource)
            document.grow_overlay(source.add(live_block(newest), int(newest["cells"])))
