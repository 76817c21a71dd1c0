"""A cache that forgets what was used longest ago, bounded in bytes, for use from many threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Loading(Generic[V]):
    """One load under way, which other threads that want the same wait for."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.value: V | None = None
        self.error: BaseException | None = None


class ByteLRU(Generic[K, V]):
    """Values by key, at most `budget_bytes` of them by `size_of(value)`.

    A value larger than the whole budget is handed out but not kept. Safe from
    any thread; `get_or_load` loads a key once however many threads ask for it.
    """

    def __init__(self, budget_bytes: int, size_of: Callable[[V], int]) -> None:
        self.budget_bytes = budget_bytes
        self._size_of = size_of
        self._lock = threading.Lock()
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._loading: dict[K, _Loading[V]] = {}
        self._bytes = 0
        self._epoch = 0

    @property
    def used_bytes(self) -> int:
        """Size of all that is kept now."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def get(self, key: K) -> V | None:
        """The value, which counts as used now, or None."""
        with self._lock:
            entry = self._values.get(key)
            if entry is None:
                return None
            self._values.move_to_end(key)
            return entry[0]

    def put(self, key: K, value: V) -> None:
        """Keep a value, forgetting the ones used longest ago to make room."""
        with self._lock:
            self._put(key, value)

    def get_or_load(self, key: K, load: Callable[[], V]) -> V:
        """The value, from `load()` where it isn't kept.

        `load` runs without the lock held, in one of the threads that ask; the
        others wait for it and get its value or its exception.
        """
        with self._lock:
            entry = self._values.get(key)
            if entry is not None:
                self._values.move_to_end(key)
                return entry[0]
            loading = self._loading.get(key)
            mine = loading is None
            if loading is None:
                loading = self._loading[key] = _Loading()
            epoch = self._epoch
        if not mine:
            loading.done.wait()
            if loading.error is not None:
                raise loading.error
            return loading.value  # type: ignore[return-value]
        return self._load(key, loading, load, epoch)

    def clear(self) -> None:
        """Forget everything; loads under way finish but aren't kept."""
        with self._lock:
            self._values.clear()
            self._loading.clear()
            self._bytes = 0
            self._epoch += 1

    def _load(self, key: K, loading: _Loading[V], load: Callable[[], V], epoch: int) -> V:
        try:
            value = load()
        except BaseException as error:
            loading.error = error
            raise
        else:
            loading.value = value
            return value
        finally:
            with self._lock:
                if self._loading.get(key) is loading:
                    del self._loading[key]
                if loading.error is None and epoch == self._epoch:
                    self._put(key, loading.value)  # type: ignore[arg-type]
            loading.done.set()

    def _put(self, key: K, value: V) -> None:
        old = self._values.pop(key, None)
        if old is not None:
            self._bytes -= old[1]
        size = self._size_of(value)
        if size > self.budget_bytes:
            return
        self._values[key] = (value, size)
        self._bytes += size
        while self._bytes > self.budget_bytes:
            self._bytes -= self._values.popitem(last=False)[1][1]
