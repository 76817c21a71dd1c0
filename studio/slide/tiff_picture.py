"""A TIFF that no scanner wrote as one RGB picture: its tags say what its numbers mean."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import SlideError
from studio.slide.rgb import PROBLEMS, check_shape, check_size, to_rgb

_UNITS = {1: "none", 2: "inch", 3: "centimeter"}
_WHITE_IS_ZERO, _PALETTE, _YCBCR, _CMYK = 0, 3, 6, 5
_SHOWN = (_WHITE_IS_ZERO, 1, 2, _PALETTE, _YCBCR, _CMYK)
"""Photometric interpretations that can be shown; 1 and 2 are gray and RGB."""
_AS_STORED = (1, 5, 8, 32773, 32946, 50000)
"""Compressions that leave YCbCr as it is; JPEG's decoders make RGB of it."""
_PREMULTIPLIED, _STRAIGHT = 1, 2


def read_tiff(path: Path) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """RGB (h, w, 3) of the first image, and what its tags say under OpenSlide's names.

    Raises SlideError for what is too large or has colours that can't be shown,
    ValueError and whatever else tifffile trips over for what is damaged.
    """
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
            sizes = dict(zip(series.axes, series.shape, strict=True))
            check_size(path, sizes.get("X", page.imagewidth), sizes.get("Y", page.imagelength))
            if page.photometric not in _SHOWN:
                colours = getattr(page.photometric, "name", page.photometric)
                raise SlideError(f"The colours of {path.name} are {colours}. Save it as RGB.")
            rgb = _rgb(_planes_last(series.asarray(), series.axes), page)
            return _upright(rgb, int(page.tags.valueof("Orientation", 1))), _properties(page, tiff)
    except tifffile.TiffFileError as error:
        raise ValueError(str(error)) from error


def is_beyond_openslide(path: Path) -> bool:
    """Whether OpenSlide would show a tiled TIFF in 8 bits of its first channel, or not at all.

    That is so with numbers of more than 8 bits, of which it drops the lower
    ones whatever range they are in, and with channels that lie in planes.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            check_size(path, page.imagewidth, page.imagelength)
            if int(page.bitspersample) > 8:
                return True
            return page.samplesperpixel == 1 and "C" in tiff.series[0].axes
    except (*PROBLEMS, SlideError):
        return False


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


def _properties(page: Any, tiff: Any) -> dict[str, str]:
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


def _rgb(pixels: NDArray[Any], page: Any) -> NDArray[np.uint8]:
    """RGB of a page's numbers (h, w) or (h, w, samples)."""
    check_shape(pixels)
    kind = int(page.photometric)
    if kind == _WHITE_IS_ZERO and pixels.dtype.kind in "bu":
        pixels = ~pixels if pixels.dtype == np.bool_ else (1 << int(page.bitspersample)) - 1 - pixels
    elif kind == _PALETTE and page.colormap is not None:
        # The colours are 16 bits by the standard; some programs write 8.
        colours = page.colormap >> 8 if page.colormap.max() > 255 else page.colormap
        return np.ascontiguousarray(colours.astype(np.uint8).T[pixels])
    elif kind == _CMYK and pixels.shape[2:] == (4,):
        return _converted(pixels, "CMYK")
    elif kind == _YCBCR and pixels.shape[2:] == (3,) and page.compression in _AS_STORED:
        return _converted(pixels, "YCbCr")
    # A fourth sample is opacity only where the file says so: it may be a fourth stain.
    extra = next(iter(page.extrasamples or ()), 0) if pixels.ndim == 3 and page.samplesperpixel > 1 else 0
    has_alpha = extra in (_PREMULTIPLIED, _STRAIGHT) and pixels.shape[2] in (2, 4)
    if not has_alpha:
        return to_rgb(pixels[..., :3] if pixels.ndim == 3 else pixels)
    return to_rgb(pixels[..., :-1], alpha=pixels[..., -1], premultiplied=extra == _PREMULTIPLIED)


def _converted(pixels: NDArray[Any], mode: str) -> NDArray[np.uint8]:
    from PIL import Image

    eight_bits = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    height, width = pixels.shape[:2]
    image = Image.frombytes(mode, (width, height), np.ascontiguousarray(eight_bits).tobytes())
    return np.asarray(image.convert("RGB"))


def _upright(rgb: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The picture as its orientation tag says that it is looked at."""
    if orientation in (5, 6, 7, 8):
        rgb = rgb.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    return np.ascontiguousarray(rgb)
