"""Thresholds that act at once: the cells of a preview follow them, without the network."""

from __future__ import annotations

import math
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

POLL_S = 1 / 120
"""How often is looked for cells that are on their way."""

SETTLED_S = 0.4
"""So long no threshold must have moved until flows are brought up to date."""

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
    """From a change of a threshold to its cells in the document; None while the preview on screen had none."""
    screen_ms: float | None = None
    """From that change to the end of the first frame that shows all its cells; None until then."""
    live_count: int = 0
    """How many changes have been followed."""
    tiles: int = 0
    """Tiles that have gone through the network, in all."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of the worker."""

    params: SegmentParams
    flows: bool
    ahead: bool
    """Whether it should get ready for other thresholds as well."""
    at_s: float


Submit = Callable[[Shown, Wish, Callable[[Job], None], Callable[[Job], None]], Job]
"""Have a preview made again with other thresholds: what, how, done, failed."""


@dataclass(slots=True)
class LiveThresholds:
    """Keeps the cells on screen to the panel's thresholds. Main thread only.

    One request is under way at a time; what is asked for meanwhile is asked
    for when it is done, the newest only. Once nothing moves after a preview,
    its own thresholds are asked for, which lets the worker get ready for
    others; a slider that moves takes it back.
    """

    document: Document
    submit: Submit
    cancel: Callable[[Job], None]
    notify: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    times: Times = field(default_factory=Times)
    _shown: Shown | None = None
    _job: Job | None = None
    _asked: Wish | None = None
    _failed: SegmentParams | None = None
    _wanted: tuple[Any, ...] = ()
    """The panel's thresholds when they were looked at last, and since when they are that."""
    _wanted_s: float = -math.inf
    _ready: bool = False
    """Whether the worker has got ready for other thresholds since the preview came to the screen."""
    _flows_of: float | None = None
    """The cell probability threshold of the flows on screen, which are kept inside the foreground."""
    _moved_s: float = -math.inf
    _undrawn_s: float | None = None
    """When the change was made whose cells are in the document, but not on the screen yet."""

    @property
    def busy(self) -> bool:
        """Whether other cells are about to come."""
        return self._job is not None and not self._job.state.final

    @property
    def due_s(self) -> float:
        """Seconds until `follow` should be called; infinite while it waits for nothing."""
        if self.busy:
            # Nobody waits for the worker to look ahead.
            return math.inf if self._asked is not None and self._asked.ahead else POLL_S
        if not self.ready or (self._ready and not self._flows_stale):
            return math.inf
        return max(POLL_S, self._moved_s + SETTLED_S - self.clock())

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
        return self.fits(self.document.params)

    def fits(self, params: SegmentParams) -> bool:
        """Whether the preview on screen differs from what these parameters give by thresholds at most."""
        shown = self.shown
        if shown is None or shown.overlay.params is None:
            return False
        return _before_thresholds(shown.overlay.params) == _before_thresholds(params)

    def made(self, shown: Shown) -> None:
        """A preview has come to the screen."""
        self._shown, self._failed, self._ready, self._moved_s = shown, None, False, -math.inf
        self._undrawn_s = self.times.screen_ms = None
        # It was of other cells.
        self.times.live_ms = None
        self._flows_of = None if shown.overlay.params is None else shown.overlay.params.cellprob_threshold

    def stop(self) -> None:
        """Something else is wanted of the worker."""
        if self._job is not None:
            self.cancel(self._job)

    @property
    def undrawn(self) -> bool:
        """Whether a change's cells are in the document, but no frame has shown them all."""
        return self._undrawn_s is not None

    def drawn(self) -> None:
        """A frame has been shown, with all that is in view."""
        if self._undrawn_s is not None:
            self.times.screen_ms, self._undrawn_s = 1000 * (self.clock() - self._undrawn_s), None

    def forget(self) -> None:
        """The slide goes."""
        self.stop()
        self._shown = self._failed = None

    def follow(self) -> None:
        """Ask for what the panel's thresholds give, if that isn't on screen or on its way."""
        shown, wanted = self.shown, self.document.params
        if shown is None or shown.overlay.params is None or not self.fits(wanted):
            return
        now_s = self.clock()
        if thresholds(wanted) != self._wanted:
            self._wanted, self._wanted_s = thresholds(wanted), now_s
        if self.busy:
            if self._asked is not None and self._asked.ahead and thresholds(wanted) != thresholds(self._asked.params):
                self.stop()
            return
        moved = thresholds(wanted) != thresholds(shown.overlay.params)
        if moved:
            self._moved_s = now_s
        settled = now_s - self._moved_s >= SETTLED_S
        if wanted == self._failed or not (moved or (settled and (self._flows_stale or not self._ready))):
            return
        # Flows are many bytes: they come along where they are looked at, else once the slider rests.
        style = self.document.style
        looked_at = style.gradxy or style.cellprob
        flows = wanted.cellprob_threshold != self._flows_of and (settled or looked_at)
        self._asked = Wish(wanted, flows, not moved and not self._ready, self._wanted_s)
        self._job = self.submit(shown, self._asked, self._apply, self._refused)

    @property
    def _flows_stale(self) -> bool:
        shown = self.shown
        if shown is None or shown.overlay.params is None or shown.overlay.params == self._failed:
            return False
        return self._flows_of != shown.overlay.params.cellprob_threshold

    def _apply(self, job: Job) -> None:
        shown, asked = self.shown, self._asked
        result: dict[str, Any] = job.result
        self.times.tiles += int(result["tiles"])
        if shown is None or asked is None or job.stamp != shown.slide_version or not self.fits(asked.params):
            return
        self._ready |= asked.ahead
        before, shown.overlay.params = shown.overlay.params, asked.params
        moved = before is None or thresholds(before) != thresholds(asked.params)
        if asked.flows:
            self._flows_of = asked.params.cellprob_threshold
        if moved or asked.flows:
            source = shown.overlay.source
            assert isinstance(source, TunedSource)
            source.put(result["labels"], result["flows"], result["centroids"])
            self.document.grow_overlay(source.rect_slide)
        if moved:
            self.times.live_ms = 1000 * (self.clock() - asked.at_s)
            self.times.live_count += 1
            self.times.screen_ms, self._undrawn_s = None, asked.at_s
        # Not with the next frame: by then the slider has moved on.
        self.follow()

    def _refused(self, job: Job) -> None:
        asked, self._ready = self._asked, True
        if asked is None:
            return
        shown = self.shown
        self._failed = asked.params
        if (
            shown is None
            or shown.overlay.params is None
            or thresholds(asked.params) != thresholds(shown.overlay.params)
        ):
            self.notify(job.error or "The thresholds can't be applied. Press Preview.")


def thresholds(params: SegmentParams) -> tuple[Any, ...]:
    """The values of `THRESHOLDS`."""
    return tuple(getattr(params, name) for name in THRESHOLDS)


def _before_thresholds(params: SegmentParams) -> dict[str, Any]:
    """All that decides what a preview's thresholds are applied to."""
    # Windows pass the network whole where they aren't cut into tiles.
    no_matter = (*_NO_MATTER, "window") if params.tile else _NO_MATTER
    return {name: value for name, value in params.to_dict().items() if name not in no_matter}
