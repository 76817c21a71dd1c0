"""What became of each slide: one small file a slide and step, so that runs on several machines don't meet."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from studio.core.files import replacing

log = logging.getLogger(__name__)

FOLDER = "outcomes"

DONE, SKIPPED, FAILED, STOPPED = "done", "skipped", "failed", "stopped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One step of work on one slide."""

    slide: str
    step: str
    """`segment` or `extract`."""
    status: str
    """`done`, `skipped` (was done before), `failed` or `stopped`."""
    message: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    """What the step found, as JSON takes it: cells, seconds, …"""
    parameters: dict[str, Any] = field(default_factory=dict)
    """What it was made with."""

    @property
    def ok(self) -> bool:
        """Whether the result is there."""
        return self.status in (DONE, SKIPPED)


def save_outcome(root: Path, outcome: Outcome) -> None:
    """Remember an outcome in place of an earlier one. Raises RunError where that can't be written."""
    with replacing(_path(root, outcome.slide, outcome.step)) as part:
        part.write_text(json.dumps(asdict(outcome), ensure_ascii=False, indent=1), encoding="utf-8")


def load_outcome(root: Path, slide: str, step: str) -> Outcome | None:
    """The last outcome, or None; one that can't be read counts as none."""
    path = _path(root, slide, step)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Outcome(**{f.name: values[f.name] for f in fields(Outcome)})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        log.warning("%s can't be read (%s); the step counts as not done", path, error)
        return None


def _path(root: Path, slide: str, step: str) -> Path:
    return root / FOLDER / f"{slide}.{step}.json"
