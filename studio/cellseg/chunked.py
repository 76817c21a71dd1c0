"""Arrays that are read a window at a time: chunks of a result file, and coarser levels made from them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.zarr2 import ArrayMeta, FormatError, decode, encode, parse_array
from studio.core.geometry import cell_range
from studio.core.lru import ByteLRU

if TYPE_CHECKING:
    from studio.cellseg.folderread import FolderReader
    from studio.cellseg.zipread import ZipReader

DECODED_BYTES = 64 << 20
"""Decoded chunks that one open file keeps: 64 of 512 x 512 labels."""

COARSE_BYTES = 96 << 20
"""Compressed tiles of levels that aren't in the file."""

TILE = 512
"""Side of the tiles that missing levels are made in."""

ChunkCache = ByteLRU[tuple[str, tuple[int, ...]], NDArray[Any]]


def new_cache(budget_bytes: int = DECODED_BYTES) -> ChunkCache:
    """A cache of decoded chunks for the arrays of one file."""
    return ByteLRU(budget_bytes, lambda chunk: chunk.nbytes)


class Windowed(Protocol):
    """A picture (H, W) or (H, W, C) that is read by windows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns) or (rows, columns, channels)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its values."""

    def read(self, row: int, col: int, rows: int, cols: int) -> NDArray[Any]:
        """A window, always of the size asked for; 0 outside."""

    def occupied(self, row: int, col: int, rows: int, cols: int) -> bool:
        """Whether a window can hold anything but 0; cheap."""


class ChunkedArray:
    """One array of a result file. Thread-safe; nothing is read before it is asked for.

    Indexing works as NumPy's with integers and slices: `labels[1000:2000, 500:900:2]`.
    `dtype` casts what the file holds (unsigned labels from a signed array).
    """

    def __init__(
        self, archive: ZipReader | FolderReader, name: str, cache: ChunkCache, *, dtype: Any = None, what: str = "array"
    ) -> None:
        self.name = name
        self._archive = archive
        self._cache = cache
        self._what = what
        try:
            self.meta: ArrayMeta = parse_array(archive.read(f"{name}/.zarray", 1 << 16))
        except FormatError as error:
            raise archive.damaged(f"{name}/.zarray {error}") from error
        self.dtype: np.dtype[Any] = self.meta.dtype.newbyteorder("=") if dtype is None else np.dtype(dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return self.meta.shape

    @property
    def chunks(self) -> tuple[int, ...]:
        """Size of a chunk."""
        return self.meta.chunks

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.meta.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<lazy {self._what} {self.shape} {self.dtype} in {self._archive.path.name}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole: NDArray[Any] = self[...]
        return whole if dtype is None else whole.astype(dtype)

    @cached_property
    def stored(self) -> NDArray[np.bool_]:
        """Which chunks of the grid are stored."""
        grid = np.zeros(self.meta.grid, np.bool_)
        prefix = f"{self.name}/"
        for name in self._archive.names(prefix):
            parts = name[len(prefix) :].split(self.meta.separator)
            if len(parts) == self.ndim and all(part.isdecimal() for part in parts):
                index = tuple(map(int, parts))
                if all(i < length for i, length in zip(index, grid.shape, strict=True)):
                    grid[index] = True
        return grid

    def stored_chunks(self) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
        """(corner, values) of every stored chunk in order, cut to the array's shape; not kept in the cache."""
        for index in map(tuple, np.argwhere(self.stored).tolist()):
            chunk = self._load(f"{self.name}/{self.meta.key(index)}")
            corner = tuple(i * side for i, side in zip(index, self.chunks, strict=True))
            yield corner, chunk[tuple(slice(n - at) for n, at in zip(self.shape, corner, strict=True))]

    def occupied(self, row: int, col: int, rows: int, cols: int) -> bool:
        """Whether any chunk of a window is stored."""
        spans = (
            cell_range(start, start + size, side, length)
            for start, size, side, length in zip((row, col), (rows, cols), self.chunks, self.shape, strict=False)
        )
        return bool(self.stored[tuple(slice(span.start, span.stop) for span in spans)].any())

    def chunk(self, index: tuple[int, ...]) -> NDArray[Any] | None:
        """A decoded chunk at full chunk size, read-only, or None where nothing is stored."""
        name = f"{self.name}/{self.meta.key(index)}"
        if name not in self._archive:
            return None
        return self._cache.get_or_load((self.name, index), lambda: self._load(name))

    def read(self, row: int, col: int, rows: int, cols: int) -> NDArray[Any]:
        """A window of a picture, (rows, cols[, channels]); 0 outside."""
        out = np.zeros((rows, cols, *self.shape[2:]), self.dtype)
        self._fill(out, (row, col))
        return out

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows of a table."""
        out = np.zeros((stop - start, *self.shape[1:]), self.dtype)
        self._fill(out, (start,))
        return out

    def __getitem__(self, key: Any) -> Any:
        keys = _expand(key, self.ndim)
        slices: list[slice] = []
        starts: list[int] = []
        shape: list[int] = []
        for one, length in zip(keys, self.shape, strict=True):
            if isinstance(one, slice):
                picked = range(*one.indices(length))
                low, high = (min(picked[0], picked[-1]), max(picked[0], picked[-1]) + 1) if picked else (0, 0)
                slices.append(slice(None, None, picked.step))
            else:
                index = int(one.__index__())
                if not -length <= index < length:
                    raise IndexError(f"index {index} is out of bounds for {length} entries")
                low = index % length
                high = low + 1
                slices.append(slice(None))
            starts.append(low)
            shape.append(high - low)
        out = np.zeros(shape, self.dtype)
        self._fill(out, tuple(starts))
        out = out[tuple(slices)]
        return out[tuple(slice(None) if isinstance(one, slice) else 0 for one in keys)]

    def _fill(self, out: NDArray[Any], origin: tuple[int, ...]) -> None:
        """Copy what the stored chunks have of `out`, whose corner is `origin` (missing dimensions: 0)."""
        origin = origin + (0,) * (out.ndim - len(origin))
        spans = [
            cell_range(start, start + size, side, length)
            for start, size, side, length in zip(origin, out.shape, self.chunks, self.shape, strict=True)
        ]
        for index in np.ndindex(*(len(span) for span in spans)):
            at = tuple(span[i] for span, i in zip(spans, index, strict=True))
            chunk = self.chunk(at)
            if chunk is None:
                continue
            source, target = [], []
            for i, start, size, side, length in zip(at, origin, out.shape, self.chunks, self.shape, strict=True):
                low, high = max(i * side, start), min((i + 1) * side, start + size, length)
                source.append(slice(low - i * side, high - i * side))
                target.append(slice(low - start, high - start))
            out[tuple(target)] = chunk[tuple(source)]

    def _load(self, name: str) -> NDArray[Any]:
        try:
            # Compressed data may be a little larger than what it holds.
            chunk = decode(self.meta, self._archive.read(name, self.meta.chunk_bytes * 9 // 8 + 1024))
        except FormatError as error:
            raise self._archive.damaged(f"{name} {error}") from error
        if chunk.dtype != self.dtype:
            chunk = self._cast(name, chunk)
        chunk.setflags(write=False)
        return chunk

    def _cast(self, name: str, chunk: NDArray[Any]) -> NDArray[Any]:
        if self.dtype.kind == "u" and chunk.size and chunk.dtype.kind in "iu":
            limit = np.iinfo(self.dtype).max
            if int(chunk.min()) < 0 or int(chunk.max()) > limit:
                raise self._archive.damaged(f"{name} has values that are no cell numbers")
        return chunk.astype(self.dtype)


class Channel:
    """One channel of a lazy picture (H, W, C), itself a lazy array (H, W)."""

    def __init__(self, picture: ChunkedArray, channel: int) -> None:
        self._picture = picture
        self._channel = channel
        self.shape = picture.shape[:2]
        self.dtype = picture.dtype
        self.ndim = 2

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        return self._picture[(*_expand(key, 2), self._channel)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole: NDArray[Any] = self[...]
        return whole if dtype is None else whole.astype(dtype)


class Subsampled:
    """The next coarser level of a picture that has none in its file: every second row and column.

    Made in tiles when asked for; tiles are kept compressed, so an overview is computed once.
    """

    def __init__(self, finer: Windowed, budget_bytes: int = COARSE_BYTES) -> None:
        self._finer = finer
        self.shape: tuple[int, ...] = (-(-finer.shape[0] // 2), -(-finer.shape[1] // 2), *finer.shape[2:])
        self.dtype: np.dtype[Any] = finer.dtype
        chunks = (TILE, TILE, *finer.shape[2:])
        self._meta = ArrayMeta(self.shape, chunks, self.dtype, "zstd", level=1)
        self._tiles: ByteLRU[tuple[int, int], bytes] = ByteLRU(budget_bytes, len)

    def read(self, row: int, col: int, rows: int, cols: int) -> NDArray[Any]:
        """A window, (rows, cols[, channels]); 0 outside."""
        out = np.zeros((rows, cols, *self.shape[2:]), self.dtype)
        for i in cell_range(row, row + rows, TILE, self.shape[0]):
            for j in cell_range(col, col + cols, TILE, self.shape[1]):
                packed = self._tiles.get_or_load((i, j), lambda i=i, j=j: self._make(i, j))  # type: ignore[misc]
                if not packed:
                    continue
                tile = decode(self._meta, packed)
                top, left = max(row, i * TILE), max(col, j * TILE)
                bottom, right = min(row + rows, (i + 1) * TILE), min(col + cols, (j + 1) * TILE)
                out[top - row : bottom - row, left - col : right - col] = tile[
                    top - i * TILE : bottom - i * TILE, left - j * TILE : right - j * TILE
                ]
        return out

    def occupied(self, row: int, col: int, rows: int, cols: int) -> bool:
        """Whether the finer level may have anything there."""
        return self._finer.occupied(2 * row, 2 * col, 2 * rows, 2 * cols)

    def _make(self, i: int, j: int) -> bytes:
        window = (2 * TILE * i, 2 * TILE * j, 2 * TILE, 2 * TILE)
        if not self._finer.occupied(*window):
            return b""
        tile = self._finer.read(*window)[::2, ::2]
        return encode(self._meta, tile) if tile.any() else b""


def _expand(key: Any, ndim: int) -> list[Any]:
    """A subscript as one integer or slice per dimension."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(one is Ellipsis for one in keys):
        at = next(i for i, one in enumerate(keys) if one is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (ndim - len(keys) + 1)
    keys += [slice(None)] * (ndim - len(keys))
    if len(keys) != ndim or any(not isinstance(one, slice) and not hasattr(one, "__index__") for one in keys):
        raise IndexError("index a lazy array with integers and slices, or read it whole with np.asarray")
    return keys


def check_eager(archive: ZipReader | FolderReader, array: ChunkedArray, limit_bytes: int = 128 << 20) -> None:
    """Refuse a table that claims to be large while hardly anything is stored for it."""
    if array.nbytes <= limit_bytes:
        return
    stored = 0
    for index in np.ndindex(*array.meta.grid):
        packed = archive.packed_bytes(f"{array.name}/{array.meta.key(index)}")
        if packed is None:
            raise archive.damaged(f"{array.name} says it has {array.shape[0]:,} rows, but parts are missing")
        stored += packed
    if array.nbytes > 500 * stored:
        raise archive.damaged(f"{array.name} says it has {array.shape[0]:,} rows, which can't be in so few bytes")
