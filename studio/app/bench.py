"""`bench viewer`: the real window driven over a fixed path, with a clock in every frame."""

from __future__ import annotations

import gc
import itertools
import math
import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psutil

from studio.app import loop
from studio.app.main import WindowOptions
from studio.app.window import Window
from studio.core.jobs import NullProgress, Progress
from studio.session import Session
from studio.settings import Settings, cache_dir

if TYPE_CHECKING:
    from studio.app.benchstage import BenchStage, Frame, Sharpened

SIZE = (1280, 800)
PAN_PX = 24
"""Framebuffer pixels from frame to frame."""
PAN_FRAMES, ZOOM_FRAMES = 60, 48
ZOOM_STEP = 1.06
JUMPS = 20
STILL_S = 0.4
_NOTHING = NullProgress()


@dataclass(frozen=True, slots=True)
class ViewerRequest:
    """What to measure."""

    slide: Path
    masks: Path | None = None
    cells: Sequence[int] = (0, 10_000, 1_000_000, 5_000_000)
    """Made-up cells to measure with, one round each; used where `masks` is None."""
    size: tuple[int, int] = SIZE
    mpp: float | None = None
    cycles: int = 0
    """How often to open and close slide and cells."""
    with_run: bool = False
    """Also measure while a whole-slide run is under way."""


@dataclass(slots=True)
class _Jumps:
    sharpened: list[Sharpened] = field(default_factory=list)
    bare_ms: list[float] = field(default_factory=list)
    tiles: int = 0


def bench_viewer(request: ViewerRequest, progress: Progress = _NOTHING) -> dict[str, Any]:
    """Open the window and measure; what was found as JSON takes it. Raises StudioError where no window opens."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="studio-bench-")))
        window = stack.enter_context(Window(request.size))
        # From here on a GL context is current; these import OpenGL. The first switches off its checks of each call.
        import studio.render.gl  # noqa: F401
        from studio.app.benchstage import BenchStage
        from studio.render.tally import gl_renderer

        session = Session(Settings())
        stack.callback(session.close)
        stage = BenchStage(window, session, WindowOptions(size=request.size))
        stack.callback(stage.close)

        overlays = _overlays(request, folder, progress)
        progress.start(len(overlays), "Measuring")
        rounds = []
        for overlay in overlays:
            rounds.append(_round(stage, session, request, overlay))
            progress.advance(1)
        report = rounds[-1] | {
            "slide": str(request.slide),
            "size": list(request.size),
            "renderer": gl_renderer(),
            "rounds": rounds,
        }
        for kind in ("frame", "frame_cpu", "frame_all_cpu"):
            report[f"{kind}_ratio"] = _ratio(rounds, f"{kind}_ms")
        if request.with_run:
            _keep_runs_in(folder)
            report["with_run"] = _with_run(stage, session, request)
        if request.cycles:
            report["cycles"] = _cycles(stage, session, request, overlays[-1], progress)
        return report


def _overlays(request: ViewerRequest, folder: Path, progress: Progress) -> list[Path | None]:
    if request.masks is not None:
        return [None, request.masks]
    from studio.cellseg.madecells import write_made_cells
    from studio.slide import open_slide

    made: list[Path | None] = []
    with open_slide(request.slide, mpp=request.mpp) as slide:
        for count in request.cells:
            if count < 1:
                made.append(None)
                continue
            made.append(folder / f"{count}.zip")
            write_made_cells(folder / f"{count}.zip", count, slide, progress)
    return made


def _round(stage: BenchStage, session: Session, request: ViewerRequest, overlay: Path | None) -> dict[str, Any]:
    """Open slide and cells, go over the path twice, while tiles come in and when all are there, and jump."""
    _open(stage, session, request, overlay)
    _to_start(stage)
    arriving = _walk(stage)
    stage.rest(STILL_S)
    _to_start(stage)
    there = _walk(stage)
    # Last, so that none of what a program does once counts: shaders, memory of the first tiles, tiles read both ways.
    jumps = _jump_around(stage, session, request)
    scene = stage.scene
    cells = session.document.overlay.source.cells if session.document.overlay is not None else 0
    sharp_ms = [1000 * each.sharp_s for each in jumps.sharpened]
    undrawn_ms = [1000 * (each.sharp_s - each.draw_s) for each in jumps.sharpened]
    bare_ms = jumps.bare_ms
    found = {
        "cells": cells,
        "frame_ms": _percentiles([frame.wall_s for frame in there]),
        "frame_cpu_ms": _percentiles([frame.cpu_s for frame in there]),
        "frame_all_cpu_ms": _percentiles([frame.all_cpu_s for frame in there]),
        "frame_arriving_ms": _percentiles([frame.wall_s for frame in arriving]),
        "frame_arriving_cpu_ms": _percentiles([frame.cpu_s for frame in arriving]),
        "jump_covered_ms": _rounded(1000 * statistics.median(each.covered_s for each in jumps.sharpened)),
        "jump_sharp_ms": _rounded(statistics.median(sharp_ms)),
        "jump_sharp_without_drawing_ms": _rounded(statistics.median(undrawn_ms)),
        "jump_parts_ms": {
            part: _rounded(1000 * statistics.median(getattr(each, f"{part}_s") for each in jumps.sharpened))
            for part in ("decode", "upload", "draw", "gui", "wait")
        },
        "jump_frames": statistics.median(each.frames for each in jumps.sharpened),
        "bare_read_ms": _rounded(statistics.median(bare_ms)) if bare_ms else None,
        "sharp_ratio": _jump_ratio(sharp_ms, bare_ms),
        "sharp_without_drawing_ratio": _jump_ratio(undrawn_ms, bare_ms),
        "tiles_per_s": _rounded(1000 * jumps.tiles / sum(sharp_ms)),
        "bare_tiles_per_s": _rounded(1000 * jumps.tiles / sum(bare_ms)) if bare_ms else None,
        "rss_mb": _rounded(psutil.Process().memory_info().rss / 1e6),
        "gpu_mb": _rounded(scene.held_bytes / 1e6),
    }
    session.close_slide()
    stage.rest(0.1)
    return found


def _open(stage: BenchStage, session: Session, request: ViewerRequest, overlay: Path | None) -> None:
    """Open files as a person would, and look at them the hardest way: filled, outlined and dotted, over the slide."""
    document = session.document
    session.open_many([request.slide, *([overlay] if overlay is not None else [])], mpp=request.mpp)
    stage.until(lambda: document.slide is not None and (overlay is None or document.overlay is not None))
    style = document.style
    style.mask = style.outline = style.centroid = True
    style.black_bg, style.alpha = False, 0.5
    stage.camera.fit()
    stage.until(lambda: stage.sharp)


def _jump_around(stage: BenchStage, session: Session, request: ViewerRequest) -> _Jumps:
    """Go to places not seen before, each as soon as the last one is sharp."""
    from studio.app.benchreads import bare_read

    jumps, view = _Jumps(), session.document.view
    for x, y in _places(session):
        tiles = stage.tiles_at(x, y)
        bare_s = bare_read(request.slide, tiles)
        began_s = time.monotonic()
        view.scale = 1.0
        stage.camera.center_on(x, y)
        jumps.sharpened.append(stage.until_sharp(began_s))
        if bare_s is not None:
            jumps.bare_ms.append(1000 * bare_s)
        jumps.tiles += len(tiles)
    return jumps


def _places(session: Session) -> list[tuple[float, float]]:
    """Points of the slide well apart, spread evenly (Halton)."""
    slide, view = session.document.slide, session.document.view
    assert slide is not None
    width, height = slide.size
    margin_x, margin_y = (min(side / 2, view.viewport[n] / 2) for n, side in enumerate(slide.size))

    def halton(n: int, base: int) -> float:
        value, part = 0.0, 1.0
        while n:
            part /= base
            value += part * (n % base)
            n //= base
        return value

    return [
        (margin_x + halton(n, 2) * (width - 2 * margin_x), margin_y + halton(n, 3) * (height - 2 * margin_y))
        for n in range(1, JUMPS + 1)
    ]


def _to_start(stage: BenchStage) -> None:
    slide = stage.camera.document.slide
    assert slide is not None
    stage.camera.view.scale = 1.0
    stage.camera.center_on(slide.size[0] / 2 - PAN_PX * PAN_FRAMES / 4, slide.size[1] / 2 - PAN_PX * PAN_FRAMES / 4)
    stage.until(lambda: stage.sharp)


def _walk(stage: BenchStage) -> list[Frame]:
    """The path: right, down, out to an eighth or so, and back in; a frame for each step."""
    camera = stage.camera
    middle = (stage.area[0] + stage.area[2] / 2, stage.area[1] + stage.area[3] / 2)
    moves: list[Callable[[], object]] = [
        *itertools.repeat(lambda: camera.pan(-PAN_PX, 0), PAN_FRAMES),
        *itertools.repeat(lambda: camera.pan(0, -PAN_PX), PAN_FRAMES),
        *itertools.repeat(lambda: camera.zoom_at(*middle, 1 / ZOOM_STEP), ZOOM_FRAMES),
        *itertools.repeat(lambda: camera.zoom_at(*middle, ZOOM_STEP), ZOOM_FRAMES),
    ]
    return stage.play(moves)


def _keep_runs_in(folder: Path) -> None:
    """Have this process and its workers, none of which has begun, keep runs there: a person's own stay untouched."""
    known = cache_dir() / "backends.json"
    if known.is_file():
        shutil.copy(known, folder / known.name)
    os.environ["STUDIO_CACHE_DIR"] = str(folder)


def _with_run(stage: BenchStage, session: Session, request: ViewerRequest) -> dict[str, Any]:
    """Frames over a bare slide without and beside a whole-slide run of the embedded model."""
    _open(stage, session, request, None)
    # The run's first cells would be a picture of another cost.
    style = session.document.style
    style.mask = style.outline = style.centroid = False
    _to_start(stage)
    _walk(stage)
    _to_start(stage)
    alone = _walk(stage)
    session.set_params(model="builtin")
    session.segment()
    stage.until(lambda: session.segmenting and session.active_jobs[0].done > 0, timeout_s=600)
    _to_start(stage)
    beside = _walk(stage)
    under_way = session.segmenting
    for job in session.active_jobs:
        session.cancel(job)
    stage.until(lambda: not session.segmenting)
    session.close_slide()
    before, after = (_percentiles([frame.wall_s for frame in frames]) for frames in (alone, beside))
    return {
        "frame_ms_alone": before,
        "frame_ms_beside": after,
        "p95_ratio": _rounded(after["p95"] / before["p95"]),
        "under_way": under_way,
    }


def _cycles(
    stage: BenchStage, session: Session, request: ViewerRequest, overlay: Path | None, progress: Progress
) -> dict[str, Any]:
    """Open and close slide and cells over and over; what is held after a tenth of it, on the way, and in the end."""
    from studio.render.tally import gl_objects

    progress.start(request.cycles, "Opening and closing")
    process, held = psutil.Process(), []
    warm = max(3, request.cycles // 10)
    looks = {warm, request.cycles, *(request.cycles * n // 8 for n in range(2, 8))}
    for n in range(request.cycles):
        _open(stage, session, request, overlay)
        session.close_slide()
        stage.rest(0.0)
        if n + 1 >= warm and n + 1 in looks:
            gc.collect()
            held.append((process.memory_info().rss / 1e6, gl_objects(), process.num_threads(), _open_files(process)))
        progress.advance(1)
    first, half, last = held[0], held[len(held) // 2], held[-1]
    return {
        "cycles": request.cycles,
        "rss_mb": [_rounded(each[0]) for each in held],
        "rss_growth_kb_per_cycle": _rounded(1000 * (last[0] - half[0]) / max(1, request.cycles // 2)),
        "gl_objects": [first[1], last[1]],
        "threads": [first[2], last[2]],
        "files": [first[3], last[3]],
    }


def _open_files(process: psutil.Process) -> int:
    return int(process.num_fds() if hasattr(process, "num_fds") else process.num_handles())


def _ratio(rounds: Sequence[dict[str, Any]], key: str) -> Any:
    """The frame's cost with the most cells over that with the fewest (above 0)."""
    with_cells = [found for found in rounds if found["cells"]]
    if len(with_cells) < 2:
        return None
    return _rounded(with_cells[-1][key]["p50"] / with_cells[0][key]["p50"])


def _jump_ratio(viewer_ms: Sequence[float], bare_ms: Sequence[float]) -> Any:
    """The median of the jumps' ratios: each has its own bare read just before it, as fast as the machine was then."""
    if not bare_ms:
        return None
    return _rounded(statistics.median(ours / bare for ours, bare in zip(viewer_ms, bare_ms, strict=True)))


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    clock = loop.FrameClock(len(seconds) or 1)
    for each in seconds:
        clock.add(each)
    times = clock.times
    return {"p50": round(times.p50, 2), "p95": round(times.p95, 2), "p99": round(times.p99, 2)}


def _rounded(value: float | None) -> Any:
    if value is None or not math.isfinite(value):
        return None
    return round(value, 2)
