"""The cell table as CSV, Parquet or AnnData."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.exports import needs
from studio.cellseg.exports.packed import opened

if TYPE_CHECKING:
    from studio.cellseg.exports import Options
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress

ROWS = 50_000
"""Rows written at a time; a row group of Parquet."""

_PLACES = ("x", "y", "x_um", "y_um", "row", "column")


def write_csv(segmentation: Segmentation, out: Path, options: Options, progress: Progress) -> None:
    """Write a table with a header, one line a cell; floats with up to seven significant digits."""
    columns = _columns(segmentation, options)
    count = len(columns["id"])
    progress.start(-(-count // ROWS), "Writing the table")
    with opened(out, packed=options.packed) as file:
        file.write((",".join(columns) + "\n").encode())
        for first in range(0, count, ROWS):
            texts = [_texts(column[first : first + ROWS]) for column in columns.values()]
            file.write(("\n".join(map(",".join, zip(*texts, strict=True))) + "\n").encode())
            progress.advance()


def _texts(values: NDArray[Any]) -> list[str]:
    if values.dtype.kind in "iub":
        return list(map(str, values.tolist()))
    # An empty field where a value isn't known; centroids keep a hundredth of a pixel on the largest slides.
    return ["" if value != value else f"{value:.9g}" for value in values.tolist()]


def write_parquet(segmentation: Segmentation, out: Path, options: Options, progress: Progress) -> None:
    """Write a Parquet file; what is known of slide and run stands in its metadata under `studio`."""
    pyarrow = needs("pyarrow", "Parquet")
    parquet = needs("pyarrow.parquet", "Parquet")
    columns = _columns(segmentation, options)
    count = len(columns["id"])
    progress.start(-(-count // ROWS), "Writing the table")
    schema = pyarrow.schema(
        [(name, pyarrow.from_numpy_dtype(column.dtype)) for name, column in columns.items()],
        metadata={"studio": json.dumps(segmentation.meta)},
    )
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for first in range(0, count, ROWS):
            part = [pyarrow.array(column[first : first + ROWS]) for column in columns.values()]
            writer.write_table(pyarrow.Table.from_arrays(part, schema=schema))
            progress.advance()


def write_h5ad(segmentation: Segmentation, out: Path, options: Options, progress: Progress) -> None:
    """Write an AnnData file: measurements in `X`, places in slide pixels in `obsm["spatial"]`, the rest in `obs`."""
    anndata = needs("anndata", "AnnData")
    pandas = needs("pandas", "AnnData")
    progress.start(2, "Writing AnnData")
    columns = _columns(segmentation, options)
    ids = columns.pop("id")
    spatial = np.stack([columns["x"], columns["y"]], axis=1)
    measured = [name for name in columns if name not in _PLACES and not name.startswith("bbox_")]
    matrix = np.stack([columns[name].astype(np.float32) for name in measured], axis=1)
    index = pandas.Index(list(map(str, ids.tolist())), name="cell")
    others = {name: column for name, column in columns.items() if name not in measured and name not in ("x", "y")}
    place = segmentation.geometry
    progress.advance()
    data = anndata.AnnData(
        matrix,
        obs=pandas.DataFrame({"id": ids, **others}, index=index),
        var=pandas.DataFrame(index=pandas.Index(measured, name="measurement")),
        obsm={"spatial": spatial},
        uns={
            "spatial_unit": "slide pixels",
            "mpp": -1.0 if place.mpp is None else place.mpp / place.scale_x,
            # As text: AnnData files hold no nested lists of mixed types.
            "studio": json.dumps(segmentation.meta),
        },
    )
    data.write_h5ad(out, compression="gzip")
    progress.advance()


def _columns(segmentation: Segmentation, options: Options) -> dict[str, NDArray[Any]]:
    """One-dimensional columns of the cells that are wanted."""
    columns = segmentation.cell_table.flat()
    window = options.window(segmentation)
    if window is None:
        return columns
    rows = (columns["row"] >= window[0] - 0.5) & (columns["row"] < window[0] + window[2] - 0.5)
    rows &= (columns["column"] >= window[1] - 0.5) & (columns["column"] < window[1] + window[3] - 0.5)
    return {name: column[rows] for name, column in columns.items()}
