"""GeoJSON as QuPath reads it: one detection a cell, closed valid rings in slide pixels, measurements.

RFC 7946, and QuPath's own `objectType` and `measurements` (QuPath 0.4 and later). A cell in several parts is a
MultiPolygon. The text is put together by compiled code, a block of cells at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.exports.jsontext import Text, cells_text
from studio.cellseg.exports.packed import opened
from studio.cellseg.outlines import traced
from studio.cellseg.trace import UNIT

if TYPE_CHECKING:
    from studio.cellseg.exports import Options
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress

_NOT_MEASURED = {"x", "y", "x_um", "y_um", "row", "column", "bbox"}
"""Where a cell lies is in its geometry."""

_UNITS = (("_um2", " µm^2"), ("_px2", " px^2"), ("_um", " µm"), ("_px", " px"))


def write_geojson(segmentation: Segmentation, out: Path, options: Options, progress: Progress) -> None:
    """Write a FeatureCollection."""
    names, values = measurements(segmentation)
    place = segmentation.geometry
    text = Text(
        prefix=(
            b'{"type":"Feature","geometry":{"type":"',
            b'},"properties":{"objectType":"detection","measurements":{',
            b"}}}",
        ),
        names=names,
        scale=(place.scale_x / UNIT, place.scale_y / UNIT),
        offset=(place.offset_x, place.offset_y),
    )
    first = True
    with opened(out, packed=options.packed) as file:
        file.write(b'{"type":"FeatureCollection","features":[\n')
        for rings in traced(segmentation, progress, options.window(segmentation)):
            block = cells_text(rings, values[rings.rows], text)
            if block:
                file.write(block if not first else block[2:])
                first = False
        file.write(b"\n]}\n")


def measurements(segmentation: Segmentation) -> tuple[list[str], NDArray[np.float64]]:
    """Names as QuPath shows them, and values (N, columns), of what is known of each cell."""
    table = segmentation.cell_table
    names, columns = [], []
    for name, column in table.flat().items():
        if name.split("_")[0] not in _NOT_MEASURED and name not in _NOT_MEASURED:
            names.append(shown_name(name))
            columns.append(column.astype(np.float64))
    return names, np.stack(columns, axis=1) if table.rows else np.zeros((0, len(names)))


def shown_name(name: str) -> str:
    """A column's name for people: `area_um2` is `Area µm^2`."""
    if name == "id":
        return "Cell ID"
    ending, unit = next(((e, u) for e, u in _UNITS if name.endswith(e)), ("", ""))
    return name.removesuffix(ending).replace("_", " ").capitalize() + unit
