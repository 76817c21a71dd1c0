"""The cell segmentation panel, one file a section."""

from __future__ import annotations

from .panel import CellSegPanel

__all__ = ["CellSegPanel"]
