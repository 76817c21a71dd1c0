"""Cells on screen to files."""

from __future__ import annotations

from pathlib import Path

from studio.core.jobs import Job
from studio.session import files
from studio.session.runs import RunSession
from studio.session.state import PathDialog


class ExportSession(RunSession):
    """Writes the cells on screen, in the background and atomically."""

    _export_job: Job | None = None

    def why_not_export(self) -> str | None:
        """What stands in the way of an export, in words; None when nothing does."""
        if self.document.overlay is None:
            return "There are no cells to export yet: make a preview or segment the slide."
        if self._export_job is not None and not self._export_job.state.final:
            return "An export is under way."
        return None

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
            from studio.cellseg.zipwrite import copy_file

            if overlay.path is not None:
                copy_file(overlay.path, target)
            else:
                files.save_source(overlay.source, target, slide=slide, params=overlay.params)

        def apply(_job: Job) -> None:
            self.settings.last_folder = str(target.parent)
            self.settings.changed()
            self.notify("success", f"Exported {overlay.source.cells:,} cells to {target}.")

        self._export_job = self._run_on_thread("Export", work, apply, visible=True)

    def ask_export_path(self) -> None:
        """Let the window ask where to export to, then export."""
        if (why := self.why_not_export()) is not None:
            self.notify("warning", why)
            return
        folder = self.settings.last_folder
        self.pending_dialog = PathDialog(
            kind="save",
            title="Export cells",
            suggested=Path(folder, self.suggested_export()) if folder else Path(self.suggested_export()),
            suffixes=(".zip",),
            on_path=self.export,
        )

    def suggested_export(self) -> str:
        """File name to offer for an export."""
        slide = self.document.slide
        return f"{slide.name if slide else 'cells'}-masks.zip"
