"""The logic of the window without a window: open, preview, segment, export, and what to tell the person."""

from __future__ import annotations

from studio.session.session import Session
from studio.session.state import PathDialog, Question, Toast

__all__ = ["PathDialog", "Question", "Session", "Toast"]
