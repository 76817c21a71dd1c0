"""Whole arrays that may be larger than the memory: on the heap, in a scratch file, or a clear refusal."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import ResultFileError

HEAP_BYTES = 4 << 30
"""Larger arrays go to a scratch file, and smaller ones too where they would take half of what is free."""


def memory_budget() -> int:
    """Bytes that one array may take on the heap."""
    import psutil

    return min(HEAP_BYTES, int(psutil.virtual_memory().available) // 2)


def whole_array(shape: tuple[int, ...], dtype: Any, what: str) -> NDArray[Any]:
    """Zeros of that shape; in a scratch file, which goes with the array, where the memory is too small.

    Raises:
        ResultFileError: no disk has room for it. `what` names it, and what to use in its place.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= memory_budget():
        return np.zeros(shape, dtype)
    folders = _scratch_folders()
    folder = next((f for f in folders if shutil.disk_usage(f).free > size + (256 << 20)), None)
    if folder is None:
        raise ResultFileError(
            f"{what} would take {size / 1e9:.1f} GB, more than fits into memory or into {folders[0]}. Use `labels`, "
            "which reads only what is indexed, or `read_region`; or let TMPDIR name a folder with more room."
        )
    # Without a name, so that nothing is left behind whatever happens.
    with tempfile.TemporaryFile(dir=folder, prefix="studio-masks-") as file:
        file.truncate(size)
        return np.memmap(file, dtype, "r+", shape=shape)


def _scratch_folders() -> list[Path]:
    from studio.settings import cache_dir

    cache = cache_dir()
    return [Path(tempfile.gettempdir()), *([cache] if cache.is_dir() else [])]
