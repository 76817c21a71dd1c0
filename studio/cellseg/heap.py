"""Memory that the C library keeps after it was freed."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
import threading
import time
from typing import Any

import psutil

_EVERY_S = 1.0
"""Handing back takes some hundredths of a second, and what is wanted again has to be asked for again."""


class Heap:
    """Keeps what the C library keeps from adding up beyond a budget. Any thread may look.

    Args:
        budget_bytes: what may be taken beyond what the process has when this is made.
    """

    def __init__(self, budget_bytes: float) -> None:
        self._process = psutil.Process()
        self._limit = self._process.memory_info().rss + budget_bytes
        self._lock = threading.Lock()
        self._last_s = -_EVERY_S

    def look(self) -> bool:
        """Hand freed memory back where more than the budget is taken, once a second at most; whether it did."""
        with self._lock:
            if time.monotonic() - self._last_s < _EVERY_S or self._process.memory_info().rss < self._limit:
                return False
            self._last_s = time.monotonic()
            return give_back()


def give_back() -> bool:
    """Hand memory that was freed back to the system, where the C library can (glibc); whether any was."""
    trim = _trim()
    return trim is not None and bool(trim(0))


@functools.cache
def _trim() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, AttributeError):
        return ctypes.CDLL(None).malloc_trim
    return None
