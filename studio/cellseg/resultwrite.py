"""Writing a result: a Zarr folder that many threads fill in any order, then one zip that appears at once."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.chunked import ChunkedArray, new_cache
from studio.cellseg.folderread import FolderReader
from studio.cellseg.source import SMALLEST_LEVEL, MaskGeometry
from studio.cellseg.zarr2 import ArrayMeta, decode, dump_json, encode
from studio.cellseg.zipwrite import pack_folder

FORMAT_VERSION = 1
"""Version of the layout in FORMAT.md; a reader refuses higher ones."""

CHUNK = 512
"""Side of a chunk of masks and flows."""

TABLE_ROWS = 1 << 16
"""Rows in a chunk of a per-cell column."""

_GROUP = '{\n "zarr_format": 2\n}'
_MASK_LEVEL, _FLOW_LEVEL = 3, 1
_POLL_S = 0.1
_NO_NUMBER = 2**32


def shape_columns(unit: str) -> tuple[str, ...]:
    """The columns that every file has; `unit` is `um`, or `px` where the pixel size is unknown."""
    return f"area_{unit}2", f"perimeter_{unit}", f"major_{unit}", f"minor_{unit}", "eccentricity", "bbox"


class ResultWriter:
    """Builds one result file.

    Chunks may come from any thread in any order, each written once; a part
    that never comes is background. Nothing is at `path` before `finish()`,
    and the same content makes the same bytes.

    Args:
        path: the zip to make.
        shape: rows and columns of the mask.
        geometry: where it lies on the slide.
        wsi_dim: width and height in slide pixels of what the mask covers.
        wsi_offset: x, y in slide pixels of its corner.
        meta: what goes under `studio` in the file's attributes; plain JSON values.
        workdir: folder for the Zarr folder being built; better on the disk of `path`.
        flows: whether `write_flow` will be called.
    """

    CHUNK = CHUNK

    def __init__(
        self,
        path: Path,
        *,
        shape: tuple[int, int],
        geometry: MaskGeometry,
        wsi_dim: tuple[int, int],
        wsi_offset: tuple[int, int],
        meta: dict[str, Any],
        workdir: Path,
        flows: bool,
    ) -> None:
        self.path = path
        self.shape = (int(shape[0]), int(shape[1]))
        self._geometry = geometry
        self._meta = meta
        self._folder = workdir / "zarr"
        self._lock = threading.Lock()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._masks = _Pictures(self._folder, "masks", "pyramid", self.shape, np.dtype("<u4"), _MASK_LEVEL)
        self._flows = None
        if flows:
            flow_shape = (*self.shape, 3)
            self._flows = _Pictures(
                self._folder, "flow_field", "flow_pyramid", flow_shape, np.dtype("<f2"), _FLOW_LEVEL
            )
        self._table("wsi_dim", np.asarray(wsi_dim, "<i8"))
        self._table("wsi_offset", np.asarray(wsi_offset, "<i8"))
        self._cells: int | None = None
        self._least = np.full(-(-self.shape[0] // CHUNK), _NO_NUMBER, np.int64)
        """The least number in each row of chunks."""

    def write_labels(self, row: int, col: int, block: NDArray[np.uint32]) -> None:
        """Labels (h, w) of a rectangle that begins on the chunk grid and ends on it or at the mask's edge."""
        self._masks.write(row, col, block)
        for top in range(0, block.shape[0], CHUNK):
            # 0 becomes the largest number there is.
            part = np.asarray(block[top : top + CHUNK], np.uint32)
            least = int((part - np.uint32(1)).min(initial=_NO_NUMBER - 1)) + 1
            with self._lock:
                at = (row + top) // CHUNK
                self._least[at] = min(self._least[at], least)

    def write_flow(self, row: int, col: int, block: NDArray[np.float16]) -> None:
        """Flows (h, w, 3) float16 (dY, dX, cell probability), same rule; 0 where there is no cell saves space."""
        if self._flows is None:
            raise ValueError("this result was begun without flows")
        self._flows.write(row, col, block)

    def write_cells(
        self, centroids: NDArray[np.float64], columns: dict[str, NDArray[Any]], *, store_centroids: bool = True
    ) -> None:
        """Centroids (N, 2), row and column in mask pixels, of cells 1…N, and one array of N rows a column.

        Names of columns are identifiers that end with their unit (`area_um2`, `flow_error`). Area, perimeter,
        axes, eccentricity and box that aren't among them are measured in the masks by `finish`, as is all of
        it where this is never called.
        """
        count = len(centroids)
        for name, column in columns.items():
            if len(column) != count:
                raise ValueError(f"column {name} has {len(column)} rows for {count} cells")
        parts = (
            (centroids[at : at + TABLE_ROWS], {name: column[at : at + TABLE_ROWS] for name, column in columns.items()})
            for at in range(0, max(1, count), TABLE_ROWS)
        )
        self.write_rows(count, parts, store_centroids=store_centroids)

    def write_rows(
        self,
        cells: int,
        parts: Iterable[tuple[NDArray[np.float64], dict[str, NDArray[Any]]]],
        *,
        store_centroids: bool = True,
    ) -> None:
        """`write_cells` of so many cells in parts of TABLE_ROWS each, the last one maybe shorter; one part at least."""
        self._cells = cells
        for i, (centroids, columns) in enumerate(parts):
            if store_centroids:
                self._table("centroids", np.asarray(centroids, "<f8").reshape(-1, 2), cells, i)
            self._columns(columns, i)

    def _columns(self, columns: dict[str, NDArray[Any]], i: int) -> None:
        for name, column in sorted(columns.items()):
            if not name.isidentifier() or name == "id":
                raise ValueError(f"{name!r} is no name for a column")
            values = np.asarray(column)
            self._table(f"cells/{name}", values.astype(values.dtype.newbyteorder("<")), self._cells, i)

    def finish(self, advance: Callable[[], None] = lambda: None) -> Path:
        """Measure what isn't known of the cells, make the coarser levels, pack everything and put it in place.

        `advance` is called now and then; what it raises stops the work, which leaves `path` as it was.
        """
        levels = self._measure_and_build(advance)
        _write(self._folder / "cells" / ".zgroup", _GROUP)
        _write(self._folder / ".zgroup", _GROUP)
        _write(self._folder / ".zattrs", dump_json(self._attributes(levels)))
        pack_folder(self._folder, self.path, advance)
        self.discard()
        return self.path

    def discard(self) -> None:
        """Remove what has been built so far."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _measure_and_build(self, advance: Callable[[], None]) -> int:
        """Measure cells and make coarser levels beside that, which both read the finest; returns how many levels."""
        given_up = threading.Event()

        def go_on() -> None:
            if given_up.is_set():
                raise _GivenUp

        def build() -> int:
            levels = self._masks.build(go_on)
            if self._flows is not None:
                self._flows.build(go_on)
            return levels

        with ThreadPoolExecutor(1, thread_name_prefix="studio-write") as pool:
            building = pool.submit(build)
            try:
                self._measure_rest(advance)
                while not wait([building], _POLL_S).done:
                    advance()
            except BaseException:
                given_up.set()
                raise
            return building.result()

    def _measure_rest(self, advance: Callable[[], None]) -> None:
        """Measure the columns that nobody gave."""
        unit = "px" if self._geometry.mpp is None else "um"
        names = [name for name in shape_columns(unit) if not (self._folder / "cells" / name).is_dir()]
        if self._cells is not None and not names:
            return
        from studio.cellseg.measure import measure_labels
        from studio.cellseg.numbered import measure_numbered

        labels = ChunkedArray(FolderReader(self._folder), "masks", new_cache())

        def read(_level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint32]:
            return labels.read(row, col, rows, cols)

        if self._cells is None:
            measured = measure_labels(read, self.shape, occupied=labels.occupied, advance=advance)
            measured = measured.spread(measured.largest)
            self.write_cells(measured.centroids, measured.columns(self._geometry))
            return
        pieces = measure_numbered(
            read, self.shape, self._cells, self._still_to_come, occupied=labels.occupied, advance=advance
        )
        for i, piece in enumerate(pieces):
            columns = piece.columns(self._geometry)
            self._columns({name: columns[name] for name in names}, i)

    def _still_to_come(self, row: int) -> int:
        """A number below which there is none in this row of pixels and after."""
        return int(self._least[row // CHUNK :].min(initial=_NO_NUMBER))

    def _table(self, name: str, part: NDArray[Any], total: int | None = None, i: int = 0) -> None:
        """Write the `i`-th TABLE_ROWS of an array of `total` rows (by default all that there are), chunked by rows."""
        total = len(part) if total is None else total
        rows = min(TABLE_ROWS, max(1, total))
        meta = ArrayMeta((total, *part.shape[1:]), (rows, *part.shape[1:]), part.dtype, "zstd", _MASK_LEVEL)
        folder = self._folder / name
        if i == 0:
            _write(folder / ".zarray", meta.to_json())
        if len(part):
            chunk = np.zeros(meta.chunks, part.dtype)
            chunk[: len(part)] = part
            _write(folder / meta.key((i,) + (0,) * (part.ndim - 1)), encode(meta, chunk))

    def _attributes(self, levels: int) -> dict[str, Any]:
        place = self._geometry
        studio = dict(self._meta)
        studio["format"] = FORMAT_VERSION
        studio["geometry"] = {
            name: getattr(place, name) for name in ("scale_x", "scale_y", "offset_x", "offset_y", "mpp")
        }
        if self._cells is not None:
            studio["counts"] = {**studio.get("counts", {}), "cells": self._cells}
        return {**_ngff(place, levels), "studio": studio}


class _GivenUp(Exception):  # noqa: N818 - not an error
    """Ends the levels that are being made when the rest has failed or was stopped."""


class _Pictures:
    """A chunked picture and its pyramid, in a folder."""

    def __init__(
        self, folder: Path, name: str, pyramid: str, shape: tuple[int, ...], dtype: np.dtype[Any], level: int
    ) -> None:
        self._levels: list[tuple[Path, ArrayMeta]] = []
        chunks = (CHUNK, CHUNK, *shape[2:])
        while True:
            at = folder / name if not self._levels else folder / pyramid / str(len(self._levels))
            meta = ArrayMeta(shape, chunks, dtype, "zstd", level)
            self._levels.append((at, meta))
            _write(at / ".zarray", meta.to_json())
            if max(shape[:2]) <= SMALLEST_LEVEL:
                break
            shape = (-(-shape[0] // 2), -(-shape[1] // 2), *shape[2:])
        if len(self._levels) > 1:
            _write(folder / pyramid / ".zgroup", _GROUP)

    def write(self, row: int, col: int, block: NDArray[Any]) -> None:
        _, meta = self._levels[0]
        ends = (row + block.shape[0], col + block.shape[1])
        off_grid = row % CHUNK or col % CHUNK or block.shape[2:] != meta.shape[2:]
        if off_grid or any(end % CHUNK and end != size for end, size in zip(ends, meta.shape, strict=False)):
            raise ValueError(f"a block of {block.shape} at {row}, {col} doesn't lie on the grid of chunks")
        if min(row, col) < 0 or any(end > size for end, size in zip(ends, meta.shape, strict=False)):
            raise ValueError(f"a block of {block.shape} at {row}, {col} lies outside {meta.shape}")
        for top in range(0, block.shape[0], CHUNK):
            for left in range(0, block.shape[1], CHUNK):
                part = block[top : top + CHUNK, left : left + CHUNK]
                self._put(0, (row + top) // CHUNK, (col + left) // CHUNK, part)

    def build(self, advance: Callable[[], None]) -> int:
        """Make the coarser levels from the finest; returns how many levels there are."""
        top = len(self._levels) - 1
        if top:
            self._make(top, 0, 0, advance)
        return len(self._levels)

    def _put(self, level: int, i: int, j: int, part: NDArray[Any]) -> None:
        folder, meta = self._levels[level]
        if not part.any():
            return
        chunk = part
        if part.shape != meta.chunks:
            chunk = np.zeros(meta.chunks, meta.dtype)
            chunk[: part.shape[0], : part.shape[1]] = part
        channels = (0,) * (len(meta.shape) - 2)
        _write(folder / meta.key((i, j, *channels)), encode(meta, chunk))

    def _make(self, level: int, i: int, j: int, advance: Callable[[], None]) -> NDArray[Any] | None:
        """The chunk of a level, made from four of the finer one; depth first, so each is decoded once."""
        folder, meta = self._levels[level]
        if i >= meta.grid[0] or j >= meta.grid[1]:
            return None
        if level == 0:
            advance()
            channels = (0,) * (len(meta.shape) - 2)
            file = folder / meta.key((i, j, *channels))
            return decode(meta, file.read_bytes()) if file.exists() else None
        chunk = None
        half = CHUNK // 2
        for v, u in ((0, 0), (0, 1), (1, 0), (1, 1)):
            finer = self._make(level - 1, 2 * i + v, 2 * j + u, advance)
            if finer is not None:
                if chunk is None:
                    chunk = np.zeros(meta.chunks, meta.dtype)
                chunk[v * half : (v + 1) * half, u * half : (u + 1) * half] = finer[::2, ::2]
        if chunk is not None:
            self._put(level, i, j, chunk)
        return chunk


def _ngff(place: MaskGeometry, levels: int) -> dict[str, Any]:
    """OME-NGFF 0.4 attributes of a label image; https://ngff.openmicroscopy.org/0.4/."""
    # Slide pixels where nobody knows how large one is.
    per_px_x = per_px_y = 1.0
    if place.mpp is not None:
        per_px_x, per_px_y = place.mpp / place.scale_x, place.mpp / place.scale_x
    unit = {} if place.mpp is None else {"unit": "micrometer"}
    datasets = []
    for level, name in enumerate(level_names("masks", "pyramid", levels)):
        step = 2**level
        scale = [place.scale_y * per_px_y * step, place.scale_x * per_px_x * step]
        shift = [place.offset_y * per_px_y, place.offset_x * per_px_x]
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if any(shift):
            transforms.append({"type": "translation", "translation": shift})
        datasets.append({"path": name, "coordinateTransformations": transforms})
    axes = [{"name": name, "type": "space", **unit} for name in ("y", "x")]
    image = {"version": "0.4", "name": "cells", "type": "nearest", "axes": axes, "datasets": datasets}
    return {"multiscales": [image], "image-label": {"version": "0.4"}}


def level_names(name: str, pyramid: str, levels: int) -> Iterator[str]:
    """Paths of the levels of a picture."""
    yield name
    for level in range(1, levels):
        yield f"{pyramid}/{level}"


def _write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
