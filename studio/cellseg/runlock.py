"""One run at a time on one target: a lock that the system lets go of when its holder dies."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from studio.errors import RunError


class RunLock:
    """Holds `folder/lock`, making the folder first.

    Raises:
        RunError: another run holds it.
        OSError: the folder can't be made.
    """

    def __init__(self, folder: Path, target: Path) -> None:
        self._path = folder / "lock"
        self._fd = -1
        while self._fd < 0:
            try:
                folder.mkdir(exist_ok=True)
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:
                if folder.parent.is_dir():
                    continue  # its holder finished and removed the folder just now
                raise
            if not _lock(fd):
                holder = _holder(fd)
                os.close(fd)
                raise RunError(
                    f"Another run{holder} is writing {target.name} now. Wait for it, stop it, or choose another name."
                )
            if _same_file(fd, self._path):
                self._fd = fd
            else:
                # Its holder finished and removed it between our open and our lock.
                os.close(fd)
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.write(self._fd, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())

    def release(self, *, remove: bool = False) -> None:
        """Let go; with `remove` delete the lock and its (empty) folder first."""
        if self._fd < 0:
            return
        if remove:
            self._path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1
        if remove:
            try:
                self._path.parent.rmdir()
            except OSError:
                # Somebody put a file of theirs there, or the next run has begun.
                return


def _same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


def _holder(fd: int) -> str:
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        about = json.loads(os.read(fd, 1000))
        return f" (process {int(about['pid'])} on {about['host']})"
    except (OSError, ValueError, LookupError, TypeError):
        return ""


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> bool:
        try:
            # Beyond the holder's name, which others shall be able to read.
            os.lseek(fd, 4096, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
