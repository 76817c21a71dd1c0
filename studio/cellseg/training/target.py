"""Where weights, reports and pictures go: checked before the work, not after it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from studio.errors import UsageError


def check_file(path: Path, what: str) -> None:
    """Make the folder of a file that is to be written. UsageError where that fails, or where it is a folder itself."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file for {what}, {path / 'mine.pt'} say.")
    check_folder(path.parent, what)


def check_folder(folder: Path, what: str) -> None:
    """Make a folder that is to be written to. UsageError where that can't be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"{folder} can't be written to ({error.strerror}); choose another place for {what}."
        ) from error
