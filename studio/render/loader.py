"""Reads tiles on threads: one list of what is wanted, replaced as the view moves.

What is no longer on the list when a thread comes to it is never read, and a
read that is overtaken may give up half-way. Jobs are something else: few,
named, and visible to the person.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio.errors import StudioError

log = logging.getLogger(__name__)

THREADS = 2

_NEWEST = 1 / 4
"""Weight of the newest read among those that tell how long the next will take."""

_JOIN_S = 5.0
"""How long `close` waits for a read that can't be interrupted."""


class Overtaken(Exception):  # noqa: N818 - not an error
    """Raised by a request's `check` when its result is no longer, or not yet, wanted."""


Key = tuple[int, Hashable]
"""Stamp of the source, so that a late tile of another one is known, and what is asked for."""

Check = Callable[[], None]
"""Called between the steps of a long read; raises Overtaken."""


@dataclass(frozen=True, slots=True)
class Request:
    """One tile to read. `load` runs on a thread and must use nothing that the main thread changes."""

    key: Key
    load: Callable[[Check], Any]
    urgent: bool = True
    """In view. A long read that isn't urgent gives way when something urgent waits."""
    group: Hashable = None
    """Requests of one group take about as long."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tile that was read, or why it couldn't be."""

    key: Key
    value: Any = None
    error: Exception | None = None


class TileLoader:
    """Two threads and one wanted list. All methods are for the main thread and never wait for a read."""

    def __init__(self, threads: int = THREADS) -> None:
        self.wake: Callable[[], None] = lambda: None
        """Called on a loader thread when something finished."""
        lock = threading.RLock()
        self._changed, self._arrived = threading.Condition(lock), threading.Condition(lock)
        self.busy_s = 0.0
        """What all threads together spent reading so far."""
        self._read_s: dict[Hashable, float] = {}
        self._wanted: dict[Key, Request] = {}
        self._running: set[Key] = set()
        self._finished: dict[Key, Loaded] = {}
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"tiles-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def want(self, requests: Sequence[Request]) -> None:
        """Replace the list: most wanted first. Results of what is no longer on it are dropped."""
        wanted = {request.key: request for request in requests}
        with self._changed:
            self._wanted = wanted
            for key in [key for key in self._finished if key not in wanted]:
                del self._finished[key]
            self._changed.notify_all()

    def take(self) -> Loaded | None:
        """The finished tile that stands first on the list, or None; it leaves the list."""
        with self._changed:
            if not self._finished:
                return None
            key = next(key for key in self._wanted if key in self._finished)
            del self._wanted[key]
            return self._finished.pop(key)

    def wait(self, timeout_s: float) -> bool:
        """Wait until a finished tile may be taken, or for so long; whether there is one."""
        with self._changed:
            return self._arrived.wait_for(lambda: bool(self._finished), timeout_s)

    def forecast_s(self, counts: Mapping[Hashable, int]) -> float:
        """How long so many requests of each group will take, as the last ones did; a new group counts nothing."""
        with self._changed:
            total_s = sum(self._read_s.get(group, 0.0) * count for group, count in counts.items())
        return total_s / len(self._threads)

    @property
    def waiting(self) -> bool:
        """Whether finished tiles wait to be taken."""
        with self._changed:
            return bool(self._finished)

    @property
    def idle(self) -> bool:
        """Whether nothing is being read, waits to be read, or waits to be taken."""
        with self._changed:
            return not self._running and not self._wanted

    def close(self) -> None:
        """Drop everything and end the threads; one inside a read that hangs is left to end with the process."""
        with self._changed:
            self._closed = True
            self._wanted.clear()
            self._finished.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_JOIN_S)

    def _work(self) -> None:
        while (request := self._next()) is not None:
            began_s = time.monotonic()
            try:
                loaded = Loaded(request.key, request.load(lambda request=request: self._check(request)))  # type: ignore[misc]
            except Overtaken:
                loaded = None
            except StudioError as error:
                loaded = Loaded(request.key, error=error)
            except Exception as error:
                # A thread that died would leave holes in the picture for ever.
                log.warning("Can't load %s", request.key, exc_info=error)
                loaded = Loaded(request.key, error=error)
            if self._finish(request, loaded, time.monotonic() - began_s):
                self.wake()

    def _next(self) -> Request | None:
        with self._changed:
            while not self._closed:
                for key, request in self._wanted.items():
                    if key not in self._running and key not in self._finished:
                        self._running.add(key)
                        return request
                self._changed.wait()
            return None

    def _finish(self, request: Request, loaded: Loaded | None, taken_s: float) -> bool:
        key = request.key
        with self._changed:
            self.busy_s += taken_s
            if loaded is not None:
                before_s = self._read_s.get(request.group, taken_s)
                self._read_s[request.group] = before_s + _NEWEST * (taken_s - before_s)
            self._running.discard(key)
            if loaded is None or key not in self._wanted:
                # Somebody may have asked for it again meanwhile.
                self._changed.notify_all()
                return False
            self._finished[key] = loaded
            self._arrived.notify_all()
            return True

    def _check(self, request: Request) -> None:
        with self._changed:
            current = self._wanted.get(request.key)
            if current is None:
                raise Overtaken
            if not current.urgent and any(
                other.urgent and key not in self._running and key not in self._finished
                for key, other in self._wanted.items()
            ):
                raise Overtaken
