"""Slides through OpenSlide: Aperio, Hamamatsu, Leica, MIRAX, DICOM, tiled TIFF and its other formats."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import SlideError
from studio.slide.fasttiles import VENDORS as FAST_VENDORS
from studio.slide.fasttiles import FastTiles
from studio.slide.inuse import InUse
from studio.slide.mpp import find_mpp
from studio.slide.unchanged import Unchanged

_TILE_PX = 1 << 28
"""A tile of more pixels is none: OpenSlide ends the program where it can't have the memory for one."""


def detect(path: Path) -> str | None:
    """OpenSlide's name for the file's format, or None where it knows none."""
    import openslide

    vendor: str | None = openslide.OpenSlide.detect_format(str(path))
    return vendor


class _Handle(InUse):
    """An OpenSlide handle that is closed when the last thread inside it leaves."""

    def __init__(self, path: Path) -> None:
        self.slide = _open(path)
        super().__init__(self.slide.close)


class OpenSlideReader:
    """Reads through one shared handle; OpenSlide's reads run side by side and release the GIL.

    An error is final for the handle it happened in, for all its threads. So a
    read that failed is tried once more in a fresh handle of its own, and the
    place that fails there too is never again read through the shared one.
    """

    def __init__(self, path: Path, vendor: str) -> None:
        self.vendor = vendor
        self._path = path
        self._lock = threading.Lock()
        self._closed = False
        self._fast: FastTiles | None = None
        self._bad: set[tuple[int, int, int]] = set()
        self._file = Unchanged(path)
        self._handle: _Handle | None = _Handle(path)
        slide = self._handle.slide
        self.properties: Mapping[str, str] = MappingProxyType(_properties(slide))
        if any(pixels > _TILE_PX for pixels in _tile_pixels(self.properties, len(slide.level_dimensions))):
            self.close()
            raise SlideError(f"{path.name} is damaged: it speaks of tiles larger than any. Copy it again.")
        self.level_sizes: tuple[tuple[int, int], ...] = tuple((int(w), int(h)) for w, h in slide.level_dimensions)
        self._downsamples: tuple[float, ...] = tuple(float(d) for d in slide.level_downsamples)
        self.level_downsamples = tuple(
            _exact_downsample(self.level_sizes[0], size, mean)
            for size, mean in zip(self.level_sizes, self._downsamples, strict=True)
        )
        self.reading = find_mpp(self.properties)
        if vendor in FAST_VENDORS:
            self._fast = FastTiles(path, self.level_sizes, self._downsamples)

    def read(self, level: int, x_level: int, y_level: int, w: int, h: int, *, moved: bool = False) -> NDArray[np.uint8]:
        """RGB (h, w, 3) of a rectangle of a level, white where there is nothing."""
        rect = (level, x_level, y_level, w, h)
        if self._fast is None:
            return self._read(*rect)
        return self._fast.read(*rect, lambda: self._read(*rect), moved=moved)

    def _read(self, level: int, x_level: int, y_level: int, w: int, h: int) -> NDArray[np.uint8]:
        place = (level, x_level, y_level)
        # OpenSlide takes level-0 coordinates and divides them by its own mean downsample.
        mean = self._downsamples[level]
        where = (round(x_level * mean), round(y_level * mean))
        self._file.check()
        if place not in self._bad:
            handle = self._enter()
            try:
                return _rgb_on_white(handle.slide.read_region(where, level, (w, h)))
            except _openslide_error():
                self._drop(handle)
            finally:
                handle.leave()
        return self._read_alone(place, where, (w, h))

    def associated_images(self) -> dict[str, NDArray[np.uint8]]:
        """Label, macro, thumbnail; those that can't be decoded are left out."""
        found: dict[str, NDArray[np.uint8]] = {}
        handle = self._opened_again()
        for name in list(handle.slide.associated_images):
            try:
                found[name] = _rgb_on_white(handle.slide.associated_images[name])
            except _openslide_error():
                handle.retire()
                handle = self._opened_again()
        handle.retire()
        return found

    def close(self) -> None:
        """Let go of the file; threads that read finish what they are at."""
        with self._lock:
            self._closed = True
            handle, self._handle = self._handle, None
        if handle is not None:
            handle.retire()
        if self._fast is not None:
            self._fast.close()

    def _enter(self) -> _Handle:
        with self._lock:
            while True:
                if self._closed:
                    raise SlideError(f"{self._path.name} was closed while it was being read. Open it again.")
                if self._handle is None:
                    self._handle = self._opened_again()
                if self._handle.enter():
                    return self._handle
                self._handle = None

    def _opened_again(self) -> _Handle:
        self._file.check(deep=True)
        return _Handle(self._path)

    def _drop(self, handle: _Handle) -> None:
        with self._lock:
            if self._handle is handle:
                self._handle = None
        handle.retire()

    def _read_alone(
        self, place: tuple[int, int, int], where: tuple[int, int], size: tuple[int, int]
    ) -> NDArray[np.uint8]:
        level, x, y = place
        if self._closed:
            raise SlideError(f"{self._path.name} was closed while it was being read. Open it again.")
        handle = self._opened_again()
        try:
            rgb = _rgb_on_white(handle.slide.read_region(where, level, size))
        except _openslide_error() as error:
            self._bad.add(place)
            raise SlideError(
                f"{self._path.name} can't be read at level {level}, x {x}, y {y} ({size[0]} × {size[1]} px): {error}. "
                "The file may be damaged or cut short: copy it again from where it came."
            ) from error
        finally:
            handle.retire()
        self._bad.discard(place)
        return rgb


def _open(path: Path) -> Any:
    import openslide

    try:
        return openslide.OpenSlide(str(path))
    except (openslide.OpenSlideError, OSError) as error:
        raise SlideError(
            f"{path.name} can't be opened: {error}. The file may be damaged or cut short, or parts of it missing: "
            "copy it again from where it came, with the files that belong to it."
        ) from error


def _properties(slide: Any) -> dict[str, str]:
    """All that can be asked for: a name that isn't UTF-8 comes out so that OpenSlide doesn't know it any more."""
    found = {}
    for name in slide.properties:
        with contextlib.suppress(KeyError):
            found[name] = slide.properties[name]
    return found


def _openslide_error() -> Any:
    import openslide

    return openslide.OpenSlideError


def _tile_pixels(properties: Mapping[str, str], levels: int) -> Iterator[int]:
    """Pixels of a tile of each level that says how large its tiles are."""
    for level in range(levels):
        sides = [properties.get(f"openslide.level[{level}].tile-{side}", "0") for side in ("width", "height")]
        yield int(sides[0]) * int(sides[1])


def _exact_downsample(full: tuple[int, int], size: tuple[int, int], mean: float) -> float:
    """A whole number where the level's size is the slide's divided by it and rounded, else OpenSlide's mean."""
    whole = round(mean)
    if whole >= 1 and all(abs(a / whole - b) < 1 for a, b in zip(full, size, strict=True)):
        return float(whole)
    return mean


def _rgb_on_white(image: Any) -> NDArray[np.uint8]:
    # Pillow drops the alpha channel in half the time numpy takes to copy around it.
    rgb: NDArray[np.uint8] = np.asarray(image.convert("RGB"))
    if image.mode != "RGBA" or image.getchannel("A").getextrema()[0] == 255:
        return rgb
    part = np.asarray(image.getchannel("A"))[..., None].astype(np.uint16)
    return ((rgb * part + 255 * (255 - part) + 127) // 255).astype(np.uint8)
