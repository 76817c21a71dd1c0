"""What a whole-slide run has found so far."""

from __future__ import annotations

from typing import Any


class RunCounts:
    """Adds up what a run hands over by the way."""

    def __init__(self) -> None:
        self.cells = 0
        """Found so far, each counted once."""
        self.area_mm2 = 0.0
        """Of the blocks that are done, glass in them included."""
        self.expected: dict[str, Any] | None = None
        """`Estimate.to_dict`, once the run knows."""
        self._mpp: float | None = None

    def take(self, kind: str, payload: dict[str, Any]) -> None:
        """One event of the run."""
        if kind == "plan":
            self._mpp = payload["geometry"]["mpp"]
        elif kind == "block":
            self.cells += int(payload["cells"])
            top, left, bottom, right = payload["mask"]
            self.area_mm2 += (bottom - top) * (right - left) * ((self._mpp or 0.0) / 1000) ** 2
        elif kind == "estimate":
            self.expected = payload

    @property
    def text(self) -> str:
        """In words: cells so far, and how dense they lie."""
        text = f"{self.cells:,} cells so far"
        return text if self.area_mm2 <= 0 else f"{text}, {self.cells / self.area_mm2:,.0f} per mm²"
