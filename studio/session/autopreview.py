"""A preview that follows the view: made once nothing moves, given up as soon as something does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

SETTLED_S = 0.5
"""So long nothing must have moved or changed."""


class Previewer(Protocol):
    """What is followed and done."""

    def auto_key(self) -> Hashable | None:
        """What a preview would be of, now; None where none can or should be made."""

    def auto_done(self) -> bool:
        """Whether what is on screen is that already."""

    @property
    def previewing(self) -> bool:
        """Whether a preview is under way."""

    def preview_quietly(self) -> None:
        """Make one, without a word about what it finds."""

    def stop_quietly(self) -> None:
        """Stop one that was begun so."""


@dataclass(slots=True)
class AutoPreview:
    """Decides, once a frame, whether to begin or to stop. Main thread only."""

    previewer: Previewer
    clock: Callable[[], float] = time.monotonic
    on: bool = False
    _key: Hashable | None = None
    _since_s: float = 0.0
    _tried: Hashable | None = None
    """What was begun last; it isn't begun again of itself, whatever became of it."""

    def switch(self, on: bool) -> None:
        """Follow the view from now on, or leave it."""
        self.on, self._key, self._tried = on, None, None
        if not on:
            self.previewer.stop_quietly()

    @property
    def due_s(self) -> float:
        """Seconds until `follow` should be called; infinite while it waits for nothing."""
        if not self.on or self._key is None or self._key == self._tried or self.previewer.previewing:
            return math.inf
        return max(0.0, self._since_s + SETTLED_S - self.clock())

    def follow(self) -> None:
        """Begin what is due, stop what is out of date."""
        if not self.on:
            return
        previewer, key = self.previewer, self.previewer.auto_key()
        if key != self._key:
            self._key, self._since_s = key, self.clock()
            previewer.stop_quietly()
            return
        if key is None or key == self._tried or previewer.previewing or self.due_s > 0:
            return
        self._tried = key
        if not previewer.auto_done():
            previewer.preview_quietly()
