"""Whole-slide runs that were begun in the window and haven't ended: a note beside each says how to go on."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.files import replacing
from studio.errors import StudioError
from studio.session.files import runs_dir

if TYPE_CHECKING:
    from studio.slide.roi import ROI

log = logging.getLogger(__name__)

SUFFIX = ".run.json"


@dataclass(frozen=True, slots=True)
class Run:
    """A whole-slide run as it was asked for."""

    out: Path
    """The result file it will make; beside it lie the blocks that are done."""
    slide_path: Path
    slide_name: str
    fingerprint: str
    mpp: float
    params: dict[str, Any]
    """Of `SegmentParams`."""
    rois: tuple[ROI, ...] | None = None
    focus: tuple[float, float] | None = None
    blocks: int = 0
    """How many there are in all; 0 while that isn't known."""
    blocks_done: int = field(default=0, compare=False)
    """As found on the disk."""

    def arguments(self) -> dict[str, Any]:
        """Of `studio.cellseg.tasks.segment_task`."""
        return {
            "slide_path": str(self.slide_path),
            "mpp": self.mpp,
            "params": self.params,
            "out": str(self.out),
            "focus": self.focus,
            "rois": self.rois,
        }

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return min(1.0, self.blocks_done / self.blocks) if self.blocks else 0.0


def note(run: Run) -> None:
    """Remember that a run has begun, or what is known of it now. A disk that refuses costs the offer to resume."""
    values = {
        "slide_path": str(run.slide_path),
        "slide_name": run.slide_name,
        "fingerprint": run.fingerprint,
        "mpp": run.mpp,
        "params": run.params,
        "rois": None if run.rois is None else [_plain(roi) for roi in run.rois],
        "focus": run.focus,
        "blocks": run.blocks,
    }
    try:
        run.out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(_note_of(run.out)) as path:
            path.write_text(json.dumps(values))
    except (OSError, StudioError) as error:
        log.warning("The run %s can't be noted: %s", run.out, error)


def forget(out: Path) -> None:
    """The run has ended, or nobody wants it any more: only its result stays, if there is one."""
    _note_of(out).unlink(missing_ok=True)


def discard(out: Path) -> None:
    """Forget a run and delete the blocks it has done. Blocks. RunError where another process is at work on it."""
    from studio.cellseg.journal import run_dir
    from studio.cellseg.runlock import RunLock

    folder = run_dir(out)
    if folder.is_dir():
        RunLock(folder, out).release(remove=True)
        shutil.rmtree(folder, ignore_errors=True)
    forget(out)


def unfinished(fingerprint: str) -> list[Run]:
    """Runs of a slide that haven't ended, the newest first. Blocks: reads the runs folder."""
    notes = sorted(runs_dir().glob(f"*{SUFFIX}"), key=_age_s)
    found = [run for path in notes if (run := _read(path)) is not None and run.fingerprint == fingerprint]
    return [run for run in found if run.blocks_done]


def _age_s(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0


def _read(path: Path) -> Run | None:
    from studio.cellseg.journal import run_dir

    out = path.with_name(path.name.removesuffix(SUFFIX))
    try:
        values = json.loads(path.read_text())
        rois = values["rois"]
        focus = values["focus"]
        return Run(
            out=out,
            slide_path=Path(values["slide_path"]),
            slide_name=str(values["slide_name"]),
            fingerprint=str(values["fingerprint"]),
            mpp=float(values["mpp"]),
            params=dict(values["params"]),
            rois=None if rois is None else tuple(_roi(roi) for roi in rois),
            focus=None if focus is None else (float(focus[0]), float(focus[1])),
            blocks=int(values["blocks"]),
            blocks_done=sum(1 for _ in run_dir(out).glob("*/blocks/*.block")),
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        log.warning("%s is no note of a run: %s", path, error)
        return None


def _note_of(out: Path) -> Path:
    return out.with_name(out.name + SUFFIX)


def _plain(roi: ROI) -> dict[str, Any]:
    return {
        "name": roi.name,
        "label": roi.label,
        "outline": roi.outline.tolist(),
        "holes": [hole.tolist() for hole in roi.holes],
    }


def _roi(values: dict[str, Any]) -> ROI:
    import numpy as np

    from studio.slide.roi import ROI

    def ring(points: Sequence[Any]) -> Any:
        return np.asarray(points, np.float64).reshape(-1, 2)

    return ROI(
        str(values["name"]), ring(values["outline"]), tuple(ring(h) for h in values["holes"]), str(values["label"])
    )
