"""Thresholds that act at once: the cells of a preview follow them, without the network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studio.cellseg.params import SegmentParams
from studio.cellseg.tunedsource import TunedSource
from studio.core.jobs import Job
from studio.document import Overlay

if TYPE_CHECKING:
    from studio.document import Document
    from studio.slide.roi import ROI

Rect = tuple[float, float, float, float]

THRESHOLDS = ("cellprob_threshold", "flow_threshold", "min_size", "niter")
"""Parameters that come after the network."""

_NO_MATTER = (*THRESHOLDS, "save_flows", "block", "workers", "memory_gb")
"""Parameters that may differ between a preview and the panel while the preview still is what the panel says."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A preview on screen, and what it was made of."""

    overlay: Overlay
    rect_slide: Rect
    roi: ROI | None
    slide_version: int


@dataclass(slots=True)
class Times:
    """What the last preview and the last change of a threshold took; for the probe."""

    network_ms: float | None = None
    """The network's share of the last preview."""
    live_ms: float | None = None
    """From a change of a threshold to its cells on the slide."""
    live_count: int = 0
    """How many changes have been followed."""
    tiles: int = 0
    """Tiles that have gone through the network, in all."""


Submit = Callable[[Shown, SegmentParams, bool, Callable[[Job], None], Callable[[Job], None]], Job]
"""Have a preview made again with other thresholds: what, parameters, whether flows are wanted, done, failed."""


@dataclass(slots=True)
class LiveThresholds:
    """Keeps the cells on screen to the panel's thresholds. Main thread only.

    One request is under way at a time; what is asked for meanwhile is asked
    for when it is done, the newest only.
    """

    document: Document
    submit: Submit
    notify: Callable[[str], None]
    times: Times = field(default_factory=Times)
    _shown: Shown | None = None
    _job: Job | None = None
    _asked: SegmentParams | None = None
    _asked_s: float = 0.0
    _failed: SegmentParams | None = None

    @property
    def busy(self) -> bool:
        """Whether other cells are about to come."""
        return self._job is not None and not self._job.state.final

    @property
    def shown(self) -> Shown | None:
        """The preview on screen, if it is one that can follow."""
        shown = self._shown
        if shown is None or self.document.overlay is not shown.overlay:
            return None
        return shown if shown.slide_version == self.document.slide_version else None

    @property
    def ready(self) -> bool:
        """Whether a change of a threshold acts on what is on screen."""
        shown = self.shown
        return shown is not None and self.fits(self.document.params)

    def fits(self, params: SegmentParams) -> bool:
        """Whether the preview on screen differs from what these parameters give by thresholds at most."""
        shown = self.shown
        if shown is None or shown.overlay.params is None:
            return False
        return _before_thresholds(shown.overlay.params) == _before_thresholds(params)

    def made(self, shown: Shown) -> None:
        """A preview has come to the screen."""
        self._shown, self._failed = shown, None

    def forget(self) -> None:
        """The slide goes."""
        self._shown = self._failed = None

    def follow(self) -> None:
        """Ask for what the panel's thresholds give, if that isn't on screen or on its way."""
        shown, wanted = self.shown, self.document.params
        if shown is None or shown.overlay.params is None or self.busy or not self.fits(wanted):
            return
        if thresholds(wanted) == thresholds(shown.overlay.params) or wanted == self._failed:
            return
        self._asked, self._asked_s = wanted, time.monotonic()
        # Flows are kept inside cells' foreground only, which this threshold decides.
        flows = wanted.cellprob_threshold != shown.overlay.params.cellprob_threshold
        self._job = self.submit(shown, wanted, flows, self._apply, self._refused)

    def _apply(self, job: Job) -> None:
        shown, asked = self.shown, self._asked
        result: dict[str, Any] = job.result
        self.times.tiles += int(result["tiles"])
        if shown is None or asked is None or job.stamp != shown.slide_version or not self.fits(asked):
            return
        source = shown.overlay.source
        assert isinstance(source, TunedSource)
        source.put(result["labels"], result["flows"], result["centroids"])
        shown.overlay.params = asked
        self.document.grow_overlay(source.rect_slide)
        self.times.live_ms = 1000 * (time.monotonic() - self._asked_s)
        self.times.live_count += 1
        # Not with the next frame: by then the slider has moved on.
        self.follow()

    def _refused(self, job: Job) -> None:
        self._failed = self._asked
        self.notify(job.error or "The thresholds can't be applied. Press Preview.")


def thresholds(params: SegmentParams) -> tuple[Any, ...]:
    """The values of `THRESHOLDS`."""
    return tuple(getattr(params, name) for name in THRESHOLDS)


def _before_thresholds(params: SegmentParams) -> dict[str, Any]:
    """All that decides what a preview's thresholds are applied to."""
    # Windows pass the network whole where they aren't cut into tiles.
    no_matter = (*_NO_MATTER, "window") if params.tile else _NO_MATTER
    return {name: value for name, value in params.to_dict().items() if name not in no_matter}
