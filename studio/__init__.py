"""Studio: segment cells in whole-slide images, in a window, on a command line, or from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.core.compiled import ensure_place

__version__ = "0.1.0"
__all__ = ["WSI", "Project", "Segmentation", "__version__", "segment_slide"]

# In a checkout `widgets` lies beside this package; in a wheel it lies inside it.
# Either way it is imported as `studio.widgets`.
_beside = Path(__file__).resolve().parent.parent
if not (Path(__file__).resolve().parent / "widgets").is_dir() and (_beside / "widgets" / "__init__.py").is_file():
    __path__.append(str(_beside))

ensure_place(Path(__file__).resolve().parent)

_LAZY = {
    "WSI": "studio.slide",
    "Project": "studio.project",
    "Segmentation": "studio.cellseg.result",
    "segment_slide": "studio.cellseg.api",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'studio' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
