"""Which tile lies where in memory that can't hold them all. No GL."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class SlotLRU(Generic[K]):
    """Slots 0 to `capacity` - 1, each held by at most one key; the key used longest ago gives way."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._slots: OrderedDict[K, int] = OrderedDict()
        self._free: list[int] = []
        self._used = 0

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: K) -> bool:
        return key in self._slots

    def get(self, key: K) -> int | None:
        """The key's slot, which counts as used now, or None."""
        slot = self._slots.get(key)
        if slot is not None:
            self._slots.move_to_end(key)
        return slot

    def assign(self, key: K, keep: Collection[K] = ()) -> tuple[int, K | None] | None:
        """A slot for a key, and the key that lost it. None where all slots are held by keys in `keep`.

        A slot never used before is taken only when no freed one is at hand, so memory grows by need.
        """
        slot = self.get(key)
        if slot is not None:
            return slot, None
        loser = None
        if self._free:
            slot = self._free.pop()
        elif self._used < self.capacity:
            slot = self._used
            self._used += 1
        else:
            loser = next((held for held in self._slots if held not in keep), None)
            if loser is None:
                return None
            slot = self._slots.pop(loser)
        self._slots[key] = slot
        return slot, loser

    def release(self, key: K) -> None:
        """Free a key's slot; nothing happens to a key without one."""
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._free.append(slot)

    def clear(self) -> None:
        """Free all slots."""
        self._free.extend(self._slots.values())
        self._slots.clear()
