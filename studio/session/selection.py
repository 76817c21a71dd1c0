"""The cell under the pointer, and the one that was clicked; of two segmentations, of the one that is seen there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from studio.cellseg.livesource import LiveSource
from studio.core.jobs import Job
from studio.session.cellfacts import CellFacts, facts_of, label_at, live_facts
from studio.session.findings import table_of_source
from studio.session.live import LIVE, RUN

if TYPE_CHECKING:
    from studio.cellseg.celltable import CellTable
    from studio.cellseg.params import SegmentParams
    from studio.cellseg.source import LabelSource
    from studio.document import Document

Point = tuple[float, float]
Lookup = tuple[int, "CellFacts | None"]

DWELL_S = 0.12
"""How long the pointer rests before anybody looks what is under it."""


class Selection:
    """Held by the session as `session.selection`; main thread only. What it shows is looked up on a thread.

    `document.selected_cell` says which cell is selected, whoever selected it; a cell of A that was clicked is
    `document.comparison.selected_a`.
    """

    def __init__(self, document: Document, run: Callable[..., Job]) -> None:
        """`run` is the session's way to do something on a thread."""
        self._document = document
        self._run = run
        self.hovered: CellFacts | None = None
        """The cell under the resting pointer."""
        self.hover_slide: Point | None = None
        """Where the pointer rests."""
        self.selected: CellFacts | None = None
        """What is known of the selected cell, once it is."""
        self._rested_s = 0.0
        self._asked_hover: tuple[Point, LabelSource | None] | None = None
        self._click: tuple[Point, str] | None = None
        """Where, and on which side of a comparison."""
        self._version = -1
        self._shown: tuple[int, str, SegmentParams | None] | None = None
        """Version of the slide, and origin and parameters of the cells that were shown."""
        self._stale = False
        """Whether a run's next block may tell more of the selected cell."""
        self._source: LabelSource | None = None
        self._tables: dict[LabelSource, CellTable | None] = {}
        self._job: Job | None = None

    def point_at(self, position_slide: Point | None) -> None:
        """Say where on the slide the pointer is now; None: elsewhere, or moving the slide."""
        if position_slide != self.hover_slide:
            self.hover_slide, self.hovered, self._asked_hover = position_slide, None, None
            self._rested_s = time.monotonic() + DWELL_S

    def click(self, position_slide: Point) -> None:
        """Select the cell at a point; where there is none, nothing stays selected."""
        self._click = position_slide, self._document.side_at(*position_slide)

    def clear(self) -> bool:
        """Select nothing. Whether anything was selected."""
        had = self._document.selected_cell != 0
        self._document.selected_cell, self.selected, self._click = 0, None, None
        return had

    @property
    def due_s(self) -> float:
        """Seconds until there is something to look up; infinite if there isn't."""
        if self._busy:
            return math.inf
        if self._click is not None or self._needs_facts:
            return 0.0
        if self.hover_slide is None:
            return math.inf
        source = self._source_at(self.hover_slide)
        if self._asked_hover == (self.hover_slide, source) or (source is None and self.hovered is None):
            return math.inf
        return max(0.0, self._rested_s - time.monotonic())

    def follow(self) -> bool:
        """Once a frame: look up what is asked for, one thing at a time. Whether what is shown changed."""
        document = self._document
        changed = False
        if document.overlay_version != self._version:
            changed = self._take_in()
        if self.selected is not None and self.selected.label != document.selected_cell:
            self.selected, changed = None, True
        if self._busy:
            return changed
        if self._click is not None:
            (point, side), self._click = self._click, None
            changed |= self._start(self._source_of(side), point, None, lambda found: self._select(side, found))
        elif self._needs_facts and document.overlay is not None:
            self._stale = False
            self._start(document.overlay.source, None, document.selected_cell, self._describe)
        elif self.hover_slide is not None and self.due_s <= 0:
            asked = self._asked_hover = self.hover_slide, self._source_at(self.hover_slide)
            changed |= self._start(asked[1], asked[0], None, lambda found: self._show_hovered(asked, found))
        return changed

    def _take_in(self) -> bool:
        """Other cells are shown, or more of them. Whether what is shown of one of them changed."""
        document, overlay = self._document, self._document.overlay
        source = overlay.source if overlay is not None else None
        same = overlay is not None and source is self._source
        growing = same and overlay is not None and overlay.origin == LIVE
        before = self._shown
        self._shown = None if overlay is None else (document.slide_version, overlay.origin, overlay.params)
        self._version, self._source = document.overlay_version, source
        self._tables.clear()
        self._asked_hover = None
        if growing:
            # Labels stay; a cell at the edge of a block may have got its other part.
            self._stale = self.selected is not None
            return False
        self._click = None
        if self.selected is not None and before is not None and before == self._shown and before[1] == LIVE:
            # The run goes on after a pause: its blocks come again, with the same labels.
            document.selected_cell, self._stale = self.selected.label, True
            return False
        was_live = before is not None and before[:2] == (document.slide_version, LIVE)
        if was_live and overlay is not None and overlay.origin == RUN and self.selected is not None:
            # The result has the same cells under other numbers.
            self._click = (self.selected.center, "b") if self.selected.center is not None else None
        elif same:
            # Cells that were found anew have other numbers.
            document.selected_cell = 0
        changed = self.hovered is not None or self.selected is not None
        self.hovered, self.selected, self._stale = None, None, False
        return changed

    @property
    def _busy(self) -> bool:
        return self._job is not None and not self._job.state.final

    @property
    def _needs_facts(self) -> bool:
        document = self._document
        return document.overlay is not None and document.selected_cell != 0 and (self.selected is None or self._stale)

    def _source_of(self, side: str) -> LabelSource | None:
        document = self._document
        overlay = {"a": document.comparison.kept, "b": document.overlay}.get(side)
        return overlay.source if overlay is not None else None

    def _source_at(self, point: Point) -> LabelSource | None:
        return self._source_of(self._document.side_at(*point))

    def _start(
        self, source: LabelSource | None, point: Point | None, label: int | None, apply: Callable[[Lookup], None]
    ) -> bool:
        """Look a cell up, by its place or its label; whether it was found out at once, as nothing is shown there."""
        if source is None:
            apply((0, None))
            return True
        if source not in self._tables:
            shown = self._source_of("a"), self._source_of("b")
            self._tables = {each: table for each, table in self._tables.items() if each in shown}
            self._tables[source] = table_of_source(source)
        table = self._tables[source]
        near = point or (self.selected.center if self.selected is not None else None)

        def work(_progress: object) -> Lookup:
            found = label if point is None else label_at(source, *point)
            if not found:
                return 0, None
            if isinstance(source, LiveSource):
                return found, live_facts(source, found, near)
            return found, facts_of(table, found) if table is not None else CellFacts(found, f"Cell {found:,}")

        version = self._version

        def done(job: Job) -> None:
            overlay = self._document.overlay
            growing = overlay is not None and overlay.source is source and overlay.origin == LIVE
            if version == self._document.overlay_version or growing:
                apply(cast(Lookup, job.result))

        def failed(_job: Job) -> None:
            # What can't be read shows as an error tile's gap; a note for each move of the mouse would help nobody.
            if label is not None and self.selected is None:
                self.clear()

        self._job = self._run("Cell", work, done, failed=failed)
        return False

    def _show_hovered(self, asked: tuple[Point, LabelSource | None], found: Lookup) -> None:
        if asked == self._asked_hover:
            self.hovered = found[1]

    def _select(self, side: str, found: Lookup) -> None:
        label, facts = found if found[1] is not None else (0, None)
        document = self._document
        if side == "a":
            document.comparison.selected_a, document.selected_cell, self.selected = label, 0, None
        else:
            document.comparison.selected_a, document.selected_cell, self.selected = 0, label, facts

    def _describe(self, found: Lookup) -> None:
        if found[0] != self._document.selected_cell:
            return
        overlay = self._document.overlay
        if found[1] is None and self.selected is not None and overlay is not None and overlay.origin == LIVE:
            # Its block comes again soon.
            return
        self.selected = found[1]
        if found[1] is None:
            self.clear()
