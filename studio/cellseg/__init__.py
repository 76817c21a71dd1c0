"""Cell segmentation of whole slides. What is listed in `__all__` loads when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.cellseg.agreement import compare
    from studio.cellseg.api import segment_slide
    from studio.cellseg.params import SegmentParams
    from studio.cellseg.result import Segmentation

__all__ = ["SegmentParams", "Segmentation", "compare", "segment_slide"]

_HOMES = {
    "SegmentParams": "studio.cellseg.params",
    "Segmentation": "studio.cellseg.result",
    "compare": "studio.cellseg.agreement",
    "segment_slide": "studio.cellseg.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
