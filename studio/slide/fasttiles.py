"""Pixels straight from the JPEG tiles of a TIFF, ten times as fast as through OpenSlide, where that is proven right.

OpenSlide decodes, composes on a canvas, and takes the canvas apart again. Where a
level lies in the file as plain JPEG tiles, decoding alone gives the same pixels. That
is not taken on trust: the first tiles of a level are read both ways and compared, and
so is one in so many after that. A difference ends it for that level; a tile that can't be
decoded is left to OpenSlide.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.lru import ByteLRU
from studio.errors import SlideError
from studio.slide.inuse import InUse
from studio.slide.rgb import PROBLEMS

log = logging.getLogger(__name__)

VENDORS = ("aperio", "generic-tiff")
"""Formats whose levels are the TIFF's own directories."""

PROOFS = 3
"""Tiles with something on them that must agree before a level is trusted."""

CHECK_EVERY = 64
"""One of so many tiles of a trusted level is read both ways."""

_CACHE_BYTES = 8 << 20
"""Decoded tiles of the file that reach beyond what was asked for, for the neighbour who asks next."""

_JPEG, _RGB, _YCBCR = 7, 2, 6
_ERRORS_MOST = 8
_FLAT = 16
"""A tile whose values lie no further apart than this proves nothing."""
_CLOSE = 3.0
"""How far OpenSlide's values may be from the file's moved by the fraction of a pixel that OpenSlide moves them by."""

Pixels = NDArray[np.uint8]
Slow = Callable[[], Pixels]


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """How a level lies in the file."""

    size: tuple[int, int]
    tile: tuple[int, int]
    """Width and height of the file's tiles."""
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    """Where each tile lies in the file, row by row, and its bytes: 16 a tile, of which a large slide has a million."""
    tables: bytes | None
    colours: str
    whole: bool
    """Whether OpenSlide reads it without moving it by fractions of a pixel."""


@dataclass(slots=True)
class _Proof:
    """What is known of a level so far."""

    matches: int = 0
    reads: int = 0
    errors: int = 0
    exact: bool = True
    failed: bool = False


class FastTiles:
    """Reads levels of one file. Safe from any thread.

    Args:
        path: the file.
        sizes: (width, height) of OpenSlide's levels.
        downsamples: slide pixels to one pixel of each, as OpenSlide has them.
    """

    def __init__(self, path: Path, sizes: Sequence[tuple[int, int]], downsamples: Sequence[float]) -> None:
        self._path = path
        self._sizes, self._downsamples = tuple(sizes), tuple(downsamples)
        self._lock = threading.Lock()
        self._levels: dict[int, _Level] | None = None
        self._proofs = [_Proof() for _ in sizes]
        self._file: _File | None = None
        self._decoded: ByteLRU[tuple[int, int], Pixels] = ByteLRU(_CACHE_BYTES, lambda tile: tile.nbytes)
        self._closed = False

    def read(self, level: int, x: int, y: int, w: int, h: int, slow: Slow, *, moved: bool = False) -> Pixels:
        """RGB (h, w, 3) of a rectangle of a level; `slow` is how OpenSlide reads it, and is asked where need be.

        With `moved`, the file's own pixels will do where OpenSlide gives them
        moved by a fraction of a pixel, as it does where levels aren't whole
        multiples of each other.
        """
        found, proof = self._level(level), self._proofs[level]
        if found is None or proof.failed:
            return slow()
        with self._lock:
            proof.reads += 1
            trusted = proof.matches >= PROOFS and (moved or (found.whole and proof.exact))
            check = proof.reads % CHECK_EVERY == 0
        useful = moved or (found.whole and proof.exact)
        if not useful:
            return slow()
        if trusted and not check:
            pixels = self._try(level, found, (x, y, w, h))
            return slow() if pixels is None else pixels
        reference = slow()
        pixels = self._try(level, found, (x, y, w, h))
        if pixels is not None:
            self._compare(level, (x, y), pixels, reference)
        return reference

    def trusts(self, level: int, *, moved: bool = False) -> bool:
        """Whether tiles of a level are decoded directly now."""
        found, proof = self._level(level), self._proofs[level]
        if found is None or proof.failed or proof.matches < PROOFS:
            return False
        return moved or (found.whole and proof.exact)

    def close(self) -> None:
        """Let go of the file; reads under way end first."""
        with self._lock:
            self._closed = True
            file, self._file = self._file, None
        if file is not None:
            file.retire()
        self._decoded.clear()

    def _compare(self, level: int, at: tuple[int, int], pixels: Pixels, reference: Pixels) -> None:
        same = np.array_equal(pixels, reference)
        with self._lock:
            proof = self._proofs[level]
            if same:
                proof.matches += int(np.ptp(reference) > _FLAT)
            elif not self._only_moved(level, at, pixels, reference):
                proof.failed = True
            else:
                proof.matches += 1
                proof.exact = False
        if proof.failed:
            log.info("%s: level %d is left to OpenSlide, whose pixels are others", self._path.name, level)

    def _only_moved(self, level: int, at: tuple[int, int], pixels: Pixels, reference: Pixels) -> bool:
        """Whether two tiles are the same picture but for the fraction of a pixel that OpenSlide can't help moving it.

        It takes places in slide pixels, whole ones, and divides them by the mean of two ratios.
        """
        down = self._downsamples[level]
        if min(pixels.shape[:2]) < 3:
            return False
        x, y = (round(place * down) / down - place for place in at)
        off = np.abs(_moved(_moved(pixels.astype(np.float32), x, 1), y, 0) - reference)
        # What comes in at the rim isn't ours to know.
        return bool(off[1:-1, 1:-1].max() <= _CLOSE)

    def _level(self, level: int) -> _Level | None:
        if self._levels is None:
            with self._lock:
                if self._levels is None and not self._closed:
                    self._open()
        return None if self._levels is None else self._levels.get(level)

    def _open(self) -> None:
        try:
            self._levels = tiled_levels(self._path, self._sizes, self._downsamples)
            if self._levels:
                self._file = _File(self._path)
        except PROBLEMS as error:
            # Whatever the parser trips over, OpenSlide reads the slide.
            log.info("%s: no tiles can be read directly (%s)", self._path.name, error)
            self._levels = {}

    def _try(self, level: int, found: _Level, rect: tuple[int, int, int, int]) -> Pixels | None:
        """The rectangle from the file's tiles; None where one of them isn't there or can't be decoded."""
        file = self._file
        if file is None or not file.enter():
            return None
        try:
            return self._composed(level, found, rect, file)
        except _Missing:
            return None
        except (*PROBLEMS, SlideError) as error:
            # Whatever the decoder trips over, OpenSlide has the last word on it.
            proof = self._proofs[level]
            proof.errors += 1
            proof.failed |= proof.errors >= _ERRORS_MOST
            log.info("%s: a tile of level %d is left to OpenSlide (%s)", self._path.name, level, error)
            return None
        finally:
            file.leave()

    def _composed(self, level: int, found: _Level, rect: tuple[int, int, int, int], file: _File) -> Pixels:
        x, y, w, h = rect
        width, height = found.tile
        across = -(-found.size[0] // width)
        out = np.empty((h, w, 3), np.uint8)
        for row in range(y // height, -(-(y + h) // height)):
            top, bottom = max(y, row * height), min(y + h, (row + 1) * height)
            for col in range(x // width, -(-(x + w) // width)):
                left, right = max(x, col * width), min(x + w, (col + 1) * width)
                number = row * across + col
                if (right - left, bottom - top) == (width, height):
                    tile = self._decode(found, number, file)
                else:
                    tile = self._decoded.get_or_load((level, number), lambda n=number: self._decode(found, n, file))  # type: ignore[misc]
                out[top - y : bottom - y, left - x : right - x] = tile[
                    top - row * height : bottom - row * height, left - col * width : right - col * width
                ]
        return out

    @staticmethod
    def _decode(found: _Level, number: int, file: _File) -> Pixels:
        import imagecodecs

        if not found.counts[number]:
            raise _Missing
        data = file.read(int(found.offsets[number]), int(found.counts[number]))
        tile = imagecodecs.jpeg8_decode(data, tables=found.tables, colorspace=found.colours, outcolorspace="RGB")
        if tile.shape != (found.tile[1], found.tile[0], 3) or tile.dtype != np.uint8:
            raise SlideError(f"a tile of {tile.shape}")
        return np.asarray(tile)


def tiled_levels(path: Path, sizes: Sequence[tuple[int, int]], downsamples: Sequence[float]) -> dict[int, _Level]:
    """The levels that lie in a TIFF as 8-bit JPEG tiles, by number; those that lie otherwise are left out."""
    import tifffile

    found: dict[int, _Level] = {}
    with tifffile.TiffFile(path) as tiff:
        for page in tiff.pages:
            size = (int(page.imagewidth), int(page.imagelength))
            if size in sizes and _is_plain(page):
                level = list(sizes).index(size)
                found.setdefault(level, _described(page, size, downsamples[level]))
    return found


def _is_plain(page: Any) -> bool:
    return bool(
        page.is_tiled
        and page.compression == _JPEG
        and page.photometric in (_RGB, _YCBCR)
        and page.samplesperpixel == 3
        and page.bitspersample == 8
        and page.planarconfig == 1
        and page.imagedepth == 1
    )


def _described(page: Any, size: tuple[int, int], downsample: float) -> _Level:
    return _Level(
        size=size,
        tile=(int(page.tilewidth), int(page.tilelength)),
        offsets=np.asarray(page.dataoffsets, np.int64),
        counts=np.asarray(page.databytecounts, np.int64),
        tables=page.jpegtables,
        colours="RGB" if page.photometric == _RGB else "YCBCR",
        whole=float(downsample).is_integer(),
    )


def _moved(pixels: NDArray[np.float32], fraction: float, axis: int) -> NDArray[np.float32]:
    """The picture as seen a fraction of a pixel further on, by linear interpolation; the rim wraps around."""
    if not fraction:
        return pixels
    share = np.float32(abs(fraction))
    return pixels * (1 - share) + np.roll(pixels, -1 if fraction > 0 else 1, axis) * share


class _Missing(Exception):  # noqa: N818 - not an error
    """A tile that isn't in the file: what is there instead is OpenSlide's business."""


class _File(InUse):
    """An open file that is closed when the last reader leaves: a number that is used again must not be read from."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        # A slide that nobody closes lets go of its file quietly, as OpenSlide does.
        super().__init__(weakref.finalize(self, os.close, self._fd))

    def read(self, offset: int, count: int) -> bytes:
        """So many bytes from a place. Raises OSError, SlideError where the file ends before."""
        if hasattr(os, "pread"):
            data = os.pread(self._fd, count, offset)
        else:
            with self._lock:
                os.lseek(self._fd, offset, os.SEEK_SET)
                data = os.read(self._fd, count)
        if len(data) != count:
            raise SlideError("the file ends too early")
        return data
