"""What a project has, slide by slide: as JSON, as CSV, and as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import csv
import io
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from studio.core.files import replacing
from studio.errors import ResultFileError
from studio.project.outcomes import FAILED, Outcome, load_outcome
from studio.project.slides import ProjectSlide
from studio.project.steps import masks_path, thumbnail_path

log = logging.getLogger(__name__)

FOLDER = "report"
WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Row:
    """One slide."""

    slide: str
    path: str | None
    segmentation: str
    """`done`, `failed`, `stopped` or `waiting`."""
    cells: int | None
    cells_per_mm2: float | None
    """Per mm² of tissue; of the slide, where no tissue is told from background."""
    tissue_mm2: float | None
    slide_mm2: float | None
    mpp: float | None
    width: int | None
    height: int | None
    model: str | None
    diam_um: float | None
    seconds: float | None
    masks: str | None
    extraction: str
    """As `segmentation`."""
    extracted: int | None
    cut: int | None
    """Extracted cells larger than their tile."""
    message: str
    """Why something failed."""


@dataclass(frozen=True)
class Report:
    """What a project has, and what the last step did."""

    name: str
    made: str
    """Local time, ISO 8601."""
    rows: tuple[Row, ...]
    outcomes: tuple[Outcome, ...] = ()
    """Of the step that was just done; empty for a report alone."""
    folder: Path | None = None
    """Where report.html, report.json and report.csv are."""

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Slides on which the step that was just done failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == FAILED)

    @property
    def totals(self) -> dict[str, Any]:
        """Sums over all slides."""
        done = [row for row in self.rows if row.segmentation == "done"]
        cells = sum(row.cells or 0 for row in done)
        area = sum(row.tissue_mm2 or row.slide_mm2 or 0.0 for row in done)
        return {
            "slides": len(self.rows),
            "segmented": len(done),
            "extracted_slides": sum(row.extraction == "done" for row in self.rows),
            "failed": sum(FAILED in (row.segmentation, row.extraction) for row in self.rows),
            "cells": cells,
            "extracted": sum(row.extracted or 0 for row in self.rows),
            "cells_per_mm2": cells / area if area else None,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "project": self.name,
            "made": self.made,
            "totals": self.totals,
            "slides": [asdict(row) for row in self.rows],
        }

    def __str__(self) -> str:
        totals = self.totals
        lines = [
            f"{self.name}: {totals['segmented']} of {totals['slides']} slides segmented, {totals['cells']:,} cells; "
            f"cells of {totals['extracted_slides']} slides extracted"
        ]
        lines += [f"failed: {outcome.slide}: {outcome.message}" for outcome in self.failed]
        if self.folder is not None:
            lines.append(f"report: {self.folder / 'report.html'}")
        return "\n".join(lines)


def make_report(
    root: Path, name: str, slides: Sequence[ProjectSlide], masks: Path, outcomes: Sequence[Outcome] = ()
) -> Report:
    """Look at what there is, and write report.json, report.csv and report.html.

    Raises RunError where the folder can't be written.
    """
    rows = tuple(_row(root, slide, masks) for slide in slides)
    made = datetime.now().astimezone().isoformat(timespec="seconds")
    report = Report(name, made, rows, tuple(outcomes), root / FOLDER)
    from studio.project.page import page

    _write(root / FOLDER / "report.json", json.dumps(report.to_dict(), ensure_ascii=False, indent=1))
    _write(root / FOLDER / "report.csv", _table(rows))
    _write(root / FOLDER / "report.html", page(report, lambda slide: _picture(root, slide)))
    return report


def _row(root: Path, slide: ProjectSlide, folder: Path) -> Row:
    segment, extract = (load_outcome(root, slide.name, step) for step in ("segment", "extract"))
    masks = masks_path(folder, slide.name)
    found = _found(segment, masks)
    taken = extract.values if extract is not None else {}
    width, height = found.get("size") or (None, None)
    messages = [slide.problem] + [o.message for o in (segment, extract) if o is not None and not o.ok]
    return Row(
        slide=slide.name,
        path=None if slide.path is None else str(slide.path),
        segmentation=FAILED if slide.problem else _status(segment, there=masks.exists()),
        masks=str(masks) if masks.exists() else None,
        width=width,
        height=height,
        extraction=_status(extract, there=_extracted(extract)),
        extracted=taken.get("written"),
        cut=taken.get("cut"),
        message=" ".join(dict.fromkeys(message for message in messages if message)),
        **{
            name: found.get(name)
            for name in ("cells", "cells_per_mm2", "tissue_mm2", "slide_mm2", "mpp", "model", "diam_um", "seconds")
        },
    )


def _found(segment: Outcome | None, masks: Path) -> dict[str, Any]:
    """What is known of a result; of one that was put there by hand, how many cells it has."""
    if not masks.exists():
        return {}
    if segment is not None and segment.values:
        return segment.values
    from studio.cellseg.result import Segmentation

    try:
        with Segmentation.load(masks) as segmentation:
            return {"cells": segmentation.cells}
    except ResultFileError as error:
        log.warning("%s", error)
        return {}


def _status(outcome: Outcome | None, *, there: bool) -> str:
    if outcome is None:
        return "done" if there else WAITING
    if not outcome.ok:
        return outcome.status
    return "done" if there else WAITING


def _extracted(outcome: Outcome | None) -> bool:
    """Whether all that an extraction wrote is still there."""
    places = [] if outcome is None else [outcome.values.get(name) for name in ("tfrecord", "tiles")]
    written = [Path(place) for place in places if place]
    return bool(written) and all(path.exists() for path in written)


def _table(rows: Sequence[Row]) -> str:
    out = io.StringIO()
    names = [f.name for f in fields(Row)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([getattr(row, name) for name in names] for row in rows)
    return out.getvalue()


def _picture(root: Path, slide: str) -> str | None:
    """The thumbnail as a data URI, so that the page is one file."""
    try:
        data = thumbnail_path(root, slide).read_bytes()
    except OSError:
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")
