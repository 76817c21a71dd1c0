"""A segmentation: masks, flows, centroids and cell table of a slide, in memory or in a result file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.celltable import Cells, CellTable
from studio.cellseg.memory import ArraySource, checked_masks, placed_by
from studio.cellseg.mismatch import mismatch_text, slide_facts, slide_of
from studio.cellseg.paint import Pictures
from studio.cellseg.resultfile import ResultFile
from studio.cellseg.source import MaskGeometry
from studio.core.jobs import NullProgress, Progress

if TYPE_CHECKING:
    from studio.cellseg.kept import KeptCells
    from studio.cellseg.measure import Measured
    from studio.cellseg.outlines import Outlines
    from studio.slide import WSI

_NOTHING = NullProgress()


class Segmentation(Pictures):
    """Cells of a slide. A `LabelSource`, so the viewer draws it; reads are safe from any thread.

    From a file (`load`) everything is lazy: `labels` and `read_region` read the
    chunks they need, `masks` is the whole array. From arrays, `masks` is the array given.

    Args:
        masks: (H, W) whole numbers, 0 = background, each cell a number of its own.
        slide: the slide they belong to, or its name.
        flows: (H, W, 3) float (dY, dX, cell probability), or uint8: a picture of directions as Cellpose paints it.
        wsi_dim: width and height in slide pixels of what the masks cover.
        wsi_offset: x, y in slide pixels of their upper left corner.
        centroids: (N, 2) row, column of cells 1 to N in mask pixels; measured where missing.
        meta: what else is known; plain JSON values, stored in the file.
        geometry: where the masks lie, exactly; in place of `wsi_dim` and `wsi_offset`.

    >>> masks = np.zeros((20, 30), np.uint32)
    >>> masks[2:6, 3:9], masks[10:15, 20:24] = 1, 2
    >>> found = Segmentation(masks, wsi_dim=(60, 40))
    >>> found.cells, found.centroids(wsi_dim=True).tolist(), found.labels[10:12, 19:22].tolist()
    (2, [[12.0, 8.0], [44.0, 25.0]], [[0, 2, 2], [0, 2, 2]])
    """

    def __init__(
        self,
        masks: NDArray[Any],
        *,
        slide: WSI | str | None = None,
        flows: NDArray[Any] | None = None,
        wsi_dim: Sequence[float] | None = None,
        wsi_offset: Sequence[float] | None = None,
        centroids: NDArray[Any] | None = None,
        meta: dict[str, Any] | None = None,
        geometry: MaskGeometry | None = None,
    ) -> None:
        labels = checked_masks(masks)
        known = dict(meta or {})
        if slide is not None and not isinstance(slide, str):
            known.setdefault("slide", slide_facts(slide))
            wsi_dim = wsi_dim or slide.size
        elif slide:
            known.setdefault("slide", {"name": slide})
        place = geometry or placed_by(labels.shape, wsi_dim, wsi_offset, known.get("mpp"))
        placed = geometry is not None or wsi_dim is not None
        field = flows
        if flows is not None and flows.dtype == np.uint8:
            from studio.cellseg.flowpicture import flow_from_picture

            field = flow_from_picture(flows)
        self._begin(ArraySource(labels, place, field, centroids), known, placed, flows)
        self._masks: NDArray[np.uint32] | None = labels

    def _begin(self, source: ArraySource | ResultFile, meta: dict[str, Any], placed: bool, flows: Any) -> None:
        self._source = source
        self.meta = meta
        self._placed = placed
        self._flows = flows
        self._masks = None
        self._measured: Measured | None = None
        self._kept: KeptCells | None = None
        self._kept_rows: NDArray[np.bool_] | None = None
        self._outlines: Outlines | None = None
        self._stains: dict[str, NDArray[np.float32]] = {}
        self._lock = threading.RLock()

    @classmethod
    def load(cls, path: str | Path, progress: Progress = _NOTHING) -> Segmentation:
        """Open a result file, ours or Slideflow's. Raises ResultFileError, which says what is wrong.

        Nothing but the description is read, except that the cells of a
        Slideflow file are counted, which takes a pass over its masks (its own list lacks the last cell).
        """
        file = ResultFile(Path(path))
        self = cls.__new__(cls)
        self._begin(file, file.meta, file.wsi_dim is not None or "geometry" in file.meta, file.flow_array)
        try:
            if file.foreign:
                self._measure(progress)
        except BaseException:
            file.close()
            raise
        return self

    def save(self, path: str | Path, centroids: bool = True, flows: bool = True, progress: Progress = _NOTHING) -> Path:
        """Write a result file; what was at `path` stays whole until the new file is. Returns `path`.

        In the file the cells are numbered 1 to N in the order of their numbers here.

        Args:
            path: the file to make or replace.
            centroids: whether to store centroids.
            flows: whether to store the flows, if there are any.
            progress: told how far it is.

        Raises:
            ResultFileError: it can't be written there.
        """
        from studio.cellseg.resultsave import save_result

        return save_result(self, Path(path), centroids=centroids, flows=flows, progress=progress)

    @property
    def file(self) -> ResultFile | None:
        """The open file this was loaded from; None for one in memory."""
        return self._source if isinstance(self._source, ResultFile) else None

    @property
    def changed(self) -> bool:
        """Whether cells were taken away or columns added since it was made or loaded."""
        return self._kept is not None or bool(self._stains)

    @property
    def slide(self) -> str | None:
        """Name of the slide, where it is known."""
        name = slide_of(self.meta).get("name")
        return name if isinstance(name, str) else None

    @property
    def geometry(self) -> MaskGeometry:  # type: ignore[override]
        """Where the masks lie on the slide."""
        return self._source.geometry

    @property
    def level_count(self) -> int:
        """Levels of the pyramid; level k is 2**k times coarser (ceil(shape / 2**k))."""
        return self._source.level_count

    @property
    def cells(self) -> Cells:
        """How many cells there are; `cells["area_um2"]` is a column of `cell_table`, what is known of each."""
        count = self._all_cells if self._kept_rows is None else int(np.count_nonzero(self._kept_rows))
        return Cells.of(count, lambda: self.cell_table)

    @cached_property
    def _all_cells(self) -> int:
        if isinstance(self._source, ResultFile) and not self._source.foreign and self._source.cells >= 0:
            return self._source.cells
        if isinstance(self._source, ArraySource) and self._source.has_centroids:
            return self._source.cells
        return len(self._measure().ids)

    @property
    def ids(self) -> NDArray[np.uint32]:
        """(N,) the cells' numbers in the masks, ascending; row i of centroids and table is cell `ids[i]`."""
        source = self._source
        if isinstance(source, ResultFile) and not source.foreign and self._measured is None:
            return self._rows(np.arange(1, self._all_cells + 1, dtype=np.uint32))
        return self._rows(self._measure().ids)

    @property
    def wsi_dim(self) -> tuple[int, int]:
        """Width and height in slide pixels of what the masks cover."""
        stored = self._source.wsi_dim if isinstance(self._source, ResultFile) else None
        place = self.geometry
        return stored or (round(place.shape[1] * place.scale_x), round(place.shape[0] * place.scale_y))

    @property
    def wsi_offset(self) -> tuple[int, int]:
        """x, y in slide pixels of the masks' upper left corner."""
        stored = self._source.wsi_offset if isinstance(self._source, ResultFile) else None
        return stored or (round(self.geometry.offset_x), round(self.geometry.offset_y))

    @property
    def wsi_ratio(self) -> float:
        """Slide pixels per mask pixel."""
        return self.geometry.scale_x

    @property
    def labels(self) -> Any:
        """The masks, (H, W) uint32, to be indexed with integers and slices; reads only what is asked for."""
        labels = self._source.labels
        if self._kept is None:
            return labels
        from studio.cellseg.kept import KeptLabels

        return KeptLabels(labels, self._kept)

    @property
    def masks(self) -> NDArray[np.uint32]:
        """The whole mask as an array, (H, W) uint32; made on first access, read-only for one from a file.

        Where memory is short it lies in a scratch file. Raises
        ResultFileError where no disk has room either: then use `labels`.
        """
        with self._lock:
            if self._masks is None:
                from studio.cellseg.measure import windows
                from studio.cellseg.scratch import whole_array

                whole = whole_array(self.geometry.shape, np.uint32, "The whole mask")
                for row, col, rows, cols in windows(self.geometry.shape):
                    if self.occupied(row, col, rows, cols):
                        whole[row : row + rows, col : col + cols] = self.read_labels(0, row, col, rows, cols)
                whole.setflags(write=False)
                self._masks = whole
            return self._masks

    def read_region(self, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint32]:
        """Labels of a window in mask pixels, (rows, cols) uint32, 0 outside the masks."""
        return self.read_labels(0, row, col, rows, cols)

    def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint32]:
        """Labels of a window at a level of the pyramid, (rows, cols) uint32, 0 outside."""
        labels = self._source.read_labels(level, row, col, rows, cols)
        return labels if self._kept is None else self._kept(labels)

    def occupied(self, row: int, col: int, rows: int, cols: int) -> bool:
        """Whether a window of the masks can hold cells; cheap, and never wrong when it says no."""
        return not isinstance(self._source, ResultFile) or self._source.occupied(row, col, rows, cols)

    @property
    def has_flows(self) -> bool:
        """Whether there are flows."""
        return self._source.has_flows

    @property
    def flows(self) -> Any:
        """Flows (H, W, 3): float (dY, dX, cell probability), or, from Slideflow, uint8 colours; None without.

        Lazy for one from a file: index it, or `np.asarray` for the whole.
        """
        return self._flows

    @property
    def cellprob(self) -> Any:
        """Cell probability (H, W), lazy for one from a file; None without flows, and where they are a picture."""
        if self._flows is None or self._flows.dtype == np.uint8:
            return None
        if isinstance(self._flows, np.ndarray):
            return self._flows[..., 2]
        from studio.cellseg.chunked import Channel

        return Channel(self._flows, 2)

    def read_flow(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.float16]:
        """Flow (dY, dX, cell probability) of a window at a level, (rows, cols, 3) float16, 0 outside."""
        return self._source.read_flow(level, row, col, rows, cols)

    def centroids(self, wsi_dim: bool = False) -> NDArray[np.float64]:
        """(N, 2): row, column in mask pixels; with `wsi_dim`, x, y in slide pixels. Measured where not stored."""
        stored = self._measured is None and self._source.has_centroids
        points = self._rows(self._source.centroids() if stored else self._measure().centroids)
        return self.geometry.slide_from_mask(points) if wsi_dim else points

    def calculate_centroids(self, force: bool = False, progress: Progress = _NOTHING) -> None:
        """Measure the cells now rather than when first asked; with `force` even where centroids are stored."""
        if force or not self._source.has_centroids:
            self._measure(progress)

    @property
    def cell_table(self) -> CellTable:
        """What is known of each cell, as columns; see `CellTable`."""
        from studio.cellseg.celltable import table_of

        return table_of(self)

    @property
    def stored_columns(self) -> dict[str, Callable[[], NDArray[Any]]]:
        """Readers of the columns that are there and needn't be measured, by name."""
        file = self.file
        names = [*(sorted(file.columns) if file is not None else ()), *self._stains]
        return {name: partial(self._stored_column, name) for name in names}

    def _stored_column(self, name: str) -> NDArray[Any]:
        stains = self._stains.get(name)
        if stains is not None:
            return self._rows(stains)
        assert self.file is not None
        return self._rows(self.file.column(name))

    def measure_stains(self, slide: WSI, progress: Progress = _NOTHING) -> None:
        """Add each cell's mean haematoxylin and eosin density (channels, for fluorescence) to the cell table.

        Reads the slide where there are cells; see `studio.cellseg.stains`. `save` stores the columns.
        """
        from studio.cellseg.stains import stain_columns

        found = stain_columns(self, slide, progress)
        rows = np.ones(len(self.ids), np.bool_) if self._kept_rows is None else self._kept_rows
        for name, values in found.items():
            self._stains[name] = np.full(len(rows), np.nan, np.float32)
            self._stains[name][rows] = values

    def measured_column(self, name: str) -> NDArray[Any]:
        """A column measured in the masks."""
        return self._rows(self._measure().columns(self.geometry)[name])

    @property
    def outlines(self) -> Outlines:
        """Each cell's outer contour, an (n, 2) array of x, y in mask pixels; computed on first access."""
        self.calculate_outlines()
        assert self._outlines is not None
        return self._outlines

    def calculate_outlines(self, force: bool = False, progress: Progress = _NOTHING) -> None:
        """Trace the cells' contours now rather than when first asked."""
        from studio.cellseg.outlines import trace_all

        with self._lock:
            if self._outlines is None or force:
                self._outlines = trace_all(self, progress)

    def apply_rois(self, scale: float, polys: Sequence[Any]) -> None:
        """Keep only cells whose centroid lies in one of the regions; masks, centroids and table follow.

        Args:
            scale: slide pixels to one unit of the polygons' coordinates.
            polys: shapely polygons, or (n, 2) arrays of x, y.
        """
        from studio.cellseg.regions import inside_any

        self._keep(inside_any(self.centroids(wsi_dim=True) / scale, polys))

    def mismatch(self, slide: WSI) -> str | None:
        """What speaks against these cells being of that slide, in a sentence, or None."""
        return mismatch_text(self.meta, self.geometry, slide, placed=self._placed)

    def info(self) -> dict[str, Any]:
        """What is known of it, as JSON takes it."""
        from studio.cellseg.describe import describe

        return describe(self)

    def close(self) -> None:
        """Let go of the file; reads afterwards raise."""
        self._source.close()
        self._masks = self._outlines = None

    def __enter__(self) -> Segmentation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        rows, cols = self.geometry.shape
        return f"<Segmentation of {self.slide or 'a slide'}, {rows} × {cols} px>"

    def _measure(self, progress: Progress = _NOTHING) -> Measured:
        """Shape of all cells of the source, also of those that aren't kept."""
        with self._lock:
            if self._measured is None:
                from studio.cellseg.measure import measure_source

                self._measured = measure_source(self._source, progress)
            return self._measured

    def _rows(self, table: NDArray[Any]) -> NDArray[Any]:
        return table if self._kept_rows is None else table[self._kept_rows]

    def _keep(self, rows: NDArray[np.bool_]) -> None:
        """Keep those of the present cells."""
        from studio.cellseg.kept import KeptCells

        with self._lock:
            kept = KeptCells(self.ids[rows])
            before = self._kept_rows
            self._kept_rows = np.zeros(self._all_cells, np.bool_)
            self._kept_rows[np.flatnonzero(rows) if before is None else np.flatnonzero(before)[rows]] = True
            self._kept = kept
            self._masks = self._outlines = None
