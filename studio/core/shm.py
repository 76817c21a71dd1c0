"""Pickles whose big arrays travel through shared memory instead of the pipe.

A pipe copies 4 MiB in 4-7 ms, shared memory in 1.2. The sender creates a
segment for each big array and forgets it; the receiver copies it out and
unlinks it, so a message owns its segments until it is read exactly once.
"""

from __future__ import annotations

import io
import itertools
import os
import pickle
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

import numpy as np

INLINE_BYTES = 64 * 1024
"""Arrays below this go through the pipe: a segment costs more than the copy."""

_SHM_DIR = Path("/dev/shm")
_FREE_MARGIN_BYTES = 8 * 1024 * 1024
_PREFIX = "studio_"

_sequence = itertools.count()


def _fits(size_bytes: int) -> bool:
    """Whether a segment of this size has room; writing past the end of a full tmpfs kills the process."""
    if not _SHM_DIR.is_dir():
        # Windows frees a segment with its last handle, so "create and forget" can't work there.
        return os.name == "posix"
    stat = os.statvfs(_SHM_DIR)
    return stat.f_bavail * stat.f_frsize > size_bytes + _FREE_MARGIN_BYTES


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer, pickle.HIGHEST_PROTOCOL)
        self.names: list[str] = []

    def persistent_id(self, obj: Any) -> Any:
        if type(obj) is not np.ndarray or obj.dtype.hasobject or obj.nbytes < INLINE_BYTES or not _fits(obj.nbytes):
            return None
        name = f"{_PREFIX}{os.getpid()}_{next(_sequence)}"
        segment = shared_memory.SharedMemory(name=name, create=True, size=obj.nbytes)
        self.names.append(name)
        np.ndarray(obj.shape, obj.dtype, buffer=segment.buf)[...] = obj
        segment.close()
        return (name, obj.dtype, obj.shape)


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Any:
        name, dtype, shape = pid
        segment = shared_memory.SharedMemory(name=name)
        try:
            array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, buffer=segment.buf).copy()
        finally:
            segment.close()
            segment.unlink()
        return array


def dumps(message: Any) -> bytes:
    """A pickle of `message` whose big arrays wait in shared memory. Raises what pickling raises."""
    buffer = io.BytesIO()
    pickler = _Pickler(buffer)
    try:
        pickler.dump(message)
    except BaseException:
        for name in pickler.names:
            _unlink(name)
        raise
    return buffer.getvalue()


def loads(data: bytes) -> Any:
    """The message of `dumps`, its arrays copied out and their segments unlinked. Call once for each message."""
    return _Unpickler(io.BytesIO(data)).load()


def sweep(pid: int) -> int:
    """Unlink the segments that a dead process made and nobody read. Returns how many."""
    if not _SHM_DIR.is_dir():
        return 0
    names = [path.name for path in _SHM_DIR.glob(f"{_PREFIX}{pid}_*")]
    return sum(_unlink(name) for name in names)


def _unlink(name: str) -> bool:
    try:
        segment = shared_memory.SharedMemory(name=name)
    except FileNotFoundError:
        return False
    segment.close()
    segment.unlink()
    return True
