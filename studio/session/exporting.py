"""Cells on screen to files: as a result file, or in another program's format."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from studio.core.geometry import clip_to_slide
from studio.core.jobs import Job
from studio.core.worker import BATCH_NICE, Worker
from studio.session import files
from studio.session.base import CLOSE_TIMEOUT_S
from studio.session.live import LIVE
from studio.session.runs import RunSession
from studio.session.state import PathDialog
from studio.settings import Settings

if TYPE_CHECKING:
    from studio.document import Overlay
    from studio.slide import WSI

EXPORT_TASK = "studio.cellseg.exports.task:export_task"


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """A format that the cells on screen can be written in."""

    kind: str
    """One of `studio.cellseg.exports.KINDS`."""
    title: str
    about: str
    """What is written, in a sentence."""
    why_not: str | None
    """What stands in the way, in words."""


class ExportSession(RunSession):
    """Writes the cells on screen, in the background and atomically; whatever computes, in a worker of its own."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        interactive: Worker | None = None,
        batch: Worker | None = None,
        exporter: Worker | None = None,
    ) -> None:
        super().__init__(settings, interactive=interactive, batch=batch)
        self._exporter = exporter or Worker("export", nice=BATCH_NICE)
        self._workers.append(self._exporter)
        self._export_job: Job | None = None
        self._export_folder: tempfile.TemporaryDirectory[str] | None = None
        """What an export reads that is there for its sake only."""
        self._choices: tuple[ExportChoice, ...] | None = None

    def update(self) -> bool:
        """Once a frame: take in what the workers did. Whether anything to draw changed."""
        changed = super().update()
        if self._export_job is not None and self._export_job.state.final:
            self._tidy()
        return changed

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Cancel and join everything within about `timeout_s`; a whole-slide run stays resumable."""
        super().close(timeout_s)
        self._tidy()

    def why_not_export(self) -> str | None:
        """What stands in the way of an export, in words; None when nothing does."""
        if self.document.overlay is None:
            return "There are no cells to export yet: make a preview or segment the slide."
        if self.document.overlay.origin == LIVE:
            return "The run isn't complete: its cells can be exported when it is."
        if self._export_job is not None and not self._export_job.state.final:
            return "An export is under way."
        return None

    def export_choices(self) -> tuple[ExportChoice, ...]:
        """All formats besides the result file, in the order of a menu; looked for once."""
        if self._choices is None:
            from studio.cellseg.exports import KINDS

            self._choices = tuple(
                ExportChoice(kind.name, kind.title, kind.about, kind.missing) for kind in KINDS.values()
            )
        return self._choices

    def export(self, path: str | Path) -> None:
        """Write the cells on screen to a result file, in the background and atomically."""
        overlay, slide = self.document.overlay, self.document.slide
        if (why := self.why_not_export()) is not None or overlay is None or slide is None:
            self.notify("warning", why or "Open a slide first.")
            return
        target = Path(path).expanduser().absolute()
        if target.suffix.lower() != ".zip":
            target = target.with_name(target.name + ".zip")

        def work(_progress: object) -> None:
            files.write_overlay(overlay, target, slide)

        def apply(_job: Job) -> None:
            self._exported(target, overlay.source.cells)

        self._export_job = self._run_on_thread("Export", work, apply, visible=True)

    def export_as(self, kind: str, path: str | Path) -> None:
        """Write the cells on screen (of some formats only those in view) in another program's format."""
        from studio.cellseg.exports import KINDS

        overlay, slide = self.document.overlay, self.document.slide
        if (why := self.why_not_export()) is not None or overlay is None or slide is None:
            self.notify("warning", why or "Open a slide first.")
            return
        chosen = KINDS[kind]
        if chosen.missing is not None:
            self.notify("warning", chosen.missing)
            return
        target = Path(path).expanduser().absolute()
        if not target.name.lower().removesuffix(".gz").endswith(chosen.suffixes):
            target = target.with_name(target.name + chosen.suffixes[0])
        rect = clip_to_slide(self.document.view.rect_slide, slide.size) if chosen.local else None
        if chosen.local and rect is None:
            self.notify("warning", "The slide is out of view. Move back to it (or press Fit), then export.")
            return
        arguments: dict[str, Any] = {"kind": kind, "out": str(target), "rect_slide": rect}
        if kind == "seg-npy" or chosen.table:
            arguments |= {"slide_path": str(slide.path), "mpp": slide.mpp}
        self._export_in_worker(overlay, slide, target, arguments)

    def ask_export_path(self, kind: str | None = None) -> None:
        """Let the window ask where to export to, then export: as a result file, or in the format of a kind."""
        from studio.cellseg.exports import KINDS

        if (why := self.why_not_export()) is not None:
            self.notify("warning", why)
            return
        chosen = KINDS[kind] if kind is not None else None
        suffixes = chosen.suffixes if chosen is not None else (".zip",)
        name = self.suggested_export(suffixes[0], region=chosen is not None and chosen.local)
        self.pending_dialog = PathDialog(
            kind="save",
            title=f"Export {chosen.title}" if chosen is not None else "Export cells",
            suggested=Path(self.settings.last_folder, name),
            suffixes=suffixes,
            on_path=lambda path: self.export(path) if kind is None else self.export_as(kind, path),
        )

    def suggested_export(self, suffix: str = ".zip", *, region: bool = False) -> str:
        """File name to offer for an export."""
        slide = self.document.slide
        what = "masks" if suffix == ".zip" and not region else "region" if region else "cells"
        ending = "_seg.npy" if suffix == ".npy" else suffix
        return f"{slide.name if slide else 'cells'}-{what}{ending}"

    def _export_in_worker(self, overlay: Overlay, slide: WSI, target: Path, arguments: dict[str, Any]) -> None:
        """Export a result file; cells that lie in none are written to one for the time being first."""
        if overlay.path is not None and files.is_in_file(overlay):
            self._submit_export(overlay.path, target, arguments)
            return

        def work(_progress: object) -> tempfile.TemporaryDirectory[str]:
            folder = tempfile.TemporaryDirectory(prefix="studio-export-")
            files.write_overlay(overlay, Path(folder.name, "cells.zip"), slide)
            return folder

        def apply(job: Job) -> None:
            self._export_folder = cast("tempfile.TemporaryDirectory[str]", job.result)
            self._submit_export(Path(self._export_folder.name, "cells.zip"), target, arguments)

        self._export_job = self._run_on_thread("Export", work, apply)

    def _submit_export(self, masks: Path, target: Path, arguments: dict[str, Any]) -> None:
        def apply(job: Job) -> None:
            self._exported(target, int(cast("dict[str, Any]", job.result)["cells"]))

        job = self._exporter.submit(EXPORT_TASK, arguments | {"masks": str(masks)}, title="Export")
        job.message = f"Exporting {target.name}"
        self._export_job = self._watch(job, apply, cancelled="Export stopped; nothing was written.")

    def _tidy(self) -> None:
        folder, self._export_folder = self._export_folder, None
        if folder is not None:
            with contextlib.suppress(OSError):
                folder.cleanup()

    def _exported(self, target: Path, cells: int) -> None:
        self.settings.last_folder = str(target.parent)
        self.settings.changed()
        self.notify("success", f"Exported {cells:,} cells to {target}.")
