"""The GL functions that this package calls, without PyOpenGL's checks on each call.

Import GL from here and nowhere else: whoever imports OpenGL first decides how
slow all of it is. Checking errors after each call costs more than the calls.
Tests import OpenGL earlier, with checking on, so a GL error fails them.
"""

from __future__ import annotations

import ctypes
from typing import Any

import OpenGL
from numpy.typing import NDArray

OpenGL.ERROR_CHECKING = False
OpenGL.ERROR_LOGGING = False

from OpenGL import GL  # noqa: E402

__all__ = ["GL", "offset", "pointer"]


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    """Address of a C-contiguous array's data; the caller keeps the array alive through the call."""
    return ctypes.c_void_p(array.ctypes.data)


def offset(count_bytes: int) -> ctypes.c_void_p:
    """A place in a bound buffer, as GL wants it: a pointer that is none."""
    return ctypes.c_void_p(count_bytes)
