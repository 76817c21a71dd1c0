"""Plain pictures as slides: PNG, JPEG, and TIFFs that no scanner wrote. Held in memory as a whole."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from studio.errors import SlideError
from studio.slide.mpp import find_mpp
from studio.slide.rgb import PROBLEMS, check_size, to_rgb, too_large
from studio.slide.tiff_picture import read_tiff

log = logging.getLogger(__name__)

_COARSEST_PX = 512
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class PictureReader:
    """A picture with levels of 2×2 means down to one tile."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            is_tiff = file.read(4) in _TIFF_MAGIC
        try:
            pixels, properties = read_tiff(path) if is_tiff else _read_picture(path)
        except PROBLEMS as error:
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
    why = str(error).strip(".") or type(error).__name__
    if is_tiff:
        return f"{path.name} is a TIFF that can't be read: {why}. It may be damaged or cut short: copy it again."
    return f"{path.name} can't be read as a picture: {why}. It may be damaged or cut short: copy it again."


def _read_picture(path: Path) -> tuple[NDArray[np.uint8], dict[str, str]]:
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        # Pillow warns of a decompression bomb far below our own limit, which is checked before pixels are read.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(path)
        except Image.DecompressionBombError as error:
            raise too_large(path) from error
        with image:
            check_size(path, image.width, image.height)
            properties = {"picture.format": str(image.format), "picture.mode": image.mode}
            dpi = image.info.get("dpi")
            if dpi:
                properties |= {"tiff.XResolution": str(float(dpi[0])), "tiff.YResolution": str(float(dpi[1]))}
                properties["tiff.ResolutionUnit"] = "inch"
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I") or upright.mode == "F":
                return to_rgb(np.asarray(upright)), properties
            if not upright.has_transparency_data:
                return np.asarray(upright.convert("RGB")), properties
            rgba = np.asarray(upright.convert("RGBA"))
            return to_rgb(rgba[..., :3], alpha=rgba[..., 3]), properties


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
