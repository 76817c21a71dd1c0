"""What was found, in numbers: densities, a distribution, a table of cells to go through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from studio.core.jobs import Job
from studio.session.findings import ID, Findings, Query, find, table_of_source
from studio.session.flight import fly_to
from studio.session.state import PathDialog

if TYPE_CHECKING:
    from collections.abc import Hashable

    from studio.cellseg.celltable import CellTable
    from studio.session.preview import PreviewSession


class Results:
    """Held by the session as `session.results`; main thread only. Works only while somebody calls `follow`.

    One question is being answered at a time; the newest one comes next.
    """

    def __init__(self, host: PreviewSession, run: Callable[..., Job]) -> None:
        """`run` is the host's way to do something on a thread."""
        self._host = host
        self._run = run
        self._document = host.document
        self.query = Query()
        self.found: Findings | None = None
        """The newest answer; of other cells or another query while `busy`."""
        self._answered: Hashable = None
        self._asked: Hashable = None
        self._job: Job | None = None
        self._table: tuple[int, CellTable | None] = (-1, None)

    @property
    def busy(self) -> bool:
        """Whether an answer is on its way."""
        return self._job is not None and not self._job.state.final

    def follow(self) -> None:
        """Say that the results are being looked at: what is out of date is worked out anew, in the background."""
        document = self._document
        overlay, slide = document.overlay, document.slide
        if overlay is None:
            self.found = self._answered = self._asked = None
            self._table = (-1, None)
            return
        key = (
            *(document.slide_version, document.overlay_version, document.rois_version),
            *(slide.mpp if slide is not None else None, self.query),
        )
        # What a preview has found so far isn't worth measuring: more is about to come.
        if key == self._answered or self.busy or key == self._asked or self._host.previewing:
            return
        self._asked = key
        if self._table[0] != document.overlay_version:
            self._table = (document.overlay_version, table_of_source(overlay.source))
        source, table, rois, query = overlay.source, self._table[1], tuple(document.rois), self.query
        searched = overlay.searched

        def work(_progress: object) -> Findings:
            return find(source, table, slide, rois, query, searched)

        def apply(job: Job) -> None:
            if document.overlay is not None and document.overlay.source is source:
                self.found, self._answered = cast("Findings", job.result), key

        def failed(job: Job) -> None:
            # Cells that were replaced meanwhile can't be read any more, and nobody needs to know.
            if document.overlay is not None and document.overlay.source is source:
                self._host.notify("error", job.error or "The cells can't be measured.")

        self._job = self._run("Results", work, apply, failed=failed)

    def ask(self, **changes: Any) -> None:
        """Change the query. Another column takes the span off, which was one of the old column."""
        if changes.get("column", self.query.column) != self.query.column:
            changes.setdefault("span", None)
        self.query = replace(self.query, **changes)

    def sort_by(self, column: str) -> None:
        """Sort the table by a column; once more turns the order round. Measures begin with the largest."""
        if column == self.query.sort:
            self.ask(descending=not self.query.descending)
        else:
            self.ask(sort=column, descending=column != "id")

    def go_to(self, row: int) -> None:
        """Bring the cell of a row of `found` into view, and select it."""
        found = self.found
        if found is None or not 0 <= row < len(found.places):
            return
        self._document.selected_cell = int(found.values[ID][row])
        x, y = found.places[row].tolist()
        fly_to(self._document.view, x, y, float(found.diam_slide[row]))

    def ask_save_histogram(self) -> None:
        """Let the window ask where to save the histogram, as a picture or as numbers."""
        found, slide = self.found, self._document.slide
        if found is None or found.distribution is None:
            self._host.notify("warning", "There is no histogram yet: make a preview or segment the slide.")
            return
        name = f"{slide.name if slide is not None else 'cells'}-{found.column}.png"
        self._host.pending_dialog = PathDialog(
            kind="save",
            title="Save histogram",
            suggested=Path(self._host.settings.last_folder, name),
            suffixes=(".png", ".csv"),
            on_path=self.save_histogram,
        )

    def save_histogram(self, path: str | Path) -> None:
        """Write the histogram: its bars as `.csv`, else a picture (`.png`)."""
        found = self.found
        if found is None or found.distribution is None:
            return
        target = Path(path).expanduser().absolute()
        if target.suffix.lower() not in (".png", ".csv"):
            target = target.with_name(target.name + ".png")
        spread, column = found.distribution, found.column

        def work(_progress: object) -> None:
            from studio.session.plots import write_histogram

            write_histogram(target, spread, column)

        def apply(_job: Job) -> None:
            self._host.notify("success", f"Saved {target}.")

        self._run("Save histogram", work, apply)
