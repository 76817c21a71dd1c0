"""What the session shows besides the slide: toasts and questions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Level = Literal["info", "success", "warning", "error"]

TOAST_SECONDS: dict[Level, float] = {"info": 6.0, "success": 8.0, "warning": 12.0, "error": 20.0}


@dataclass(slots=True)
class Toast:
    """A note in the corner of the window."""

    level: Level
    text: str
    born_s: float = field(default_factory=time.monotonic)

    @property
    def expired(self) -> bool:
        """Whether it has been shown long enough."""
        return time.monotonic() - self.born_s > TOAST_SECONDS[self.level]


@dataclass(slots=True)
class Question:
    """Something only the person can decide. The window shows it and calls `Session.answer`."""

    kind: Literal["mismatch", "mpp", "labels", "zoom", "discard"]
    """`mismatch`: masks of another slide; `mpp`: a number is asked for; `labels`: cells, or a slide of their own."""
    title: str
    text: str
    yes: str
    no: str
    on_yes: Callable[[float | None], None]
    on_no: Callable[[], None] | None = None
    value: float | None = None
    """Where a number is asked for, the one to begin with."""
    label: str = "Pixel size"
    """What the number is, which is in µm/px."""
    tip: str = "Micrometres per pixel of the slide's full resolution."
    dismissed_is_no: bool = True
    """Whether Esc, or another question in its place, is the same as `no`; else nothing is done then."""


@dataclass(slots=True)
class PathDialog:
    """A file dialog the session asks the window to show; the window calls `on_path` unless it is dismissed."""

    kind: Literal["open", "save"]
    title: str
    suggested: Path
    """Folder and file name to begin with."""
    suffixes: tuple[str, ...]
    on_path: Callable[[Path], None]
