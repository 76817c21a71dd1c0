"""The system's file dialog, in a process of its own: while it is open the window goes on drawing.

Run as a program (`python native_dialog.py JSON`) this file shows one dialog
and prints the chosen path; it then imports nothing but Tk.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.session import PathDialog, Session

log = logging.getLogger(__name__)

NO_DIALOG = 3
"""Exit code of the process where it can't show a dialog."""


def wanted() -> bool:
    """Whether to try at all: `STUDIO_NATIVE_DIALOGS=0` says no."""
    return os.environ.get("STUDIO_NATIVE_DIALOGS", "1") != "0"


class NativeDialogs:
    """Shows the session's file dialogs. Where that fails, leaves them to the browser inside the window."""

    def __init__(self, *, usable: bool | None = None, command: tuple[str, ...] | None = None) -> None:
        self._usable = wanted() if usable is None else usable
        self._command = command or (sys.executable, str(Path(__file__).resolve()))
        self._process: subprocess.Popen[str] | None = None
        self._dialog: PathDialog | None = None

    @property
    def open(self) -> bool:
        """Whether a dialog is shown."""
        return self._process is not None

    def update(self, session: Session) -> bool:
        """Once a frame: show what the session asks for, hand over what was chosen. Whether anything happened."""
        if self._usable and session.pending_dialog is not None:
            self.close()
            self._dialog, session.pending_dialog = session.pending_dialog, None
            self._start(session)
        if self._process is None or self._dialog is None or self._process.poll() is None:
            return False
        dialog, code = self._dialog, self._process.returncode
        chosen, complaint = self._process.communicate()
        self._process = self._dialog = None
        if code != 0:
            log.info("No native file dialog (%d): %s", code, complaint.strip())
            self._usable = False
            session.pending_dialog = dialog
        elif chosen.strip():
            dialog.on_path(Path(json.loads(chosen)))
        return True

    def close(self) -> None:
        """Take the dialog away."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = self._dialog = None

    def _start(self, session: Session) -> None:
        dialog = self._dialog
        if dialog is None:
            return
        values = {
            "kind": dialog.kind,
            "title": dialog.title,
            "folder": str(_existing_folder(dialog)),
            "name": dialog.suggested.name if dialog.kind == "save" else "",
            "suffixes": dialog.suffixes,
        }
        try:
            self._process = subprocess.Popen(
                [*self._command, json.dumps(values)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            log.info("No native file dialog: %s", error)
            self._usable = False
            session.pending_dialog, self._dialog = dialog, None


def _existing_folder(dialog: PathDialog) -> Path:
    """The suggested folder if it is there, else the person's home."""
    folder = dialog.suggested if dialog.suggested.is_dir() else dialog.suggested.parent
    return folder if folder.is_dir() else Path.home()


def main(text: str) -> int:
    """Show one dialog and print the chosen path as JSON; nothing if it was dismissed."""
    values = json.loads(text)
    try:
        import tkinter
        from tkinter import filedialog

        root = tkinter.Tk()
    except Exception as error:  # noqa: BLE001 - whatever Tk lacks, the window has a browser of its own
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return NO_DIALOG
    root.withdraw()
    patterns = " ".join(f"*{suffix} *{suffix.upper()}" for suffix in values["suffixes"]) or "*"
    options = {
        "title": values["title"],
        "initialdir": values["folder"],
        "filetypes": [("Files of this kind", patterns), ("All files", "*")],
    }
    if values["kind"] == "save":
        suffix = values["suffixes"][0] if values["suffixes"] else ""
        chosen = filedialog.asksaveasfilename(initialfile=values["name"], defaultextension=suffix, **options)
    else:
        chosen = filedialog.askopenfilename(**options)
    root.destroy()
    if chosen:
        sys.stdout.write(json.dumps(str(chosen)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
