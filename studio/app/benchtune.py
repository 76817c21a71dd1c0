"""`bench tune --on-screen`: from a slider's move until its cells are on the screen, in the real window."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.app.main import WindowOptions
from studio.app.window import Window
from studio.cellseg.tunebench import MOVES, TuneRequest
from studio.core.jobs import Job, NullProgress, Progress
from studio.core.worker import owned_cores
from studio.errors import StudioError
from studio.session import Session
from studio.session.thresholds import Shown, Wish
from studio.settings import Settings

if TYPE_CHECKING:
    from studio.app.benchstage import BenchStage

SIZE = (1280, 800)
PREVIEW_S = 300.0

PARTS = ("ask", "dynamics", "hand_over", "upload", "draw", "rest")
_NOTHING = NullProgress()


@dataclass(slots=True)
class _Change:
    """One change of a threshold, in seconds of `time.monotonic`."""

    moved_s: float
    asked_s: float = 0.0
    came_s: float = 0.0
    shown_s: float = 0.0
    task_s: float = 0.0
    """What the worker's task took of the time between asking and coming."""
    upload_s: float = 0.0
    """Since they came, as are the next two."""
    draw_s: float = 0.0
    frames: int = 0
    cpu_s: float = 0.0
    """Of the task, all threads."""
    window_cpu_s: float = 0.0
    """Of the window's process from the move to the screen, all threads: software OpenGL draws on its own."""

    @property
    def parts_s(self) -> dict[str, float]:
        """PARTS: they add up to the time from the move to the screen."""
        shown_s = self.shown_s - self.came_s
        return {
            "ask": self.asked_s - self.moved_s,
            "dynamics": self.task_s,
            "hand_over": self.came_s - self.asked_s - self.task_s,
            "upload": self.upload_s,
            "draw": self.draw_s,
            "rest": shown_s - self.upload_s - self.draw_s,
        }


def bench_tune_window(
    request: TuneRequest, size: tuple[int, int] = SIZE, progress: Progress = _NOTHING
) -> dict[str, Any]:
    """Preview a view in the window, then move each threshold on it as a slider does, one move after the other.

    Args:
        request: what to measure; the view is as much more as the window's shape asks for.
        size: of the window.
        progress: told of moves.

    Returns:
        plain values: cells, network_ms and preview_ms of the preview, threads, size, renderer, load (the system's,
        over a minute), steps (by parameter, and `all`: n, least_ms, p50_ms, p95_ms, max_ms from the move to the end
        of the first frame that shows its cells; p50_to_network; parts_ms, their medians: `ask` (until the worker is
        asked), `dynamics` (the worker's task), `hand_over` (to the window, which may be drawing), `upload`, `draw`
        (painting and showing) and `rest` (texels made of labels, panels, waiting); medians of cpu_ms, the task's CPU
        time, and window_cpu_ms, that of the window's process meanwhile; frames, their mean number).

    Raises StudioError where no window opens or the preview fails.
    """
    with ExitStack() as stack:
        window = stack.enter_context(Window(size))
        # From here on a GL context is current; these import OpenGL. The first switches off its checks of each call.
        import studio.render.gl  # noqa: F401
        from studio.app.benchstage import BenchStage
        from studio.render.tally import gl_renderer

        session = Session(Settings())
        stack.callback(session.close)
        options = WindowOptions(cellpose=True, size=size, view=request.rect_slide)
        stage = BenchStage(window, session, options)
        stack.callback(stage.close)
        preview = _preview(stage, session, request)
        changes = _move_all(stage, session, request, progress)
        every = [each for some in changes.values() for each in some]
        network_ms = session.live.times.network_ms or 0.0
        return preview | {
            "slide": request.slide.name,
            "network_ms": network_ms,
            "threads": request.params.workers or owned_cores(),
            "size": list(size),
            "renderer": gl_renderer(),
            "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            "steps": {name: _summary(some, network_ms) for name, some in (changes | {"all": every}).items()},
        }


def _preview(stage: BenchStage, session: Session, request: TuneRequest) -> dict[str, Any]:
    """Open the slide, make the preview, and have the worker get ready for all thresholds."""
    document = session.document
    session.open_many([request.slide], mpp=request.mpp)
    stage.until(lambda: document.slide is not None and stage.sharp)
    session.set_params(**request.params.to_dict())
    # Weights, compilers and a first preview at another scale come before all clocks, and tiles that won't do for it.
    diam_um = request.params.diam_um
    for each in (1.05 * diam_um, diam_um):
        session.set_params(diam_um=each)
        began_s = time.monotonic()
        session.preview()
        stage.until(lambda: not session.previewing, PREVIEW_S)
        preview_ms = 1000 * (time.monotonic() - began_s)
        if session.live.shown is None:
            raise StudioError(next((toast.text for toast in session.toasts), "There is no preview to tune."))
        _rest(stage, session)
    overlay = document.overlay
    return {"cells": overlay.source.cells if overlay is not None else 0, "preview_ms": preview_ms}


def _move_all(
    stage: BenchStage, session: Session, request: TuneRequest, progress: Progress
) -> dict[str, list[_Change]]:
    progress.start(request.rounds * sum(map(len, MOVES.values())), "Moving thresholds")
    found: dict[str, list[_Change]] = {name: [] for name in MOVES}
    for _ in range(request.rounds):
        for name, values in MOVES.items():
            for value in values:
                found[name].append(_change(stage, session, {name.split()[0]: value}))
                progress.advance()
                _rest(stage, session)
    return found


def _rest(stage: BenchStage, session: Session) -> None:
    """Run until the worker has nothing left to do for the thresholds as they are."""
    stage.until(lambda: math.isinf(session.live.due_s) and not session.live.busy, PREVIEW_S)
    stage.rest(0.0)


def _change(stage: BenchStage, session: Session, changes: dict[str, float]) -> _Change:
    """Move a threshold at the beginning of a frame, and wait for the frame that shows its cells."""
    live, change, submit = session.live, _Change(0.0), session.live.submit
    before = live.times.live_count
    spent = [0.0, 0.0]

    def watched(shown: Shown, wish: Wish, apply: Callable[[Job], None], failed: Callable[[Job], None]) -> Job:
        def came(job: Job) -> None:
            if change.came_s:
                # Flows follow once nothing moves.
                apply(job)
                return
            change.task_s = float(job.result["seconds"])
            change.came_s = time.monotonic()
            change.cpu_s = float(job.result["cpu_s"])
            spent[:] = stage.scene.upload_s, stage.draw_s
            stage.count_frames()
            apply(job)

        change.asked_s = change.asked_s or time.monotonic()
        return submit(shown, wish, came, failed)

    def move() -> None:
        change.moved_s, change.window_cpu_s = time.monotonic(), time.process_time()
        session.set_params(**changes)

    live.submit = watched
    try:
        stage.move(move, lambda: live.times.live_count > before and live.times.screen_ms is not None)
    finally:
        live.submit = submit
    change.shown_s = time.monotonic()
    change.window_cpu_s = time.process_time() - change.window_cpu_s
    change.upload_s, change.draw_s = stage.scene.upload_s - spent[0], stage.draw_s - spent[1]
    change.frames = stage.count_frames()
    return change


def _summary(changes: list[_Change], network_ms: float) -> dict[str, Any]:
    took = 1000 * np.array([each.shown_s - each.moved_s for each in changes])
    parts = [each.parts_s for each in changes]
    return {
        "n": len(changes),
        "least_ms": float(took.min()),
        "p50_ms": float(np.median(took)),
        "p95_ms": float(np.percentile(took, 95)),
        "max_ms": float(took.max()),
        "p50_to_network": float(np.median(took)) / network_ms if network_ms else None,
        "parts_ms": {part: 1000 * float(np.median([each[part] for each in parts])) for part in PARTS},
        "cpu_ms": 1000 * float(np.median([each.cpu_s for each in changes])),
        "window_cpu_ms": 1000 * float(np.median([each.window_cpu_s for each in changes])),
        "frames": float(np.mean([each.frames for each in changes])),
    }
