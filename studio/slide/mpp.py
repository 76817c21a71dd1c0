"""How many micrometres one pixel measures, from whatever a file says about it.

Sources, in order: OpenSlide's own finding, vendor properties, OME-XML, ImageJ,
TIFF resolution tags. A value that no microscope makes (the 72 or 300 dpi that
office programs write) is refused, and the reading says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MPP_RANGE = (0.05, 20.0)
"""µm per pixel that a slide can have: beyond oil immersion at 100x, to a macro picture at 0.5x."""

_ANISOTROPY = 0.01
_VENDOR_KEYS = ("aperio.MPP", "ventana.ScanRes", "trestle.MPP")
_UM_PER = {
    "nm": 1e-3, "nanometer": 1e-3, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0,
    "micrometre": 1.0, "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3, "cm": 1e4, "centimeter": 1e4,
    "centimetre": 1e4, "inch": 25400.0, "in": 25400.0, "m": 1e6,
}  # fmt: skip


@dataclass(frozen=True)
class MppReading:
    """A pixel size and where it comes from. `mpp` is None where the file gives none that can be used."""

    mpp: float | None
    source: str = "none"
    """`openslide`, `vendor`, `ome`, `imagej`, `tiff`, `override` or `none`."""
    note: str = ""
    """What a person should know: unequal sides, values that were refused."""


def find_mpp(properties: Mapping[str, str]) -> MppReading:
    """The pixel size from OpenSlide's properties or TIFF tags under the same names.

    Reads `openslide.mpp-x/-y`, vendor keys, `tiff.ImageDescription` (OME-XML,
    ImageJ, `MPP = …`), and `tiff.XResolution/YResolution/ResolutionUnit`.

    >>> find_mpp({"tiff.XResolution": "40000", "tiff.YResolution": "40000", "tiff.ResolutionUnit": "centimeter"})
    MppReading(mpp=0.25, source='tiff', note='')
    >>> find_mpp({"tiff.XResolution": "72", "tiff.YResolution": "72", "tiff.ResolutionUnit": "inch"}).note
    'the file says 352.8 × 352.8 µm per pixel, which no slide has'
    """
    refused: list[str] = []
    for source, x, y in _candidates(properties):
        if not (in_range(x) and in_range(y)):
            refusal = f"the file says {x:.4g} × {y:.4g} µm per pixel, which no slide has"
            refused += [] if refusal in refused else [refusal]
            continue
        notes = list(refused)
        if abs(x - y) > _ANISOTROPY * max(x, y):
            notes.append(f"pixels aren't square ({x:.4g} × {y:.4g} µm): the mean is used")
        return MppReading(x if x == y else (x + y) / 2, source, "; ".join(notes))
    return MppReading(None, "none", "; ".join(refused))


def in_range(mpp: float) -> bool:
    """True for a pixel size that a slide can have."""
    return math.isfinite(mpp) and MPP_RANGE[0] <= mpp <= MPP_RANGE[1]


def _candidates(properties: Mapping[str, str]) -> Iterator[tuple[str, float, float]]:
    x, y = (_number(properties.get(f"openslide.mpp-{axis}")) for axis in "xy")
    if x or y:
        yield "openslide", x or y or 0.0, y or x or 0.0
    for key in _VENDOR_KEYS:
        value = _number(properties.get(key))
        if value:
            yield "vendor", value, value
    description = properties.get("tiff.ImageDescription") or properties.get("openslide.comment") or ""
    yield from _from_description(description, properties)
    yield from _from_tags(properties)


def _from_description(text: str, properties: Mapping[str, str]) -> Iterator[tuple[str, float, float]]:
    if "PhysicalSizeX" in text:
        x, y = (_ome_size(text, axis) for axis in "XY")
        if x or y:
            yield "ome", x or y or 0.0, y or x or 0.0
    if text.startswith("ImageJ="):
        unit = re.search(r"^unit=(.+)$", text, re.MULTILINE)
        factor = _UM_PER.get(_plain_unit(unit.group(1))) if unit else None
        x, y = (_number(properties.get(f"tiff.{axis}Resolution")) for axis in "XY")
        if factor and (x or y):
            yield "imagej", factor / (x or y or 1.0), factor / (y or x or 1.0)
    stated = re.search(r"\bMPP\s*[=:]\s*([0-9.]+(?:[eE][-+]?\d+)?)", text)
    value = _number(stated.group(1)) if stated else None
    if value:
        yield "vendor", value, value


def _from_tags(properties: Mapping[str, str]) -> Iterator[tuple[str, float, float]]:
    factor = _UM_PER.get((properties.get("tiff.ResolutionUnit") or "inch").lower())
    x, y = (_number(properties.get(f"tiff.{axis}Resolution")) for axis in "XY")
    if factor and (x or y):
        yield "tiff", factor / (x or y or 1.0), factor / (y or x or 1.0)


def _ome_size(text: str, axis: str) -> float | None:
    size = re.search(rf'\bPhysicalSize{axis}\s*=\s*["\']([^"\']+)["\']', text)
    unit = re.search(rf'\bPhysicalSize{axis}Unit\s*=\s*["\']([^"\']+)["\']', text)
    factor = _UM_PER.get(_plain_unit(unit.group(1))) if unit else 1.0
    value = _number(size.group(1)) if size else None
    return value * factor if value and factor else None


def _plain_unit(text: str) -> str:
    # ImageJ writes µ as an escape in ASCII, OME as an XML reference.
    unit = text.strip().replace("\\u00B5", "µ").replace("&#181;", "µ").replace("&#xB5;", "µ").lower()
    return "µm" if unit == "μm" else unit


def _number(text: str | None) -> float | None:
    """A positive finite number, or None; decimal commas are understood."""
    try:
        value = float(str(text).replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
