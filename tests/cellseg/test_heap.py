"""Freed memory goes back to the system, but only where a budget is overstepped, and not all the time."""

from __future__ import annotations

import numpy as np
import psutil
import pytest

from studio.cellseg import heap

MB = 1 << 20


def _taken() -> int:
    return psutil.Process().memory_info().rss


def _holes() -> list[np.ndarray]:
    """Memory with 60 MB freed between pieces that stay, so that the C library can't shorten its heap by itself."""
    pieces = [np.ones(60_000, np.uint8) for _ in range(2000)]
    return pieces[::2]


@pytest.mark.skipif(heap._trim() is None, reason="only glibc hands memory back when asked")
def test_freed_memory_goes_back_beyond_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_EVERY_S", 3600.0)
    heap.give_back()  # what earlier tests left
    watched, roomy = heap.Heap(20 * MB), heap.Heap(4000 * MB)
    left = _holes()
    kept = _taken()
    assert not roomy.look()
    assert watched.look()
    assert _taken() < kept - 20 * MB
    more = _holes()
    assert not watched.look(), "once in a while at most"
    monkeypatch.setattr(heap, "_EVERY_S", 0.0)
    assert watched.look()
    assert len(left) == len(more) == 1000


def test_where_the_c_library_cannot_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_trim", lambda: None)
    assert not heap.give_back()
    assert not heap.Heap(-1e12).look()
