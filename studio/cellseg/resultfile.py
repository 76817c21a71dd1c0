"""Opening a result file: what is in it is checked, nothing is read before it is asked for.

Two kinds are known: ours (FORMAT.md) and Slideflow's, which has masks, perhaps
centroids, a picture of the flows, `wsi_dim` and `wsi_offset`, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.chunked import ChunkedArray, Subsampled, Windowed, check_eager, new_cache
from studio.cellseg.flowpicture import flow_from_picture
from studio.cellseg.resultwrite import FORMAT_VERSION
from studio.cellseg.source import MaskGeometry
from studio.cellseg.zarr2 import MAX_SIDE, FormatError, parse_json
from studio.cellseg.zipread import ZipReader
from studio.errors import ResultFileError

MAX_ATTRIBUTES = 8 << 20
"""Bytes of the JSON that describes a result."""


class ResultFile:
    """A result file, open: a `LabelSource` over its chunks. Raises ResultFileError for what can't be trusted.

    `foreign` says that it isn't one of ours, so nothing but its masks is to be believed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.archive = ZipReader(self.path)
        try:
            self._cache = new_cache()
            self.attributes = self._read_attributes()
            studio = self.attributes.get("studio")
            self.foreign = studio is None
            self.meta: dict[str, Any] = self._checked_meta(studio)
            self._labels = self._pyramid("masks", "pyramid", np.uint32, "labels")
            self._flows = self._open_flows()
            self.wsi_dim, self.wsi_offset = self._pair("wsi_dim"), self._pair("wsi_offset")
            self.geometry = self._read_geometry()
            self._centroids = self._table("centroids", 2)
            self.columns = self._read_columns()
        except BaseException:
            self.archive.close()
            raise

    @property
    def labels(self) -> ChunkedArray:
        """The finest labels, (H, W) uint32, read when indexed."""
        return self._labels[0]  # type: ignore[return-value]

    @property
    def flow_array(self) -> ChunkedArray | None:
        """The flow field (H, W, 3) float16, or Slideflow's picture of it (uint8), or None."""
        return self._flows[0] if self._flows else None  # type: ignore[return-value]

    @property
    def cells(self) -> int:
        """How many cells the file says it has; -1 where it doesn't say."""
        if self._centroids is not None:
            return self._centroids.shape[0]
        counts = self.meta.get("counts")
        said = counts.get("cells") if isinstance(counts, dict) else None
        if not isinstance(said, int) or isinstance(said, bool):
            return -1
        if not 0 <= said <= math.prod(self.labels.shape):
            raise self.archive.damaged(f"it says it has {said:,} cells")
        return said

    @property
    def level_count(self) -> int:
        """Levels of the pyramid."""
        return self.geometry.levels

    @property
    def has_flows(self) -> bool:
        """Whether the flows were saved."""
        return bool(self._flows)

    def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint32]:
        """Labels of a window at a level, (rows, cols) uint32, 0 outside."""
        return self._labels[level].read(row, col, rows, cols)

    def read_flow(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.float16]:
        """Flow (dY, dX, cell probability) of a window at a level, (rows, cols, 3) float16, 0 outside."""
        if not self._flows:
            return np.zeros((rows, cols, 3), np.float16)
        window = self._flows[level].read(row, col, rows, cols)
        return flow_from_picture(window) if window.dtype == np.uint8 else window

    def occupied(self, row: int, col: int, rows: int, cols: int) -> bool:
        """Whether a window of the masks can hold cells."""
        return self.labels.occupied(row, col, rows, cols)

    def centroids(self, wsi_dim: bool = False) -> NDArray[np.float64]:
        """Stored centroids, (N, 2); (0, 2) where there are none."""
        if self._centroids is None:
            return np.zeros((0, 2))
        stored = self._centroids.rows(0, self._centroids.shape[0]).astype(np.float64)
        if not np.isfinite(stored).all():
            raise self.archive.damaged("centroids aren't all numbers")
        return self.geometry.slide_from_mask(stored) if wsi_dim else stored

    @property
    def has_centroids(self) -> bool:
        """Whether centroids are stored."""
        return self._centroids is not None

    def column(self, name: str) -> NDArray[Any]:
        """A stored column of the cell table, N rows. KeyError for a name not in `columns`."""
        array = self.columns[name]
        return array.rows(0, array.shape[0])

    def close(self) -> None:
        """Close the file; reads afterwards raise ResultFileError."""
        self.archive.close()
        self._cache.clear()

    def _read_attributes(self) -> dict[str, Any]:
        if "masks/.zarray" not in self.archive:
            raise ResultFileError(
                f"{self.path.name} holds no masks. Results are zips made by Studio or Slideflow; "
                "a folder packed by hand must have `masks` at its top."
            )
        if ".zattrs" not in self.archive:
            return {}
        try:
            return parse_json(self.archive.read(".zattrs", MAX_ATTRIBUTES))
        except FormatError as error:
            raise self.archive.damaged(f".zattrs {error}") from error

    def _checked_meta(self, studio: Any) -> dict[str, Any]:
        if studio is None:
            return {}
        version = studio.get("format") if isinstance(studio, dict) else None
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise self.archive.damaged("it doesn't say which version of the format it has")
        if version > FORMAT_VERSION:
            raise ResultFileError(
                f"{self.path.name} was made by a newer Studio (format {version}, this one reads up to "
                f"{FORMAT_VERSION}). Update Studio to open it."
            )
        return dict(studio)

    def _pyramid(self, name: str, pyramid: str, dtype: Any, what: str) -> Sequence[Windowed]:
        """A picture's levels: those in the file, the others made from the next finer one."""
        finest = ChunkedArray(self.archive, name, self._cache, dtype=dtype, what=what)
        picture = finest.ndim == (2 if dtype is np.uint32 else 3) and max(finest.shape) <= MAX_SIDE
        if not picture or min(finest.shape) < 1 or (dtype is np.uint32 and finest.meta.dtype.kind not in "iub"):
            raise self.archive.damaged(f"{name} has the shape {finest.shape} and type {finest.meta.dtype}")
        levels: list[Windowed] = [finest]
        for level in range(1, MaskGeometry((finest.shape[0], finest.shape[1]), 1, 1).levels):
            shape = (-(-levels[-1].shape[0] // 2), -(-levels[-1].shape[1] // 2), *finest.shape[2:])
            if pyramid and f"{pyramid}/{level}/.zarray" in self.archive:
                coarser = ChunkedArray(self.archive, f"{pyramid}/{level}", self._cache, dtype=dtype, what=what)
                if coarser.shape != shape:
                    raise self.archive.damaged(f"{pyramid}/{level} has the shape {coarser.shape}, not {shape}")
                levels.append(coarser)
            else:
                levels.append(Subsampled(levels[-1]))
        return levels

    def _open_flows(self) -> Sequence[Windowed]:
        for name, pyramid, dtype in (("flow_field", "flow_pyramid", np.float16), ("flows", "", np.uint8)):
            if f"{name}/.zarray" not in self.archive:
                continue
            levels = self._pyramid(name, pyramid, dtype, "flows")
            stored = levels[0].meta.dtype  # type: ignore[attr-defined]
            if levels[0].shape != (*self.labels.shape, 3) or stored.newbyteorder("=") != dtype:
                raise self.archive.damaged(f"{name} has the shape {levels[0].shape} and type {stored}")
            return levels
        return ()

    def _pair(self, name: str) -> tuple[int, int] | None:
        if f"{name}/.zarray" not in self.archive:
            return None
        array = ChunkedArray(self.archive, name, self._cache)
        if array.shape != (2,) or array.dtype.kind not in "iuf":
            raise self.archive.damaged(f"{name} is no pair of numbers")
        first, second = array[...].tolist()
        if not all(math.isfinite(value) and abs(value) < 1 << 31 for value in (first, second)):
            raise self.archive.damaged(f"{name} is {first}, {second}")
        if name == "wsi_dim" and not (first >= 1 and second >= 1):
            raise self.archive.damaged(f"its masks span {first} × {second} pixels")
        return round(first), round(second)

    def _read_geometry(self) -> MaskGeometry:
        rows, cols = self.labels.shape
        given = self.meta.get("geometry")
        if given is None:
            width, height = self.wsi_dim or (cols, rows)
            x, y = self.wsi_offset or (0, 0)
            return MaskGeometry((rows, cols), width / cols, height / rows, float(x), float(y))
        place = given if isinstance(given, dict) else {}
        scale_x, scale_y = (_number(place.get(name), 1e-6, 1e6) for name in ("scale_x", "scale_y"))
        offset_x, offset_y = (_number(place.get(name), -1e10, 1e10) for name in ("offset_x", "offset_y"))
        mpp = None if place.get("mpp") is None else _number(place["mpp"], 1e-6, 1e6)
        if scale_x is None or scale_y is None or offset_x is None or offset_y is None or mpp == math.inf:
            raise self.archive.damaged("it doesn't say where on the slide its masks lie")
        if place.get("mpp") is not None and mpp is None:
            raise self.archive.damaged("its pixel size is no number")
        return MaskGeometry((rows, cols), scale_x, scale_y, offset_x, offset_y, mpp)

    def _table(self, name: str, width: int | None = None) -> ChunkedArray | None:
        """A table whose rows are cells, checked before it is read whole."""
        if f"{name}/.zarray" not in self.archive:
            return None
        array = ChunkedArray(self.archive, name, self._cache)
        wrong = array.ndim > 2 or (width is not None and array.shape[1:] != (width,)) or array.shape[0] > self._most
        if wrong or (array.ndim == 2 and not 1 <= array.shape[1] <= 16):
            raise self.archive.damaged(f"{name} has the shape {array.shape}")
        check_eager(self.archive, array)
        return array

    @property
    def _most(self) -> int:
        """More cells than pixels can't be."""
        return math.prod(self.labels.shape)

    def _read_columns(self) -> dict[str, ChunkedArray]:
        """Columns of the cell table; all have a row for each cell."""
        columns: dict[str, ChunkedArray] = {}
        if self.foreign:
            return columns
        for entry in self.archive.names("cells/"):
            name = entry.removeprefix("cells/").removesuffix("/.zarray")
            if not entry.endswith("/.zarray") or not name.isidentifier():
                continue
            column = self._table(f"cells/{name}")
            if column is None or column.shape[0] != self.cells:
                raise self.archive.damaged(f"cells/{name} hasn't a row for each cell")
            columns[name] = column
        return columns


def _number(value: Any, low: float, high: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return None
    return float(value)


def file_info(path: str | Path) -> dict[str, Any]:
    """What a result file holds and says of itself, as JSON takes it. Raises ResultFileError."""
    from studio.cellseg.result import Segmentation

    segmentation = Segmentation.load(path)
    try:
        return segmentation.info()
    finally:
        segmentation.close()
