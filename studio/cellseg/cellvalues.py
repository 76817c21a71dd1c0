"""One value for each cell, to colour cells by: a column of the cell table, laid out by label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.columns import NOT_MEASURES
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.cellseg.celltable import CellTable
    from studio.cellseg.source import LabelSource

ROW = 4096
"""Labels to a row of the table: the width of a texture that every graphics card takes."""

ID_BITS = 24
"""Of labels, as the viewer knows them; 16,777,215 cells."""

NO_VALUE = np.float32(-3e38)

ROBUST = (2.0, 98.0)
"""Percentiles that colours begin and end with: a few odd cells must not take all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class CellValues:
    """Values of a source's cells."""

    source: LabelSource
    column: str
    table: NDArray[np.float32]
    """(rows, ROW): the value of label n (its low 24 bits) at `divmod(n, ROW)`; NO_VALUE where there is none."""
    low: float
    high: float
    """Robust range; `high` is above `low`."""

    def of(self, label: int) -> float | None:
        """The value of a cell, or None."""
        row, col = divmod(label & ((1 << ID_BITS) - 1), ROW)
        value = float(self.table[row, col]) if row < len(self.table) else float(NO_VALUE)
        return None if value <= NO_VALUE else value


def colour_columns(table: CellTable) -> list[str]:
    """Columns that cells can be coloured by."""
    return [name for name in table if name not in NOT_MEASURES]


def cell_values(source: LabelSource, table: CellTable, column: str) -> CellValues:
    """Lay a column out by label. Raises UsageError for a column that isn't there or holds no numbers."""
    if column not in table:
        raise UsageError(f"These cells have no column {column}; there are {', '.join(colour_columns(table))}.")
    values = np.asarray(table[column])
    if values.ndim != 1 or values.dtype.kind not in "fiub":
        raise UsageError(f"The column {column} holds no numbers to colour cells by.")
    return laid_out(source, column, np.asarray(table["id"], np.uint32), values.astype(np.float32))


def laid_out(
    source: LabelSource, column: str, ids: NDArray[np.uint32], values: NDArray[np.float32] | Sequence[float]
) -> CellValues:
    """Values by label from labels (N,) and their values (N,); what is no number is left out."""
    known = np.asarray(values, np.float32)
    labels = ids & np.uint32((1 << ID_BITS) - 1)
    rows = int(labels.max()) // ROW + 1 if len(labels) else 1
    table = np.full((rows, ROW), NO_VALUE, np.float32)
    finite = np.isfinite(known)
    table.reshape(-1)[labels[finite]] = known[finite]
    low, high = np.percentile(known[finite], ROBUST) if finite.any() else (0.0, 1.0)
    if not high > low:
        # All the same: the middle of the colours.
        low, high = low - max(1.0, abs(low)) / 2, high + max(1.0, abs(high)) / 2
    return CellValues(source, column, table, float(low), float(high))


def has_probability(source: LabelSource) -> bool:
    """Whether `read_flow` gives cell probabilities: not where flows are a picture of directions."""
    from studio.cellseg.result import Segmentation

    return source.has_flows and not (isinstance(source, Segmentation) and source.cellprob is None)
