"""A slide: its size, its pixels at any resolution, its tissue."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import cell_range, overlap, working_shape
from studio.core.lru import ByteLRU
from studio.errors import MissingMppError, SlideError, UsageError
from studio.slide.mpp import MPP_RANGE, MppReading, in_range
from studio.slide.readers import Reader, open_reader
from studio.slide.tissue import TISSUE_PX, TissueMask, find_tissue

log = logging.getLogger(__name__)

TILE_PX = 512
"""Side of the grid tiles that every level is read in."""

CACHE_BYTES = 192 << 20
"""Decoded tiles that one slide keeps: 256 full ones."""

_LEVEL_SLACK = 1.001
_STRIP_PX = 12_000_000
_FINGERPRINT_BYTES = 1 << 16
_MAG_UM = 10.0
"""µm per pixel at 1x, by the field's convention: 40x is 0.25."""


class WSI:
    """A whole-slide image or a picture. Reads are safe from any thread; `close()` never waits for them.

    `tile_px` and `tile_um` (µm, or a magnification such as `'40x'`) are the
    size of extracted tiles. `mpp` overrides the file's µm per pixel. Raises
    SlideError for what is no slide, UsageError for arguments out of range.
    """

    def __init__(
        self,
        path: str | Path,
        tile_px: int | None = None,
        tile_um: float | str | None = None,
        *,
        mpp: float | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.path = Path(path).expanduser()
        self.name = self.path.stem
        self.tile_px, self.tile_um = _tile_size(tile_px, tile_um)
        _check_mpp(mpp)
        self._reader: Reader = open_reader(self.path)
        self._reading = self._reader.reading
        self._from_file = self._reading
        self._closed = False
        self._tiles: ByteLRU[tuple[int, int, int], NDArray[np.uint8]] = ByteLRU(cache_bytes, lambda tile: tile.nbytes)
        self._lock = threading.Lock()
        self._thumbnails: dict[int, NDArray[np.uint8]] = {}
        self._tissue: TissueMask | None = None
        self._fingerprint = ""
        if mpp is not None:
            self.set_mpp(mpp)
        if self._reading.note:
            log.warning("%s: %s", self.path.name, self._reading.note)

    @property
    def vendor(self) -> str:
        """The format's name: OpenSlide's vendor, or `png`, `jpeg`, `tiff`."""
        return self._reader.vendor

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in slide pixels."""
        return self._reader.level_sizes[0]

    @property
    def level_sizes(self) -> tuple[tuple[int, int], ...]:
        """(width, height) of each level, the largest first."""
        return self._reader.level_sizes

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        """Slide pixels to one pixel of each level."""
        return self._reader.level_downsamples

    @property
    def properties(self) -> Mapping[str, str]:
        """All that the file says about itself, under OpenSlide's names."""
        return self._reader.properties

    @property
    def mpp(self) -> float | None:
        """Micrometres per slide pixel, or None where nobody said."""
        return self._reading.mpp

    @property
    def mpp_source(self) -> str:
        """`openslide`, `vendor`, `ome`, `imagej`, `tiff`, `override` or `none`."""
        return self._reading.source

    @property
    def mpp_note(self) -> str:
        """What a person should know of the pixel size: refused values, unequal sides, an override."""
        return self._reading.note

    @property
    def magnification(self) -> float | None:
        """The objective's power, where the file gives it."""
        try:
            return float(self.properties.get("openslide.objective-power", "")) or None
        except ValueError:
            return None

    @property
    def closed(self) -> bool:
        """True after `close()`."""
        return self._closed

    @property
    def fingerprint(self) -> str:
        """A short hash of size, levels and some of the file's bytes; the same for a copy of the file."""
        if not self._fingerprint:
            self._fingerprint = _fingerprint(self.path, self.level_sizes, self.properties)
        return self._fingerprint

    def set_mpp(self, mpp: float | None) -> None:
        """Say how large a pixel is, over what the file says; None goes back to the file's value."""
        _check_mpp(mpp)
        file = self._from_file
        if mpp is None:
            self._reading = file
            return
        note = f"{mpp:g} µm per pixel is used; the file says {file.mpp:.4g}" if file.mpp else ""
        self._reading = MppReading(float(mpp), "override", note)
        if file.mpp:
            log.info("%s: %s", self.path.name, note)

    def require_mpp(self) -> float:
        """The pixel size; MissingMppError where nobody gave one."""
        if self._reading.mpp is None:
            why = f" ({self._reading.note})" if self._reading.note else ""
            raise MissingMppError(
                f"{self.path.name} doesn't say how many micrometres one pixel measures{why}. Give it: --mpp 0.25 on "
                "the command line, mpp=0.25 in Python, or the pixel size in the Slide panel (about 0.25 at 40x, "
                "0.5 at 20x)."
            )
        return self._reading.mpp

    def read_tile(self, level: int, col: int, row: int) -> NDArray[np.uint8]:
        """RGB (h, w, 3) of one grid tile of a level, read-only; smaller than TILE_PX at the right and bottom edge.

        White where the slide holds nothing. Raises SlideError, naming the
        tile, where it can't be decoded, and after `close()`.
        """
        self._check_open()
        if not 0 <= level < len(self.level_sizes):
            raise UsageError(f"{self.path.name} has levels 0 to {len(self.level_sizes) - 1}, not {level}.")
        width, height = self.level_sizes[level]
        x, y = col * TILE_PX, row * TILE_PX
        if not (0 <= x < width and 0 <= y < height):
            raise UsageError(f"Level {level} of {self.path.name} has no tile in column {col}, row {row}.")

        def load() -> NDArray[np.uint8]:
            tile = self._reader.read(level, x, y, min(TILE_PX, width - x), min(TILE_PX, height - y))
            tile.setflags(write=False)
            return tile

        tile = self._tiles.get_or_load((level, col, row), load)
        self._check_open()
        return tile

    def read_level(self, level: int, x: int, y: int, w: int, h: int) -> NDArray[np.uint8]:
        """RGB (h, w, 3) of a rectangle in pixels of a level, white outside the slide."""
        if w < 0 or h < 0:
            raise UsageError(f"A rectangle can't be {w} × {h} pixels.")
        width, height = self.level_sizes[level]
        out = np.empty((h, w, 3), np.uint8)
        if x < 0 or y < 0 or x + w > width or y + h > height:
            out[:] = 255
        for row in cell_range(y, y + h, TILE_PX, height):
            top, bottom = overlap(y, y + h, row * TILE_PX, min((row + 1) * TILE_PX, height))
            for col in cell_range(x, x + w, TILE_PX, width):
                left, right = overlap(x, x + w, col * TILE_PX, min((col + 1) * TILE_PX, width))
                tile = self.read_tile(level, col, row)
                out[top - y : bottom - y, left - x : right - x] = tile[
                    top - row * TILE_PX : bottom - row * TILE_PX, left - col * TILE_PX : right - col * TILE_PX
                ]
        return out

    def level_for(self, scale: float) -> int:
        """The coarsest level that still has the detail of `scale` slide pixels to a pixel."""
        fits = [n for n, down in enumerate(self.level_downsamples) if down <= scale * _LEVEL_SLACK]
        return max(fits, key=lambda n: self.level_downsamples[n], default=0)

    def read_working(self, scale: float, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint8]:
        """RGB (rows, cols, 3) of the lattice with `scale` slide pixels to a pixel, from the slide's top left.

        Pixel (r, c) covers the slide square from (c * scale, r * scale) to
        ((c + 1) * scale, (r + 1) * scale). Antialiased, and the same in every
        bit however the lattice is cut into calls. Beyond the slide its
        outermost pixels are repeated.
        """
        if not scale > 0:
            raise UsageError(f"A lattice can't have {scale} slide pixels to a pixel.")
        return self._resampled(scale, (0.0, 0.0), (row, col), (rows, cols))

    def read_region(self, x: float, y: float, w: float, h: float, mpp: float) -> NDArray[np.uint8]:
        """RGB of a rectangle (slide pixels, fractions allowed) at `mpp` µm per pixel, white outside the slide."""
        scale = mpp / self.require_mpp()
        if not (scale > 0 and w > 0 and h > 0):
            raise UsageError(f"A region can't be {w} × {h} slide pixels at {mpp} µm per pixel.")
        rows, cols = working_shape((w, h), scale)  # type: ignore[arg-type]
        out = self._resampled(scale, (y, x), (0, 0), (rows, cols))
        width, height = self.size
        centre_x, centre_y = x + (np.arange(cols) + 0.5) * scale, y + (np.arange(rows) + 0.5) * scale
        out[:, (centre_x < 0) | (centre_x >= width)] = 255
        out[(centre_y < 0) | (centre_y >= height)] = 255
        return out

    def thumbnail(self, max_px: int = 800) -> NDArray[np.uint8]:
        """RGB of the whole slide, its longer side at most `max_px`."""
        with self._lock:
            kept = self._thumbnails.get(max_px)
        if kept is None:
            scale = max(1.0, max(self.size) / max_px)
            kept = self.read_working(scale, 0, 0, *working_shape(self.size, scale))
            with self._lock:
                self._thumbnails[max_px] = kept
        return kept.copy()

    def associated_images(self) -> dict[str, NDArray[np.uint8]]:
        """Label, macro and the like by name, RGB; empty where the file has none."""
        self._check_open()
        return self._reader.associated_images()

    def tissue(self) -> TissueMask:
        """Where the slide has tissue, by Otsu's threshold over the whole slide; computed once."""
        if self._tissue is None:
            scale = max(1.0, max(self.size) / TISSUE_PX)
            rgb = self.read_working(scale, 0, 0, *working_shape(self.size, scale))
            self._tissue = find_tissue(rgb, scale)
        return self._tissue

    def is_fluorescence(self) -> bool:
        """True for a dark background."""
        return self.tissue().fluorescence

    def info(self) -> dict[str, Any]:
        """What there is to know, as JSON takes it."""
        mpp = self.mpp
        return {
            "kind": "slide",
            "path": str(self.path),
            "name": self.name,
            "vendor": self.vendor,
            "size": list(self.size),
            "mpp": mpp,
            "mpp_source": self.mpp_source,
            "mpp_note": self.mpp_note,
            "magnification": self.magnification,
            "levels": len(self.level_sizes),
            "level_sizes": [list(size) for size in self.level_sizes],
            "level_downsamples": list(self.level_downsamples),
            "size_um": [side * mpp for side in self.size] if mpp else None,
            "fingerprint": self.fingerprint,
        }

    def close(self) -> None:
        """Let go of the file. Reads under way in other threads raise SlideError, as does any later one."""
        self._closed = True
        self._reader.close()
        self._tiles.clear()

    def __enter__(self) -> WSI:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        width, height = self.size
        return f"WSI({self.path.name!r}, {width} × {height} px, mpp={self.mpp})"

    def _check_open(self) -> None:
        if self._closed:
            raise SlideError(f"{self.path.name} is closed. Open it again.")

    def _resampled(
        self, scale: float, origin_slide: tuple[float, float], at: tuple[int, int], shape: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """Pixels `at` to `at + shape` of a lattice that begins at `origin_slide`; all pairs are (y, x)."""
        from studio.slide.resample import resample, span, taps

        out = np.empty((*shape, 3), np.uint8)
        if not out.size:
            self._check_open()
            return out
        level = self.level_for(scale)
        down = self.level_downsamples[level]
        width, height = self.level_sizes[level]
        cols = taps(at[1], shape[1], scale / down, origin_slide[1] / down)
        left, right = span(cols, width)
        # Strips bound the memory of a coarse read of a slide without coarse levels.
        strip = max(1, int(_STRIP_PX / (right - left) / max(1.0, scale / down)))
        for first in range(0, shape[0], strip):
            count = min(strip, shape[0] - first)
            rows = taps(at[0] + first, count, scale / down, origin_slide[0] / down)
            top, bottom = span(rows, height)
            source = self.read_level(level, left, top, right - left, bottom - top)
            out[first : first + count] = resample(source, rows, cols, (top, left), (height, width))
        return out


def open_slide(path: str | Path, *, mpp: float | None = None) -> WSI:
    """Open a slide or picture. Raises SlideError, which says what to do."""
    return WSI(path, mpp=mpp)


def _check_mpp(mpp: float | None) -> None:
    if mpp is not None and not in_range(mpp):
        raise UsageError(f"The pixel size must lie between {MPP_RANGE[0]:g} and {MPP_RANGE[1]:g} µm, not {mpp:g}.")


def _tile_size(tile_px: int | None, tile_um: float | str | None) -> tuple[int | None, float | None]:
    """Checked size of extracted tiles in pixels and µm; a magnification becomes µm by 10 / magnification."""
    if tile_px is not None and not (isinstance(tile_px, int) and tile_px > 0):
        raise UsageError(f"tile_px must be a whole number of pixels above 0, not {tile_px!r}.")
    if tile_um is None:
        return tile_px, None
    text = str(tile_um).strip().lower()
    power = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*x", text)
    try:
        value = float(power.group(1)) if power else float(text)
    except ValueError:
        value = 0.0
    if not (0 < value < float("inf")):
        raise UsageError(f"tile_um must be a size in µm above 0, or a magnification such as '40x', not {tile_um!r}.")
    if power is None:
        return tile_px, value
    if tile_px is None:
        raise UsageError(f"tile_um={tile_um!r} is a magnification: give tile_px as well.")
    return tile_px, tile_px * _MAG_UM / value


def _fingerprint(path: Path, sizes: tuple[tuple[int, int], ...], properties: Mapping[str, str]) -> str:
    digest = hashlib.sha256(repr(sizes).encode())
    digest.update(properties.get("openslide.quickhash-1", "").encode())
    try:
        length = path.stat().st_size
        digest.update(str(length).encode())
        with path.open("rb") as file:
            for part in (0, length // 2, max(0, length - _FINGERPRINT_BYTES)):
                file.seek(part)
                digest.update(file.read(_FINGERPRINT_BYTES))
    except OSError as error:
        raise SlideError(f"{path} can't be read now ({error.strerror or error}). Is its drive connected?") from error
    return digest.hexdigest()[:32]
