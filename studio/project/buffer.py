"""Slides copied ahead to a fast disk, a few at a time, so that a slow one never waits for the next."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from studio.core.files import explaining

log = logging.getLogger(__name__)

DEFAULT_GB = 50.0
_SPARE_BYTES = 1 << 30
"""Room left free on the disk of the buffer."""
_PIECE_BYTES = 8 << 20

_IN_PARTS = frozenset((".vms", ".vmu", ".dcm"))
"""Formats of many files, not all named after the slide: read where they are."""


class SlideBuffer:
    """Copies of the next slides in a folder of their own, at most `cap_gb` of them; used as a context manager.

    What is larger than the cap, and what can't be copied, is read where it is.
    """

    def __init__(self, folder: Path, cap_gb: float = DEFAULT_GB) -> None:
        """Raises RunError where the folder can't be made."""
        self._cap = int(cap_gb * 1e9)
        self._own = folder / f"studio-buffer-{socket.gethostname()}-{os.getpid()}"
        with explaining(folder):
            self._own.mkdir(parents=True, exist_ok=True)
        _sweep(folder, self._own)
        self._room = threading.Condition()
        self._used = 0
        self._closed = False

    def __enter__(self) -> SlideBuffer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop copying and remove all copies."""
        with self._room:
            self._closed = True
            self._room.notify_all()
        shutil.rmtree(self._own, ignore_errors=True)

    def through(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
        """(path, where to read it) of each slide in order; a copy is gone when the next one is asked for."""
        ready: dict[int, Path] = {}
        copier = threading.Thread(target=self._copy_ahead, args=(paths, ready), name="studio-buffer", daemon=True)
        copier.start()
        try:
            for number, path in enumerate(paths):
                with self._room:
                    self._room.wait_for(lambda n=number: n in ready or self._closed)  # type: ignore[misc]
                    local = ready.get(number, path)
                yield path, local
                self._drop(path, local)
        finally:
            with self._room:
                self._closed = True
                self._room.notify_all()
            copier.join()

    def _copy_ahead(self, paths: Sequence[Path], ready: dict[int, Path]) -> None:
        """Thread: copy slide after slide, as far as there is room."""
        for number, path in enumerate(paths):
            size = slide_bytes(path)
            with self._room:
                fits = size <= self._cap and path.suffix.lower() not in _IN_PARTS
                if fits:
                    self._room.wait_for(lambda s=size: self._closed or self._used + s <= self._cap)  # type: ignore[misc]
                if self._closed:
                    return
                self._used += size if fits else 0
            local = self._copy(path, number, size) if fits else path
            with self._room:
                if fits and local is path:
                    self._used -= size
                ready[number] = local
                self._room.notify_all()

    def _copy(self, path: Path, number: int, size: int) -> Path:
        """The copy's path, or the slide's own where there is no copy. A folder each, so names may be equal."""
        folder = self._own / str(number)
        try:
            if shutil.disk_usage(self._own).free - size < _SPARE_BYTES:
                raise OSError("there is too little room")
            folder.mkdir()
            for part in slide_files(path):
                target = folder / part.name
                if part.is_dir():
                    shutil.copytree(part, target, copy_function=self._copy_file)
                else:
                    self._copy_file(part, target)
        except OSError as error:
            log.warning("%s isn't copied to the buffer (%s); it is read where it is", path.name, error)
            shutil.rmtree(folder, ignore_errors=True)
            return path
        return folder / path.name

    def _copy_file(self, source: str | Path, target: str | Path) -> None:
        """Copy in pieces, so that closing needn't wait for the end of a large slide."""
        with Path(source).open("rb") as read, Path(target).open("wb") as write:
            while piece := read.read(_PIECE_BYTES):
                if self._closed:
                    raise OSError("the work was stopped")
                write.write(piece)

    def _drop(self, path: Path, local: Path) -> None:
        if local is path:
            return
        size = slide_bytes(local)
        shutil.rmtree(local.parent, ignore_errors=True)
        with self._room:
            self._used -= size
            self._room.notify_all()


def slide_files(path: Path) -> list[Path]:
    """The file, and the folder of the same name that MIRAX keeps its data in."""
    beside = path.with_suffix("")
    return [path, beside] if path.suffix.lower() == ".mrxs" and beside.is_dir() else [path]


def slide_bytes(path: Path) -> int:
    """Size of all the slide's files; 0 where they can't be seen."""
    total = 0
    with contextlib.suppress(OSError):
        for part in slide_files(path):
            files = [part] if part.is_file() else [file for file in part.rglob("*") if file.is_file()]
            total += sum(file.stat().st_size for file in files)
    return total


def _sweep(folder: Path, own: Path) -> None:
    """Remove buffers of processes of this machine that were killed."""
    import psutil

    prefix = f"studio-buffer-{socket.gethostname()}-"
    for left in folder.glob(f"{prefix}*"):
        number = left.name.removeprefix(prefix)
        if left != own and number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(left, ignore_errors=True)
