"""OpenGL for the tests of this folder."""

from __future__ import annotations

from tests.glcontext import gl

__all__ = ["gl"]
