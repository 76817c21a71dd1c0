"""What the results panel shows of a segmentation, worked out on a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.celltable import CellTable
from studio.cellseg.cellvalues import colour_columns
from studio.cellseg.distribution import Density, Distribution, densities, distribution
from studio.cellseg.memory import ArraySource
from studio.cellseg.result import Segmentation

if TYPE_CHECKING:
    from studio.cellseg.searched import Searched
    from studio.cellseg.source import LabelSource
    from studio.slide import WSI
    from studio.slide.roi import ROI

ID = "id"


@dataclass(frozen=True, slots=True)
class Query:
    """What a person asks of the cells."""

    column: str = ""
    """Whose distribution is shown; empty, or one that isn't there: the area."""
    sort: str = ID
    descending: bool = False
    span: tuple[float, float] | None = None
    """Only cells whose `column` lies in it, ends included."""


@dataclass(frozen=True, eq=False, slots=True)
class Findings:
    """The answer. Arrays have a row for each cell of the segmentation, whatever is listed."""

    query: Query
    cells: int
    densities: tuple[Density, ...]
    columns: tuple[str, ...]
    """What `Query.column` may be; none where cells can't be measured (yet)."""
    column: str
    """What was taken for it."""
    distribution: Distribution | None
    values: dict[str, NDArray[np.generic]]
    """Columns of the table, `id` first."""
    places: NDArray[np.float64]
    """(N, 2) x, y in slide pixels."""
    diam_slide: NDArray[np.float32]
    """Of circles of the cells' areas, in slide pixels."""
    rows: NDArray[np.int64]
    """Rows that are listed, in their order."""

    def line_of(self, cell: int) -> int | None:
        """Where a cell's number stands in the list; None where it isn't listed."""
        lines = np.flatnonzero(self.values[ID][self.rows] == cell)
        return int(lines[0]) if len(lines) else None


def table_of_source(source: LabelSource) -> CellTable | None:
    """The table of an overlay's cells as they are now; None for those of a run under way, which have no numbers yet.

    Nothing is measured before a column is read.
    """
    if isinstance(source, Segmentation):
        return source.cell_table
    if isinstance(source, ArraySource):
        # With centroids nobody needs to look into the labels to know how many cells there are.
        centroids = source.centroids() if source.has_centroids else None
        return Segmentation(source.labels, geometry=source.geometry, centroids=centroids).cell_table
    return None


def find(
    source: LabelSource,
    table: CellTable | None,
    slide: WSI | None,
    rois: tuple[ROI, ...],
    query: Query,
    searched: Searched | None = None,
) -> Findings:
    """Answer a query. Reads and measures as needed: not for the main thread. Raises ResultFileError, SlideError."""
    place = source.geometry
    places = source.centroids(wsi_dim=True) if table is None else np.stack([table["x"], table["y"]], axis=1)
    dense = densities(
        places,
        slide.mpp if slide is not None else None,
        place.rect_slide,
        slide.tissue() if slide is not None else None,
        rois,
        searched,
    )
    if table is None:
        none = np.zeros(0, np.int64)
        return Findings(query, source.cells, dense, (), "", None, {ID: none}, places, np.zeros(0, np.float32), none)
    columns = tuple(colour_columns(table))
    area = next(name for name in columns if name.startswith("area_"))
    column = query.column if query.column in columns else area
    third = "eccentricity" if column == area else column
    values = {name: table[name] for name in (ID, area, third)}
    spread = distribution(values[column])
    rows = _listed(values[column], values[query.sort if query.sort in values else ID], query)
    pixels = values[area].astype(np.float32)
    if place.mpp is not None:
        pixels = pixels * np.float32((place.scale_x / place.mpp) ** 2)
    else:
        pixels = pixels * np.float32(place.scale_x * place.scale_y)
    diam = 2 * np.sqrt(pixels / np.float32(np.pi))
    return Findings(query, table.rows, dense, columns, column, spread, dict(values), places, diam, rows)


def _listed(column: NDArray[np.generic], key: NDArray[np.generic], query: Query) -> NDArray[np.int64]:
    """Rows within the span, sorted; what isn't known comes last."""
    rows = np.arange(len(column))
    if query.span is not None:
        low, high = query.span
        rows = rows[(column >= low) & (column <= high)]  # type: ignore[operator]
    chosen = key[rows]
    if query.descending:
        # Equal values stay in the order of their numbers.
        order = len(chosen) - 1 - np.argsort(chosen[::-1], kind="stable")[::-1]
        if chosen.dtype.kind == "f":
            unknown = np.isnan(chosen[order].astype(np.float64))
            order = np.concatenate([order[~unknown], order[unknown]])
    else:
        order = np.argsort(chosen, kind="stable")
    return np.asarray(rows[order], np.int64)
