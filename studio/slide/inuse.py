"""What several threads read from, closed when the last of them is out."""

from __future__ import annotations

import threading
from collections.abc import Callable


class InUse:
    """Counts the threads inside; once retired it lets nobody in and is closed when the last one leaves."""

    def __init__(self, close: Callable[[], object]) -> None:
        self._close = close
        self._lock = threading.Lock()
        self._inside = 0
        self._retired = False

    def enter(self) -> bool:
        """Come in to read; False when it is on its way out."""
        with self._lock:
            if self._retired:
                return False
            self._inside += 1
            return True

    def leave(self) -> None:
        """Go out; the last one out of what is retired closes it."""
        with self._lock:
            self._inside -= 1
            close = self._retired and self._inside == 0
        if close:
            self._close()

    def retire(self) -> None:
        """Let nobody in any more, and close as soon as nobody is inside."""
        with self._lock:
            close = not self._retired and self._inside == 0
            self._retired = True
        if close:
            self._close()
