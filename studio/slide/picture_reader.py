"""Plain pictures as slides: PNG, JPEG, and TIFFs that no scanner wrote. Held in memory as a whole."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import SlideError
from studio.slide.mpp import find_mpp

log = logging.getLogger(__name__)

MAX_PICTURE_PX = 400_000_000
"""Beyond this a picture needs a pyramid: 1.2 GB as RGB."""

_COARSEST_PX = 512
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_UNITS = {1: "none", 2: "inch", 3: "centimeter"}


class PictureReader:
    """A picture with levels of 2×2 means down to one tile."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            is_tiff = file.read(4) in _TIFF_MAGIC
        try:
            pixels, properties = _read_tiff(path) if is_tiff else _read_picture(path)
        except (OSError, ValueError, KeyError, IndexError, RuntimeError, SyntaxError, MemoryError) as error:
            raise SlideError(_complaint(path, is_tiff, error)) from error
        self.vendor = "tiff" if is_tiff else properties.get("picture.format", "picture").lower()
        self.properties: Mapping[str, str] = MappingProxyType(properties)
        self.reading = find_mpp(properties)
        self._path = path
        self._levels: list[NDArray[np.uint8]] | None = _pyramid(pixels)
        height, width = pixels.shape[:2]
        self.level_sizes = tuple((level.shape[1], level.shape[0]) for level in self._levels)
        self.level_downsamples = tuple(float(2**n) for n in range(len(self._levels)))
        log.debug("%s: picture of %d × %d px", path.name, width, height)

    def read(
        self,
        level: int,
        x_level: int,
        y_level: int,
        w: int,
        h: int,
        *,
        moved: bool = False,  # noqa: ARG002
    ) -> NDArray[np.uint8]:
        """RGB (h, w, 3) of a rectangle of a level."""
        levels = self._levels
        if levels is None:
            raise SlideError(f"{self._path.name} was closed while it was being read. Open it again.")
        return np.ascontiguousarray(levels[level][y_level : y_level + h, x_level : x_level + w])

    def associated_images(self) -> dict[str, NDArray[np.uint8]]:
        """A picture has none."""
        return {}

    def close(self) -> None:
        """Give back the memory."""
        self._levels = None


def _complaint(path: Path, is_tiff: bool, error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, MemoryError):
        return f"{path.name} doesn't fit in memory. Convert it to a pyramidal TIFF (vips tiffsave --tile --pyramid)."
    if isinstance(error, UnidentifiedImageError):
        return (
            f"{path.name} is not a slide: neither OpenSlide nor the picture readers know its format. "
            "Open a whole-slide image (svs, ndpi, mrxs, scn, tif, dcm, …) or a PNG, JPEG or TIFF picture."
        )
    if is_tiff:
        return f"{path.name} is a TIFF that can't be read: {error}. It may be cut short: copy it again."
    return f"{path.name} can't be read as a picture: {error}. It may be damaged or cut short: copy it again."


def _read_picture(path: Path) -> tuple[NDArray[np.uint8], dict[str, str]]:
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        # Pillow warns of a decompression bomb far below our own limit, which is checked before pixels are read.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(path)
        except Image.DecompressionBombError as error:
            raise ValueError(_too_large(path.name)) from error
        with image:
            _check_size(path, image.width, image.height)
            properties = {"picture.format": str(image.format), "picture.mode": image.mode}
            dpi = image.info.get("dpi")
            if dpi:
                properties |= {"tiff.XResolution": str(float(dpi[0])), "tiff.YResolution": str(float(dpi[1]))}
                properties["tiff.ResolutionUnit"] = "inch"
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I") or upright.mode == "F":
                return _to_rgb(np.asarray(upright)), properties
            return _to_rgb(np.asarray(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))), properties


def _read_tiff(path: Path) -> tuple[NDArray[np.uint8], dict[str, str]]:
    import tifffile

    try:
        check_tiff_chain(path)
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            if max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)), default=0) > (
                path.stat().st_size
            ):
                raise ValueError("its pixels end beyond the end of the file")
            series = tiff.series[0]
            properties = _tiff_properties(page, tiff)
            sizes = dict(zip(series.axes, series.shape, strict=True))
            _check_size(path, sizes.get("X", page.imagewidth), sizes.get("Y", page.imagelength))
            return _to_rgb(_planes_last(series.asarray(), series.axes)), properties
    except tifffile.TiffFileError as error:
        raise ValueError(str(error)) from error


def check_tiff_chain(path: Path) -> None:
    """Raise ValueError where a TIFF's list of images leads beyond the file's end: the mark of one cut short.

    A scanner's slide that lost its end would otherwise pass for a plain picture of its first image.
    """
    length = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        is_big = head[2:4] in (b"+\0", b"\0+")
        # Entry count and next offset are 2 and 4 bytes in a TIFF, 8 and 8 in a BigTIFF; an entry has 12 or 20.
        count_format, offset_format, entry = ("Q", "Q", 20) if is_big else ("H", "I", 12)
        count_bytes, offset_bytes = struct.calcsize(count_format), struct.calcsize(offset_format)
        start = 8 if is_big else 4
        offset: int = struct.unpack_from(order + offset_format, head, start)[0] if len(head) >= start + 8 else length
        seen: set[int] = set()
        while offset and offset not in seen:
            seen.add(offset)
            file.seek(offset)
            raw = file.read(count_bytes)
            entries = struct.unpack(order + count_format, raw)[0] if len(raw) == count_bytes else 0
            file.seek(offset + count_bytes + entries * entry)
            raw = file.read(offset_bytes)
            if not entries or len(raw) < offset_bytes:
                raise ValueError("its list of images leads beyond the end of the file")
            offset = struct.unpack(order + offset_format, raw)[0]


def _tiff_properties(page: Any, tiff: Any) -> dict[str, str]:
    properties = {"picture.format": "TIFF"}
    if tiff.ome_metadata:
        properties["tiff.ImageDescription"] = str(tiff.ome_metadata)
    elif page.description:
        properties["tiff.ImageDescription"] = str(page.description)
    for name in ("XResolution", "YResolution"):
        value = page.tags.valueof(name)
        if isinstance(value, tuple) and len(value) == 2 and value[1]:
            properties[f"tiff.{name}"] = str(value[0] / value[1])
    properties["tiff.ResolutionUnit"] = _UNITS.get(int(page.tags.valueof("ResolutionUnit", 2)), "none")
    return properties


def _planes_last(pixels: NDArray[Any], axes: str) -> NDArray[Any]:
    """(Y, X) or (Y, X, colours) of the first plane of whatever else there is."""
    kept = [n for n, axis in enumerate(axes) if axis in "YXSC"]
    first = tuple(slice(None) if n in kept else 0 for n in range(len(axes)))
    pixels, axes = pixels[first], "".join(axes[n] for n in kept)
    if axes.count("C") and axes.count("S"):
        pixels, axes = np.take(pixels, 0, axis=axes.index("C")), axes.replace("C", "")
    order = sorted(range(len(axes)), key=lambda n: "YXCS".index(axes[n]))
    return np.transpose(pixels, order)


def _to_rgb(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """RGB uint8 from gray, RGB or RGBA of any depth; deep pictures are stretched to their own range."""
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise ValueError(f"pixels of shape {pixels.shape} are no picture")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    if pixels.dtype != np.uint8:
        low, high = np.percentile(pixels[::4, ::4].astype(np.float64), (0.1, 99.9))
        span = (high - low) or 1.0
        pixels = np.clip((pixels.astype(np.float32) - low) / span * 255 + 0.5, 0, 255).astype(np.uint8)
    colours = pixels.shape[2]
    if colours == 1:
        return np.repeat(pixels, 3, axis=2)
    if colours == 2:
        return np.concatenate([pixels, np.zeros_like(pixels[..., :1])], axis=2)
    if colours == 4:
        alpha = pixels[..., 3:].astype(np.uint16)
        return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(pixels[..., :3])


def _pyramid(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    levels = [pixels]
    while max(levels[-1].shape[:2]) > _COARSEST_PX:
        levels.append(_half(levels[-1]))
    return levels


def _half(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """2×2 means, rounded; an odd last row or column is repeated."""
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    total = pixels[0::2, 0::2].astype(np.uint16)
    total += pixels[0::2, 1::2]
    total += pixels[1::2, 0::2]
    total += pixels[1::2, 1::2]
    return ((total + 2) >> 2).astype(np.uint8)


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PICTURE_PX:
        raise ValueError(_too_large(path.name))


def _too_large(name: str) -> str:
    return (
        f"{name} has more than {MAX_PICTURE_PX // 1_000_000} million pixels and no pyramid. "
        "Convert it to a pyramidal TIFF (vips tiffsave --tile --pyramid)"
    )
