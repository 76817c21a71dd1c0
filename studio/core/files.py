"""Files that appear whole or not at all, and errors of writing that say what to do."""

from __future__ import annotations

import contextlib
import errno
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from studio.errors import RunError

_PREFIX, _SUFFIX = ".studio-", ".part"
_STALE_S = 3600.0
"""Unfinished parts that nobody has touched for so long belong to a process that was killed."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or make a folder at, which takes the place of `path` when the block ends.

    Folders above are made. If the block raises, what it wrote goes away and
    `path` stays as it was. Raises RunError where the disk refuses.
    """
    with explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        nest = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX, dir=path.parent))
    try:
        with explaining(path):
            yield nest / path.name
            _put_in_place(nest, path)
    finally:
        shutil.rmtree(nest, ignore_errors=True)


@contextlib.contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn an OSError of writing to `path` into a RunError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = "the disk is full. Make room, then run the same again."
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            what = "it may not be written to. Choose another folder, or ask for permission."
        else:
            what = f"{error.strerror or error}. Is its drive connected?"
        raise RunError(f"{path} can't be written: {what}") from error


def check_writable(folder: Path) -> None:
    """Raise RunError unless a file can be made in the folder, or in the one above that it would be made in."""
    with explaining(folder):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        tempfile.TemporaryFile(dir=there).close()


def _put_in_place(nest: Path, path: Path) -> None:
    new = nest / path.name
    if not (path.is_dir() and new.is_dir()):
        new.replace(path)
        return
    # A folder can't take the place of one that holds something: move that aside first.
    old = nest / "old"
    path.replace(old)
    try:
        new.replace(path)
    except OSError:
        old.replace(path)
        raise


def _sweep(folder: Path) -> None:
    """Remove what killed processes left of earlier tries."""
    for left in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            if time.time() - _touched(left) > _STALE_S:
                shutil.rmtree(left, ignore_errors=True)


def _touched(folder: Path) -> float:
    """When anything in a folder was last written, in seconds since the epoch."""
    return max(item.stat().st_mtime for item in (folder, *folder.iterdir()))
