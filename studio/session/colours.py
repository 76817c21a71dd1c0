"""Cells by the values of a column: reads it in the background and hands it to whoever draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from studio.cellseg.cellvalues import CellValues, cell_values, colour_columns
from studio.core.jobs import Job
from studio.document import FILL_BY_CELL, PLAIN_FILL
from studio.session.findings import table_of_source

if TYPE_CHECKING:
    from studio.cellseg.celltable import CellTable
    from studio.session.base import JobHost


class Colours:
    """Held by the session as `session.colours`; main thread only. `document.style.fill` says what is wanted."""

    def __init__(self, host: JobHost, run: Callable[..., Job]) -> None:
        """`run` is the host's way to do something on a thread."""
        self._host = host
        self._run = run
        self._version = -1
        self._table: CellTable | None = None
        self._asked: tuple[int, str] | None = None
        self._job: Job | None = None

    @property
    def columns(self) -> list[str]:
        """Columns that the cells on the slide can be coloured by."""
        table = self._current()
        return [] if table is None else colour_columns(table)

    @property
    def busy(self) -> bool:
        """Whether a column is being read or measured."""
        return self._job is not None and not self._job.state.final

    def follow(self) -> bool:
        """Once a frame: get the column that the style asks for, if it isn't there. Whether the picture changed."""
        document = self._host.document
        overlay, column = document.overlay, document.style.fill
        if overlay is None or column in (PLAIN_FILL, FILL_BY_CELL):
            return False
        key = (document.overlay_version, column)
        if key == self._asked or self.busy:
            return False
        self._asked = key
        if column not in self.columns:
            return False
        source, table = overlay.source, self._current()
        assert table is not None

        def work(_progress: object) -> CellValues:
            return cell_values(source, table, column)

        def apply(job: Job) -> None:
            # Values of cells that have changed since are shown until those of the new ones are there.
            if document.overlay is not None and document.overlay.source is source:
                document.values = cast(CellValues, job.result)

        def failed(job: Job) -> None:
            if document.overlay is not None and document.overlay.source is source:
                self._host.notify("error", job.error or f"The column {column} can't be read.")
                document.style.fill, self._asked = PLAIN_FILL, None

        self._job = self._run("Colours", work, apply, failed=failed)
        return False

    def _current(self) -> CellTable | None:
        document = self._host.document
        if document.overlay_version != self._version:
            self._version = document.overlay_version
            self._table = None if document.overlay is None else table_of_source(document.overlay.source)
        return self._table
