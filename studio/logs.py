"""The log: a rotating file per user, and our own warnings on stderr."""

from __future__ import annotations

import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

FILE_BYTES = 2_000_000
FILE_COUNT = 4

_MARK = "_studio_handler"
_OURS = ("studio", "widgets", "root")


def log_dir() -> Path:
    """Folder of the log file: `$STUDIO_LOG_DIR`, or the platform's place for it."""
    if folder := os.environ.get("STUDIO_LOG_DIR"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_log_dir("studio", appauthor=False))


def log_path() -> Path:
    """The log file, whether or not it exists yet."""
    return log_dir() / "studio.log"


def setup(verbose: bool = False) -> Path | None:
    """Start logging; call once per process, a second call replaces the first.

    Returns the log file, or None where its folder can't be written (logging
    then goes to stderr only). `verbose` shows INFO on stderr, and what libraries
    log, not just our warnings.
    """
    stop()
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    stderr = logging.StreamHandler(sys.stderr)
    stderr.setLevel(logging.INFO if verbose else logging.WARNING)
    stderr.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    if not verbose:
        # Dask, say, logs tracebacks of what we catch and tell in a sentence.
        stderr.addFilter(lambda record: record.name.partition(".")[0] in _OURS)
    _add(root, stderr)
    path = log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = RotatingFileHandler(path, maxBytes=FILE_BYTES, backupCount=FILE_COUNT, encoding="utf-8", delay=False)
    except OSError as error:
        root.warning("No log file at %s: %s", path, error)
        return None
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    _add(root, file)
    return path


def stop() -> None:
    """Let the log go: the file is closed, nothing more is written to stderr."""
    root = logging.getLogger()
    for handler in [h for h in root.handlers if getattr(h, _MARK, False)]:
        root.removeHandler(handler)
        handler.close()


def _add(root: logging.Logger, handler: logging.Handler) -> None:
    setattr(handler, _MARK, True)
    root.addHandler(handler)
