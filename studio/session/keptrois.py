"""Regions outlive the window: one GeoJSON a slide in the settings' folder, by the slide's fingerprint."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from studio.errors import AnnotationError, StudioError

if TYPE_CHECKING:
    from studio.session.base import JobHost
    from studio.slide.roi import ROI

log = logging.getLogger(__name__)

SAVE_AFTER_S = 1.0

FOLDER = "regions"


class KeptRois:
    """Writes what changed a moment later, reads it when the slide is opened again.

    Settings that are never saved (those of tests and scripts) keep no regions either.
    """

    def __init__(self, host: JobHost, run: Callable[..., object]) -> None:
        """`run` is the host's way to do something on a thread."""
        self._document = host.document
        self._notify = host.notify
        self._run = run
        self._folder = host.settings.path.parent / FOLDER if host.settings.path is not None else None
        self._slide_version = -1
        self._rois_version = -1
        self._pending: tuple[Path, tuple[ROI, ...]] | None = None
        self._due_s = 0.0

    @property
    def due_s(self) -> float:
        """Seconds until `follow` has something to write; infinite if it hasn't."""
        return max(0.0, self._due_s - time.monotonic()) if self._pending is not None else float("inf")

    def follow(self) -> None:
        """Once a frame: see what changed."""
        document = self._document
        if self._folder is None:
            return
        if self._slide_version != document.slide_version:
            self.flush()
            self._slide_version, self._rois_version = document.slide_version, document.rois_version
            self._read()
        elif self._rois_version != document.rois_version:
            self._rois_version = document.rois_version
            if document.slide is not None:
                self._pending = (self._path(document.slide.fingerprint), tuple(document.rois))
                self._due_s = time.monotonic() + SAVE_AFTER_S
        if self._pending is not None and time.monotonic() >= self._due_s:
            pending, self._pending = self._pending, None
            self._run("Keep regions", lambda _progress: _write(*pending), lambda _job: None, failed=_log_failure)

    def flush(self) -> None:
        """Write now what wasn't written yet."""
        pending, self._pending = self._pending, None
        if pending is not None:
            try:
                _write(*pending)
            except (OSError, StudioError) as error:
                log.warning("Regions can't be kept: %s", error)

    def _path(self, fingerprint: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{fingerprint}.geojson"

    def _read(self) -> None:
        slide, version = self._document.slide, self._document.slide_version
        if slide is None:
            return
        path = self._path(slide.fingerprint)

        def apply(job: Any) -> None:
            rois = cast("tuple[ROI, ...]", job.result)
            # Whoever has drawn or loaded some meanwhile gets these as well.
            if rois and self._document.slide_version == version:
                selected = self._document.selected_roi
                shifted = None if selected is None else selected + len(rois)
                self._document.set_rois([*rois, *self._document.rois], shifted)
                self._rois_version = self._document.rois_version
                self._notify("info", f"{len(rois):,} region{'s' * (len(rois) != 1)} of this slide from last time.")

        self._run("Read kept regions", lambda _progress: _read(path), apply, failed=_log_failure)


def _read(path: Path) -> tuple[ROI, ...]:
    """The regions of a file; one that is damaged is set aside, so that the next ones don't replace it."""
    from studio.slide.roi import read_rois

    if not path.exists():
        return ()
    try:
        return read_rois(path)
    except AnnotationError as error:
        log.warning("%s Set aside.", error)
        path.replace(path.with_suffix(".damaged.geojson"))
        return ()


def _write(path: Path, rois: tuple[ROI, ...]) -> None:
    from studio.slide.roi import write_rois

    if not rois:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rois(path, rois)


def _log_failure(job: Any) -> None:
    log.warning("Kept regions: %s", job.error)
