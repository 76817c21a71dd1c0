"""The frame loop: sleeps until there is something to draw, draws it, survives a frame that raises."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from studio.errors import StudioError
from studio.logs import log_path

log = logging.getLogger(__name__)

FRAME_S = 1 / 60
"""Least time from one frame's start to the next's."""

WAKE_GAP_S = 0.1
"""Longest pause between frames that only show tiles as they come in."""

HEARTBEAT_S = 0.5
"""Longest sleep: signals, expired toasts and unsaved settings are looked at this often."""

FAILURES_MAX = 3
"""So many frames that raise, one after the other, end the program."""

FRAMES_KEPT = 512


class Stage(Protocol):
    """What the loop drives."""

    @property
    def closing(self) -> bool:
        """Whether the loop should end."""

    def wait(self, timeout_s: float) -> None:
        """Take in input; return when there is some, when `woken` becomes true, or after the timeout."""

    @property
    def has_input(self) -> bool:
        """Whether input waits for a frame."""

    def take_wake(self) -> bool:
        """Whether a loader thread has news for the picture; asking takes the news."""

    @property
    def poll_s(self) -> float:
        """How soon `update` should be called again though nothing happens."""

    @property
    def loading(self) -> bool:
        """Whether tiles of the view are still to come."""

    def update(self) -> bool:
        """Look after jobs and files. Whether anything to draw changed."""

    def draw(self) -> float | None:
        """Draw a frame. Seconds after which to draw again though nothing happens, or None."""

    def failed(self, error: Exception) -> None:
        """A frame raised: clean up after it and tell the person."""


class Pacer:
    """When to draw the next frame."""

    def __init__(self) -> None:
        self._due_s = 0.0
        self._began_s = -math.inf
        self._ended_s = -math.inf

    def now(self) -> None:
        """Draw as soon as the frame rate allows."""
        self._due_s = min(self._due_s, self._began_s + FRAME_S)

    def soon(self) -> None:
        """Draw shortly: leave at least as much time to the loader threads as the last frame took."""
        pause_s = min(WAKE_GAP_S, max(FRAME_S, self._ended_s - self._began_s))
        self._due_s = min(self._due_s, self._ended_s + pause_s)

    def drawn(self, began_s: float, ended_s: float, again_s: float | None) -> None:
        """A frame was drawn; the next one is due after `again_s`, or when something happens."""
        self._began_s, self._ended_s = began_s, ended_s
        self._due_s = math.inf if again_s is None else max(ended_s + again_s, began_s + FRAME_S)

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next frame is due: 0 or below when it is, infinite when none is."""
        return self._due_s - now_s


def run(stage: Stage, clock: Callable[[], float] = time.monotonic) -> None:
    """Draw frames until the stage closes. Raises StudioError after FAILURES_MAX frames in a row that raised."""
    pacer, failures = Pacer(), 0
    while not stage.closing:
        stage.wait(max(0.0, min(pacer.wait_s(clock()), stage.poll_s, HEARTBEAT_S)))
        began_s = clock()
        try:
            if stage.update() or stage.has_input:
                pacer.now()
            if stage.take_wake():
                # With the last tile the picture is sharp, and there is nobody to leave time to.
                pacer.soon() if stage.loading else pacer.now()
            if pacer.wait_s(began_s) > 0:
                continue
            again_s = stage.draw()
            failures = 0
        except Exception as error:  # one bad frame must not take the person's work with it
            failures += 1
            log.error("Frame failed", exc_info=error)
            if failures >= FAILURES_MAX:
                raise StudioError(
                    f"The window can't be drawn any more ({type(error).__name__}: {error}). "
                    f"What was computed is kept. The details are in {log_path()}; please report them."
                ) from error
            stage.failed(error)
            again_s = 0.0
        pacer.drawn(began_s, clock(), again_s)


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """Percentiles of the time it took to draw a frame, in milliseconds."""

    p50: float
    p95: float
    p99: float


class FrameClock:
    """Times of the frames drawn last."""

    def __init__(self, kept: int = FRAMES_KEPT) -> None:
        self._ms: deque[float] = deque(maxlen=kept)

    def add(self, seconds: float) -> None:
        """Note one frame."""
        self._ms.append(1000 * seconds)

    @property
    def times(self) -> FrameTimes:
        """Percentiles of what is kept, by the nearest rank; zeros before the first frame."""
        ranked = sorted(self._ms)
        if not ranked:
            return FrameTimes(0.0, 0.0, 0.0)
        return FrameTimes(*(ranked[max(0, math.ceil(q * len(ranked)) - 1)] for q in (0.50, 0.95, 0.99)))
