"""Folders that can't be written to, for tests that root runs as well."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_VERSION_3 = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2


class _Head(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """`folder` without the right to write in it; for this thread and those that it starts, also where root runs it.

    Skips where that can't be had.
    """
    if os.name != "posix":
        pytest.skip("folders have no write bits here")
    mode = folder.stat().st_mode
    folder.chmod(0o555)
    try:
        with _without_override() if os.geteuid() == 0 else contextlib.nullcontext():
            yield folder
    finally:
        folder.chmod(mode)


@contextlib.contextmanager
def _without_override() -> Iterator[None]:
    """Root that is stopped by permissions: capabilities(7), dropped and taken back."""
    if not sys.platform.startswith("linux"):
        pytest.skip("root may write anywhere")
    libc = ctypes.CDLL(None, use_errno=True)
    head, sets = _Head(_VERSION_3, 0), (_Sets * 2)()
    assert libc.capget(ctypes.byref(head), sets) == 0
    before = sets[0].effective
    sets[0].effective = before & ~(_DAC_OVERRIDE | _DAC_READ_SEARCH)
    assert libc.capset(ctypes.byref(head), sets) == 0
    try:
        yield
    finally:
        sets[0].effective = before
        assert libc.capset(ctypes.byref(head), sets) == 0
