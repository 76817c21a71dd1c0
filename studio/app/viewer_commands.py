"""Commands about looking at a slide: tools, regions, bookmarks."""

from __future__ import annotations

from studio.app.shortcuts import Command
from studio.session import Session

_TOOLS = (
    ("", "Move the slide", "H"),
    ("rectangle", "Rectangle", "R"),
    ("polygon", "Polygon", "P"),
    ("freehand", "Freehand", "F"),
    ("measure", "Measure", "L"),
)
"""Name, title and key of what the left button can do."""


def tool_commands(session: Session) -> tuple[Command, ...]:
    """Tools, and what is done to regions; section `Tools`."""
    document, rois, bookmarks = session.document, session.rois, session.bookmarks

    def has_slide() -> bool:
        return document.slide is not None

    def choose(name: str, title: str, key: str) -> Command:
        def is_on() -> bool:
            return document.tool == name

        def run() -> None:
            document.tool = "" if is_on() else name

        return Command(f"tool_{name or 'move'}", title, key, run, has_slide, "Tools", checked=is_on)

    def bookmark(index: int) -> Command:
        return Command(
            f"bookmark_{index + 1}",
            "Go to bookmark 1 to 9" if index == 0 else f"Go to bookmark {index + 1}",
            f"Ctrl+{index + 1}",
            lambda: bookmarks.go(index),
            lambda: index < len(bookmarks.all),
            "Tools",
            in_menu=False,
            listed="Ctrl+1 … 9" if index == 0 else "",
        )

    return (
        *(choose(*tool) for tool in _TOOLS),
        Command("undo", "Undo change of regions", "Ctrl+Z", rois.undo, lambda: rois.undoable is not None, "Tools"),
        Command(
            "delete_region", "Delete region", "Delete", rois.remove, lambda: rois.selected is not None, "Tools",
            also=("Backspace",),
        ),
        Command("load_regions", "Load regions…", "", rois.ask_load, has_slide, "Tools"),
        Command("save_regions", "Save regions…", "", rois.ask_save, lambda: bool(document.rois), "Tools"),
        Command("bookmark", "Bookmark this view", "Ctrl+B", bookmarks.add, has_slide, "Tools"),
        *(bookmark(index) for index in range(9)),
    )  # fmt: skip
