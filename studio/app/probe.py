"""`--probe FILE`: the window's state as JSON, for automation and tests. Its keys are in studio/README.md."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.app.loop import FrameTimes
from studio.document import Document
from studio.errors import UsageError
from studio.gui.control import Control
from studio.session import Session
from studio.session.thresholds import THRESHOLDS

log = logging.getLogger(__name__)

VERSION = 1
EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class FrameState:
    """What only the window knows of the frame drawn last."""

    number: int
    size: tuple[int, int]
    pixels: tuple[int, int]
    title: str
    area: tuple[float, float, float, float]
    """Where the slide is drawn, in window coordinates."""
    controls: Sequence[Control]
    focus: tuple[str, str] | None
    """Panel and label of the control that Tab went to."""
    tiles: tuple[int, int]
    """Wanted, ready."""
    times: FrameTimes
    cpu_times: FrameTimes


def snapshot(frame: FrameState, session: Session) -> dict[str, Any]:
    """Everything the probe says, as JSON takes it."""
    document = session.document
    return {
        "version": VERSION,
        "frame": frame.number,
        "window": {"size": list(frame.size), "pixels": list(frame.pixels), "title": frame.title},
        "controls": [_control(control) for control in frame.controls],
        "focus": None if frame.focus is None else {"panel": frame.focus[0], "label": frame.focus[1]},
        "slide": _slide(document),
        "view": _view(document) | {"area": [round(v, 2) for v in frame.area]},
        "tiles": {"wanted": frame.tiles[0], "ready": frame.tiles[1]},
        "overlay": _overlay(document, session),
        "compare": _compare(session),
        "cellseg": {
            "model": document.params.model,
            "diam_um": document.params.diam_um,
            "auto": document.auto_diameter,
        }
        | _tuning(session),
        "look": _look(document),
        "annotations": _annotations(session),
        "jobs": [
            {
                "id": job.id,
                "title": job.title,
                "state": str(job.state),
                "done": job.done,
                "total": job.total,
                "message": job.message,
                "error": job.error,
            }
            for job in session.jobs
        ],
        "toasts": [{"level": toast.level, "text": toast.text} for toast in session.toasts],
        "frame_ms": _times(frame.times),
        "frame_cpu_ms": _times(frame.cpu_times),
    }


def _control(control: Control) -> dict[str, Any]:
    return {
        "panel": control.panel,
        "label": control.label,
        "kind": control.kind,
        "rect": [round(v, 2) for v in control.rect],
        "enabled": control.enabled,
        "value": control.value,
    }


def _slide(document: Document) -> dict[str, Any] | None:
    slide = document.slide
    if slide is None:
        return None
    return {
        "path": str(slide.path),
        "name": slide.name,
        "size": list(slide.size),
        "mpp": slide.mpp,
        "levels": len(slide.level_sizes),
    }


def _view(document: Document) -> dict[str, Any]:
    mpp = document.slide.mpp if document.slide is not None else None
    return {
        "rect": list(document.view.rect_slide),
        "mpp": document.view.scale * mpp if mpp is not None else None,
        "scale": document.view.scale,
        "rotation": document.view.rotation,
    }


def _overlay(document: Document, session: Session) -> dict[str, Any] | None:
    overlay, style, values = document.overlay, document.style, document.values
    if overlay is None:
        return None
    hovered = session.selection.hovered
    return {
        "cells": overlay.source.cells,
        "source": overlay.origin,
        "layers": style.layers,
        "alpha": style.alpha,
        "black_bg": style.black_bg,
        "fill": style.fill,
        "values": None if values is None else {"column": values.column, "low": values.low, "high": values.high},
        "selected": document.selected_cell or None,
        "hovered": None if hovered is None else {"cell": hovered.label, "measures": dict(hovered.measures)},
    }


def _look(document: Document) -> dict[str, Any]:
    look = document.look
    return {
        "brightness": look.brightness,
        "contrast": look.contrast,
        "gamma": look.gamma,
        "channels": [{"on": channel.on, "range": [channel.low, channel.high]} for channel in look.channels],
    }


def _annotations(session: Session) -> dict[str, Any] | None:
    document, selected = session.document, session.rois.selected
    if document.slide is None:
        return None
    return {
        "tool": document.tool,
        "regions": len(document.rois),
        "selected": None if selected is None else {"name": selected.name, "rect": list(selected.bbox)},
        "lines_px": [math.hypot(x1 - x0, y1 - y0) for x0, y0, x1, y1 in document.lines],
        "bookmarks": [mark.name for mark in session.bookmarks.all],
    }


def _tuning(session: Session) -> dict[str, Any]:
    params, times = session.document.params, session.live.times
    return {
        "thresholds": {name: getattr(params, name) for name in THRESHOLDS},
        "live": session.live.ready,
        "busy": session.live.busy or session.previewing,
        "live_ms": times.live_ms,
        "live_screen_ms": times.screen_ms,
        "live_count": times.live_count,
        "network_ms": times.network_ms,
        "network_tiles": times.tiles,
        "auto_preview": session.auto_preview.on,
    }


def _compare(session: Session) -> dict[str, Any]:
    comparison, compare = session.document.comparison, session.compare
    found, cell = compare.agreement, compare.difference
    return {
        "kept": comparison.kept.source.cells if comparison.kept is not None else None,
        "view": comparison.view,
        "split": comparison.split,
        "turn": comparison.sides[1],
        "agreement": found.summary() if found is not None else None,
        "difference": {"number": compare.index, **cell._asdict()} if cell is not None else None,
    }


def _times(times: FrameTimes) -> dict[str, float]:
    return {"p50": round(times.p50, 2), "p95": round(times.p95, 2), "p99": round(times.p99, 2)}


class ProbeFile:
    """Rewrites a file, atomically and not too often, whenever frames were drawn."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError where the file's folder can't be written."""
        self._path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}")
        self._written_s = -math.inf
        self._pending = False
        if not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
            raise UsageError(f"The probe file can't be written: {path.parent} is no folder one can write to.")

    def changed(self) -> None:
        """Say that a frame was drawn."""
        self._pending = True

    def wait_s(self, now_s: float) -> float:
        """Seconds until the file should be written; infinite while it is up to date."""
        return max(0.0, self._written_s + EVERY_S - now_s) if self._pending else math.inf

    def write(self, values: dict[str, Any], now_s: float) -> None:
        """Replace the file. A disk that is full is logged; the window goes on."""
        self._pending, self._written_s = False, now_s
        try:
            self._partial.write_text(json.dumps(values, ensure_ascii=False, default=str), encoding="utf-8")
            self._partial.replace(self._path)
        except OSError as error:
            log.warning("The probe file can't be written: %s", error)

    def close(self) -> None:
        """Leave no half-written file behind."""
        with contextlib.suppress(OSError):
            self._partial.unlink()
