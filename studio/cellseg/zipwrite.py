"""Packing a folder into one zip: the same content gives the same bytes, and the file appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from studio.errors import ResultFileError

_COPY_BYTES = 1 << 20
_DATE = (1980, 1, 1, 0, 0, 0)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A file that takes `target`'s place when the block ends well; otherwise nothing has happened.

    Raises:
        ResultFileError: the folder is missing or full or may not be written to.
    """
    partial = target.with_name(f".{target.name}-{secrets.token_hex(6)}.part")
    try:
        try:
            with partial.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
            _sync_folder(target.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
    except OSError as error:
        raise not_written(target, error) from error


def pack_folder(folder: Path, target: Path, advance: Callable[[], None] = lambda: None) -> Path:
    """Pack all files under `folder`, stored and sorted by name, into the zip `target`. Returns `target`.

    `advance` is called after each entry; what it raises stops the packing.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    with replacing(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            source = folder / name
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            info.file_size = source.stat().st_size
            with source.open("rb") as content, archive.open(info, "w") as entry:
                shutil.copyfileobj(content, entry, _COPY_BYTES)
            advance()
    return target


def copy_file(source: Path, target: Path) -> None:
    """Copy a file so that `target` is either whole or as it was. Nothing happens where both are the same file."""
    try:
        original = source.open("rb")
    except OSError as error:
        raise ResultFileError(f"{source} can't be read ({error.strerror or error}).") from error
    with original:
        if target.exists() and target.samefile(source):
            return
        with replacing(target) as file:
            shutil.copyfileobj(original, file, _COPY_BYTES)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def not_written(target: Path, error: OSError) -> ResultFileError:
    """The error for a file that can't be made at `target`."""
    if not target.parent.is_dir():
        return ResultFileError(f"The folder {target.parent} doesn't exist. Choose another place for {target.name}.")
    if target.is_dir():
        return ResultFileError(f"{target} is a folder. Choose a file name.")
    why = error.strerror or error
    return ResultFileError(f"{target} can't be written ({why}). Free some space or choose another place.")
