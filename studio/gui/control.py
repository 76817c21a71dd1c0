"""Controls as they were drawn: what the probe reports and tests press."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Rect = tuple[float, float, float, float]
"""Left, top, width, height in window coordinates."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control whose middle could be seen and pressed in a frame."""

    panel: str
    label: str
    kind: str
    rect: Rect
    enabled: bool
    value: Any = None

    @property
    def middle(self) -> tuple[float, float]:
        """Where to press it."""
        left, top, width, height = self.rect
        return left + width / 2, top + height / 2


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a menu."""

    label: str
    enabled: bool = True
    tooltip: str = ""
    current: bool = False
    """Whether this is how things are now: it is shown lit, and arrow keys begin there."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """What a column is called, and how it looks."""

    title: str
    width: float = 1.0
    """Relative to the other columns."""
    align: float = 1.0
    """0 left, 1 right."""
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class TablePress:
    """What was pressed in a frame; None for what wasn't."""

    column: int | None = None
    row: int | None = None
