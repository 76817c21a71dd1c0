"""How much memory this process and its children took at most, looked at a few times a second."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil

EVERY_S = 0.1
CHILDREN_EVERY = 20
"""Looking for children means listing all processes, so that is done only so often."""


class PeakMemory:
    """Watches from `with` to its end. Pages shared between processes count once each."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="studio-memory", daemon=True)
        self._tree = [self._process]
        self._looks = 0
        self._bytes = 0

    @property
    def mb(self) -> float:
        """The peak so far in megabytes (10^6)."""
        self._look()
        return self._bytes / 1e6

    def __enter__(self) -> PeakMemory:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._look()

    def _look(self) -> None:
        if self._looks % CHILDREN_EVERY == 0:
            self._tree = [self._process, *self._process.children(recursive=True)]
        self._looks += 1
        total = 0
        for process in self._tree:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                # A child that ended meanwhile.
                continue
        self._bytes = max(self._bytes, total)
