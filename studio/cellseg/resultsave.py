"""Saving a segmentation: a copy where nothing changed, else chunk by chunk through a `ResultWriter`."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.measure import measure_labels, renumber, windows
from studio.cellseg.resultwrite import ResultWriter
from studio.cellseg.zipwrite import copy_file, not_written

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress

_FLOW_WINDOW = 1024


def save_result(segmentation: Segmentation, path: Path, *, centroids: bool, flows: bool, progress: Progress) -> Path:
    """Write a segmentation to `path`; see `Segmentation.save`."""
    file = segmentation.file
    as_it_is = file is not None and not file.foreign and not segmentation.changed and file.path.is_file()
    if file is not None and as_it_is and centroids == file.has_centroids and (flows or not file.has_flows):
        progress.start(1, "Copying")
        copy_file(file.path, path)
        progress.advance()
        return path
    with _workdir(path) as workdir:
        try:
            _write(segmentation, path, workdir, centroids, flows and segmentation.has_flows, progress)
        except OSError as error:
            raise not_written(path, error) from error
    return path


@contextlib.contextmanager
def _workdir(path: Path) -> Iterator[Path]:
    """A folder beside the file to be, gone afterwards."""
    try:
        workdir = Path(tempfile.mkdtemp(dir=path.absolute().parent, prefix=f".{path.name}-"))
    except OSError as error:
        raise not_written(path, error) from error
    try:
        yield workdir
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


def _write(
    segmentation: Segmentation, path: Path, workdir: Path, centroids: bool, flows: bool, progress: Progress
) -> None:
    place = segmentation.geometry
    writer = ResultWriter(
        path,
        shape=place.shape,
        geometry=place,
        wsi_dim=segmentation.wsi_dim,
        wsi_offset=segmentation.wsi_offset,
        meta=segmentation.meta,
        workdir=workdir,
        flows=flows,
    )
    parts = list(windows(place.shape))
    flow_parts = list(windows(place.shape, _FLOW_WINDOW)) if flows else []
    progress.start(2 * len(parts) + len(flow_parts), "Saving cells")
    ids, points, columns = _table(segmentation, progress, len(parts))
    new = np.arange(1, len(ids) + 1, dtype=np.uint32)
    in_order = not len(ids) or int(ids[-1]) == len(ids)
    for row, col, rows, cols in parts:
        if segmentation.occupied(row, col, rows, cols):
            labels = segmentation.read_labels(0, row, col, rows, cols)
            writer.write_labels(row, col, labels if in_order else renumber(labels, ids, new))
        progress.advance()
    for row, col, rows, cols in flow_parts:
        writer.write_flow(row, col, segmentation.read_flow(0, row, col, rows, cols))
        progress.advance()
    writer.write_cells(points, columns, store_centroids=centroids)
    # What's left is short beside it; called all the same, so that a cancelled job stops here too.
    writer.finish(lambda: progress.advance(0))


def _table(
    segmentation: Segmentation, progress: Progress, steps: int
) -> tuple[NDArray[np.uint32], NDArray[np.float64], dict[str, NDArray[Any]]]:
    """Numbers, centroids and columns of the cells: the file's, or measured where there is none."""
    stored = {name: read() for name, read in segmentation.stored_columns.items()}
    if segmentation.file is not None and not segmentation.file.foreign:
        progress.advance(steps)
        return segmentation.ids, segmentation.centroids(), stored
    measured = measure_labels(
        segmentation.read_labels,
        segmentation.geometry.shape,
        occupied=segmentation.occupied,
        advance=progress.advance,
    )
    fitting = {name: column for name, column in stored.items() if len(column) == len(measured.ids)}
    return measured.ids, measured.centroids, measured.columns(segmentation.geometry) | fitting
