"""Everything the window can do, in one object."""

from __future__ import annotations

from pathlib import Path

from studio.core.worker import Worker
from studio.resources import resource
from studio.session.base import CLOSE_TIMEOUT_S
from studio.session.bookmarks import Bookmarks
from studio.session.channel import AutoChannel
from studio.session.colours import Colours
from studio.session.compare import Compare
from studio.session.exporting import ExportSession
from studio.session.image import Image
from studio.session.keptrois import KeptRois
from studio.session.overview import Overview
from studio.session.results import Results
from studio.session.rois import Rois
from studio.session.selection import Selection
from studio.settings import Settings

SAMPLE = ("assets", "samples", "CMU-1-Small-Region.svs")


class Session(ExportSession):
    """Everything the window can do. Panels call it as `ctx.actions`; main thread only."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        interactive: Worker | None = None,
        batch: Worker | None = None,
        exporter: Worker | None = None,
    ) -> None:
        super().__init__(settings, interactive=interactive, batch=batch, exporter=exporter)
        self.rois = Rois(self, self._run_on_thread)
        self._kept_rois = KeptRois(self, self._run_on_thread)
        self.bookmarks = Bookmarks(self)
        self.image = Image(self, self._run_on_thread)
        self.overview = Overview(self, self._run_on_thread)
        self.channel = AutoChannel(self, self._run_on_thread)
        self.results = Results(self, self._run_on_thread)
        self.compare = Compare(self, self._run_on_thread)
        self.selection = Selection(self.document, self._run_on_thread)
        self.colours = Colours(self, self._run_on_thread)

    @property
    def due_s(self) -> float:
        """Seconds until something is to be done though nothing happens; infinite if there is nothing."""
        return min(super().due_s, self.selection.due_s, self.compare.due_s, self._kept_rois.due_s)

    def update(self) -> bool:
        """Once a frame: take in what the workers did. Whether anything to draw changed."""
        changed = super().update()
        self._kept_rois.follow()
        changed |= self.selection.follow()
        changed |= self.compare.follow()
        return self.colours.follow() or changed

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Write what is to be kept, cancel and join everything within about `timeout_s`."""
        self._kept_rois.follow()
        self._kept_rois.flush()
        super().close(timeout_s)

    def sample_slide(self) -> Path:
        """The H&E slide that travels with the program."""
        return resource(*SAMPLE)

    def clear_overlay(self) -> None:
        """Take the cells off the slide; files stay."""
        self.document.set_overlay(None)
