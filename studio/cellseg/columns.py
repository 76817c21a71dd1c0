"""What the columns of a cell table are called in words, and in which unit they are."""

from __future__ import annotations

_UNITS = {"um2": "µm²", "um": "µm", "px2": "px²", "px": "px", "od": "OD"}
"""Endings of a column's name."""

_TITLES = {
    "hematoxylin_od": "Haematoxylin",
    "eosin_od": "Eosin",
    "major_um": "Long axis",
    "major_px": "Long axis",
    "minor_um": "Short axis",
    "minor_px": "Short axis",
    "flow_error": "Flow error",
}

NOT_MEASURES = ("id", "x", "y", "x_um", "y_um", "row", "column", "bbox")
"""Columns that say which cell and where, rather than what it is like."""


def column_unit(name: str) -> str:
    """The unit of a column, such as `µm²`; empty for a plain number."""
    return _UNITS.get(name.rpartition("_")[2], "") if "_" in name else ""


def column_label(name: str) -> str:
    """Title and unit: `Area (µm²)`."""
    unit = column_unit(name)
    return f"{column_title(name)} ({unit})" if unit else column_title(name)


def column_title(name: str) -> str:
    """A column's name as a person reads it: `area_um2` is `Area`, `mean_red` is `Mean red`."""
    if name in _TITLES:
        return _TITLES[name]
    stem, _, end = name.rpartition("_")
    words = (stem if end in _UNITS else name).replace("_", " ").strip()
    return words[:1].upper() + words[1:]
