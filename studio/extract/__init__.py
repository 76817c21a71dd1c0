"""Single cells out of slides: to TFRecords, to pictures, or straight into PyTorch. Names load when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.extract.cells import CellTile, CellTiles
    from studio.extract.stain import Macenko, Reinhard
    from studio.extract.tfrecord import read_examples
    from studio.extract.write import extract_cells

__all__ = ["CellTile", "CellTiles", "Macenko", "Reinhard", "extract_cells", "read_examples"]

_HOMES = {
    "CellTile": "studio.extract.cells",
    "CellTiles": "studio.extract.cells",
    "Macenko": "studio.extract.stain",
    "Reinhard": "studio.extract.stain",
    "extract_cells": "studio.extract.write",
    "read_examples": "studio.extract.tfrecord",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
