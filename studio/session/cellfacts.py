"""What is known of one cell, in words: which one lies at a point of the slide, and its measures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from studio.cellseg.cellvalues import colour_columns
from studio.cellseg.columns import column_title, column_unit
from studio.cellseg.livesource import LiveSource

if TYPE_CHECKING:
    from studio.cellseg.celltable import CellTable
    from studio.cellseg.source import LabelSource

_FIRST = ("area_um2", "area_px2", "major_um", "major_px", "minor_um", "minor_px", "eccentricity")
"""Shown before what else a file has; perimeters are left to the table."""

_LEFT_OUT = ("perimeter_um", "perimeter_px")
_MOST = 8


@dataclass(frozen=True, slots=True)
class CellFacts:
    """A cell and its measures."""

    label: int
    title: str
    measures: tuple[tuple[str, str], ...] = ()
    """(name, value with unit) pairs."""
    center: tuple[float, float] | None = None
    """x, y in slide pixels."""

    @property
    def text(self) -> str:
        """All of it in a line: the number, and the first measures."""
        return ", ".join([self.title, *(f"{name.lower()} {value}" for name, value in self.measures[:2])])


def label_at(source: LabelSource, x: float, y: float) -> int:
    """The label at a point of the slide, 0 for none. Reads a piece of the mask: not for the main thread."""
    place = source.geometry
    row = math.floor((y - place.offset_y) / place.scale_y)
    col = math.floor((x - place.offset_x) / place.scale_x)
    if not (0 <= row < place.shape[0] and 0 <= col < place.shape[1]):
        return 0
    return int(source.read_labels(0, row, col, 1, 1)[0, 0])


def live_facts(source: LiveSource, label: int, near: tuple[float, float] | None = None) -> CellFacts | None:
    """What finished blocks of a run under way tell of a cell, of which `near` is a slide point; None if there is none.

    Cells get their numbers when the run is complete. Reads files: not for the main thread.
    """
    cell = source.cell(label, near)
    if cell is None:
        return None
    title = "Cell, run under way" if cell.whole else "Part of a cell, run under way"
    names = [name for name in _FIRST if name in cell.measures]
    names += [name for name in cell.measures if name not in names]
    measures = [(column_title(name), value_text(cell.measures[name], column_unit(name))) for name in names]
    return CellFacts(label, title, tuple(measures), cell.center)


def facts_of(table: CellTable, label: int) -> CellFacts | None:
    """What is known of a cell; None for a label that no cell has. Reads whole columns: not for the main thread."""
    ids = np.asarray(table["id"])
    row = int(np.searchsorted(ids, label))
    if row >= len(ids) or ids[row] != label:
        return None
    known = colour_columns(table)
    names = [name for name in _FIRST if name in known]
    names += [name for name in known if name not in (*names, *_LEFT_OUT)]
    measures = []
    for name in names[:_MOST]:
        values = table[name]
        if values.ndim == 1 and values.dtype.kind in "fiub" and math.isfinite(value := float(values[row])):
            measures.append((column_title(name), value_text(value, column_unit(name))))
    return CellFacts(label, f"Cell {label:,}", tuple(measures), (float(table["x"][row]), float(table["y"][row])))


def value_text(value: float, unit: str = "") -> str:
    """A value to three digits, with its unit."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}" if unit else text
