"""Two segmentations compared: one kept as A, whatever is shown later as B."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from studio.cellseg.memory import ArraySource
from studio.core.jobs import Job
from studio.document import CompareView, Overlay
from studio.session.flight import fly_to
from studio.session.live import LIVE
from studio.session.text import job_fraction

if TYPE_CHECKING:
    from studio.cellseg.agreement import Agreement, Difference
    from studio.cellseg.source import LabelSource
    from studio.session.preview import PreviewSession

BLINK_S = 0.6
BLINK_RANGE_S = (0.2, 3.0)

_UNSAID = ("block", "batch", "workers", "memory_gb", "window", "tile", "device", "backend", "save_flows")
"""Parameters that change no cell."""


class Compare:
    """Held by the session as `session.compare`; main thread only. Cells are compared on a thread.

    What is looked at, and how, stands in `document.comparison`.
    """

    def __init__(self, host: PreviewSession, run: Callable[..., Job], clock: Callable[[], float] = time.monotonic):
        """`run` is the host's way to do something on a thread."""
        self._host = host
        self._run = run
        self._clock = clock
        self._document = host.document
        self.agreement: Agreement | None = None
        """Of A and B as they are now; None until it is known."""
        self.index: int | None = None
        """Which difference was stepped to last."""
        self.blink_s = BLINK_S
        self._turned_s = 0.0
        self._job: Job | None = None
        self._kept_at = -1
        self._asked: tuple[int, Any] = (-1, None)
        self._marked = (0, 0)
        """Cell of A, and the cell of B that was selected while it was marked."""

    @property
    def busy(self) -> bool:
        """Whether the cells are being compared."""
        return self._job is not None and not self._job.state.final

    @property
    def fraction(self) -> float:
        """How much of the comparison under way is done, 0 to 1."""
        return 0.0 if self._job is None else job_fraction(self._job)

    @property
    def same(self) -> bool:
        """Whether what is shown still is what was kept."""
        return self._document.overlay_version == self._kept_at

    def why_not_keep(self) -> str | None:
        """What stands in the way of keeping the cells as A, in words; None when nothing does."""
        overlay = self._document.overlay
        if overlay is None:
            return "There are no cells to keep yet: make a preview or segment the slide."
        if overlay.origin == LIVE or self._host.previewing:
            return "These cells are still being found; they can be kept once they all are."
        return None

    def keep(self) -> None:
        """Keep the cells shown, and what they were made with, as A. They stay on the slide until others come."""
        overlay = self._document.overlay
        if (why := self.why_not_keep()) is not None or overlay is None:
            self._host.notify("warning", why or "There are no cells to keep.")
            return
        self._document.keep(replace(overlay, source=_frozen(overlay.source)))
        self._kept_at = self._document.overlay_version
        self._forget()

    def let_go(self) -> None:
        """Keep nothing as A any more."""
        self._document.keep(None)
        self._document.comparison.view = "b"
        self._kept_at = -1
        self._forget()

    def swap(self) -> None:
        """What was kept is shown, and what was shown is kept."""
        document = self._document
        kept = document.comparison.kept
        if kept is None or self.why_not_keep() is not None or document.overlay is None:
            return
        shown = document.overlay
        frozen = replace(shown, source=_frozen(shown.source))
        # Each is held by one place at any time, so that neither is closed on the way.
        document.comparison.kept = None
        document.keep(frozen)
        document.set_overlay(kept)
        self._kept_at = -1
        self._forget()

    def look(self, view: CompareView) -> None:
        """Look at both in another way."""
        comparison = self._document.comparison
        comparison.view, comparison.blink_a = view, False
        self._turned_s = self._clock()

    def why_not_look(self, view: CompareView) -> str | None:
        """What stands in the way of a view, in words; None when nothing does."""
        if self._document.overlay is None:
            return "There are no cells yet."
        if view not in ("b", "bare") and self._document.comparison.kept is None:
            return "Keep a segmentation as A first."
        return None

    def toggle(self, view: CompareView) -> None:
        """Look at both in this way, or if so already, at B."""
        self.look("b" if self._document.comparison.view == view else view)

    def step(self, steps: int) -> None:
        """Go to the next (1) or previous (-1) of the cells that differ, the largest first; round at the ends."""
        found = self.agreement
        if found is not None and found.differences:
            first = 0 if steps > 0 else -1
            self.go_to((first if self.index is None else self.index + steps) % found.differences)

    def go_to(self, index: int) -> None:
        """Go to one of the cells that differ; 0 is the largest difference."""
        found, comparison = self.agreement, self._document.comparison
        if found is None or not 0 <= index < found.differences:
            return
        self.index = index
        cell = found.difference(self.index)
        if comparison.view == "b":
            self.look("differences")
        comparison.selected_a, self._document.selected_cell = cell.cell_a, cell.cell_b
        self._marked = cell.cell_a, cell.cell_b
        fly_to(self._document.view, cell.x, cell.y, cell.diam_slide)

    def unmark(self) -> bool:
        """Mark no cell of A any more. Whether one was marked."""
        comparison = self._document.comparison
        marked, comparison.selected_a = comparison.selected_a != 0, 0
        return marked

    @property
    def difference(self) -> Difference | None:
        """The one that was stepped to last."""
        found = self.agreement
        return None if found is None or self.index is None else found.difference(self.index)

    @property
    def changes(self) -> list[tuple[str, Any, Any]]:
        """Parameters that A and B were made with differently: name, A's value, B's value."""
        kept, shown = self._document.comparison.kept, self._document.overlay
        if kept is None or shown is None or kept.params is None or shown.params is None:
            return []
        a, b = kept.params.to_dict(), shown.params.to_dict()
        return [(name, a[name], b[name]) for name in a if name not in _UNSAID and name in b and a[name] != b[name]]

    @property
    def due_s(self) -> float:
        """Seconds until it is the other's turn to be shown; infinite unless they blink."""
        if self._document.comparison.view != "blink" or self._document.comparison.kept is None:
            return math.inf
        return max(0.0, self._turned_s + self.blink_s - self._clock())

    def follow(self) -> bool:
        """Once a frame: compare what is new, and let both take turns. Whether what is shown changed."""
        document, changed = self._document, False
        comparison, overlay = document.comparison, document.overlay
        if self.due_s <= 0:
            comparison.blink_a, self._turned_s, changed = not comparison.blink_a, self._clock(), True
        key = (document.overlay_version, comparison.kept)
        marked = comparison.selected_a, document.selected_cell
        if marked[0] == self._marked[0] and marked[1] != self._marked[1]:
            # Somebody has selected another cell, or none.
            changed |= self.unmark()
        self._marked = comparison.selected_a, document.selected_cell
        stoppable = self._job is not None and self.busy and not self._job.cancel_asked
        if self._asked != key and (self.agreement is not None or stoppable):
            self._forget()
            changed = True
        if comparison.kept is None or overlay is None or self.same or self.busy or self._asked == key:
            return changed
        if overlay.origin != LIVE and not self._host.previewing:
            self._start(comparison.kept, overlay, key)
            changed = True
        return changed

    def _start(self, kept: Overlay, shown: Overlay, key: tuple[int, Any]) -> None:
        self._asked = key
        a, b = kept.source, _still(shown.source)

        def work(progress: Any) -> tuple[Agreement, tuple[Any, Any]]:
            from studio.cellseg.agreement import compare

            found = compare(a, b, progress)
            return found, (found.a.lookup(), found.b.lookup())

        def now() -> bool:
            return (self._document.overlay_version, self._document.comparison.kept) == key

        def apply(job: Job) -> None:
            if now():
                self.agreement, lookups = cast("tuple[Agreement, Any]", job.result)
                self._document.comparison.lookups = lookups
                self._document.comparison.version += 1

        def failed(job: Job) -> None:
            # Cells that were replaced meanwhile can't be read any more, and nobody needs to know.
            if now():
                self._host.notify("warning", job.error or "A and B can't be compared.")

        self._job = self._run("Compare", work, apply, failed=failed)

    def _forget(self) -> None:
        """What was known of A and B, or is being found out, isn't true any more."""
        if self._job is not None and self.busy:
            self._host.cancel(self._job)
        self.agreement = self.index = None
        comparison = self._document.comparison
        comparison.selected_a = 0
        if comparison.lookups is not None:
            comparison.lookups = None
            comparison.version += 1


def _still(source: LabelSource) -> LabelSource:
    """A source that stays as it is now for as long as it is read; arrays are replaced, not written into."""
    return ArraySource(source.labels, source.geometry) if isinstance(source, ArraySource) else source


def _frozen(source: LabelSource) -> LabelSource:
    """A source that stays as it is now, for itself. Cells in memory are copied, those of a file don't change."""
    if not isinstance(source, ArraySource):
        return source
    flows = None if source.flows is None else source.flows.copy()
    centroids = source.centroids() if source.has_centroids else None
    return ArraySource(source.labels.copy(), source.geometry, flows, centroids)
