"""Fixtures of the window's tests."""

from __future__ import annotations

# Before anything imports OpenGL.
from tests.glcontext import gl  # noqa: F401
