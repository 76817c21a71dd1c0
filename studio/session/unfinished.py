"""Whole-slide runs that were begun in the window and haven't ended: a note beside each says how to go on."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.files import replacing
from studio.errors import RunError, StudioError
from studio.session.files import runs_dir

if TYPE_CHECKING:
    from studio.slide.roi import ROI

log = logging.getLogger(__name__)

SUFFIX = ".run.json"
_MASKS = "-masks.zip"


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


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a run that hasn't ended keeps on the disk."""

    out: Path
    run: Run | None
    """None where its note is gone: then it can only be deleted."""
    bytes: int
    age_s: float
    """Since it was written to last."""

    @property
    def name(self) -> str:
        """What it is called, on the command line for instance."""
        return self.out.name.removesuffix(_MASKS)

    @property
    def slide_name(self) -> str:
        """The slide it is of."""
        return self.run.slide_name if self.run is not None else self.name


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


def leftovers() -> list[Leftover]:
    """All runs of the window that haven't ended, the newest first. Blocks: reads the runs folder.

    Those whose result was finished after their last block have nothing left to do and are dropped.
    """
    from studio.cellseg.journal import SUFFIX as FOLDER_SUFFIX

    folder = runs_dir()
    outs = {path.with_name(path.name.removesuffix(SUFFIX)) for path in folder.glob(f"*{SUFFIX}")}
    outs |= {path.with_name(path.name[1:].removesuffix(FOLDER_SUFFIX)) for path in folder.glob(f".*{FOLDER_SUFFIX}")}
    found = [left for out in outs if (left := _leftover(out)) is not None]
    return sorted(found, key=lambda left: left.age_s)


def _leftover(out: Path) -> Leftover | None:
    """None where nothing was done yet, or all is."""
    from studio.cellseg.journal import run_dir

    size, newest_s = 0, 0.0
    for path in run_dir(out).glob("*/**/*"):
        # Somebody else may be at work on it, and just done.
        with contextlib.suppress(OSError):
            if not stat.S_ISREG((status := path.stat()).st_mode):
                continue
            size, newest_s = size + status.st_size, max(newest_s, status.st_mtime)
    if not size:
        return None
    with contextlib.suppress(OSError):
        if out.stat().st_mtime >= newest_s:
            with contextlib.suppress(RunError):
                discard(out)
            return None
    run = _read(_note_of(out))
    return Leftover(out, run, size, max(0.0, time.time() - newest_s))


def _read(path: Path) -> Run | None:
    from studio.cellseg.journal import run_dir

    out = path.with_name(path.name.removesuffix(SUFFIX))
    if not path.exists():
        return None
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
