"""Named views of a slide, remembered from start to start by the slide's fingerprint."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.session.base import JobHost

KEPT = 200
"""Slides whose bookmarks are remembered; those not touched for longest go first."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A view by name."""

    name: str
    center_x: float
    center_y: float
    """Slide pixel in the middle."""
    scale: float
    """Slide pixels per viewport pixel."""
    rotation: int = 0


class Bookmarks:
    """Those of the open slide. Held by the session as `session.bookmarks`; main thread only."""

    def __init__(self, host: JobHost) -> None:
        self._settings = host.settings
        self._document = host.document
        self._notify = host.notify

    @property
    def all(self) -> tuple[Bookmark, ...]:
        """The slide's bookmarks, the oldest first; what a damaged settings file holds else is left out."""
        slide = self._document.slide
        stored = self._settings.bookmarks.get(slide.fingerprint, []) if slide is not None else []
        return tuple(mark for value in stored if (mark := _from_json(value)) is not None)

    def add(self, name: str = "") -> None:
        """Remember what is in view."""
        if self._document.slide is None:
            self._notify("warning", "Open a slide first.")
            return
        view, marks = self._document.view, self.all
        taken = {mark.name for mark in marks}
        free = next(text for number in count(len(marks) + 1) if (text := f"View {number}") not in taken)
        name = " ".join(name.split()) or free
        self._store([*marks, Bookmark(name, view.center_x, view.center_y, view.scale, view.rotation)])
        self._notify("success", f"Bookmark “{name}” is kept for this slide.")

    def go(self, index: int) -> None:
        """Bring a bookmark into view."""
        marks, view = self.all, self._document.view
        if 0 <= index < len(marks):
            mark = marks[index]
            view.center_x, view.center_y, view.scale = mark.center_x, mark.center_y, mark.scale
            view.rotation = mark.rotation

    def rename(self, index: int, name: str) -> None:
        """Call a bookmark something else; an empty name changes nothing."""
        marks, name = list(self.all), " ".join(name.split())
        if name and 0 <= index < len(marks) and name != marks[index].name:
            marks[index] = replace(marks[index], name=name)
            self._store(marks)

    def remove(self, index: int) -> None:
        """Forget a bookmark."""
        marks = self.all
        self._store([*marks[:index], *marks[index + 1 :]])

    def _store(self, marks: list[Bookmark]) -> None:
        slide, kept = self._document.slide, self._settings.bookmarks
        if slide is None:
            return
        kept.pop(slide.fingerprint, None)
        if marks:
            kept[slide.fingerprint] = [
                {"name": m.name, "x": m.center_x, "y": m.center_y, "scale": m.scale, "rotation": m.rotation}
                for m in marks
            ]
        for old in list(kept)[:-KEPT]:
            del kept[old]
        self._settings.changed()


def _from_json(value: Any) -> Bookmark | None:
    try:
        x, y, scale = (float(value[key]) for key in ("x", "y", "scale"))
        rotation = int(value.get("rotation", 0))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if not (math.isfinite(x) and math.isfinite(y) and 0 < scale < math.inf) or rotation not in (0, 90, 180, 270):
        return None
    return Bookmark(str(value.get("name", "")) or "View", x, y, scale, rotation)
