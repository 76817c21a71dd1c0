"""Commands about looking at a slide: tools, regions, bookmarks."""

from __future__ import annotations

from studio.app.camera import POWERS, Camera
from studio.app.shortcuts import Command
from studio.session import Question, Session

_TOOLS = (
    ("", "Move the slide", "H"),
    ("rectangle", "Rectangle", "R"),
    ("polygon", "Polygon", "P"),
    ("freehand", "Freehand", "F"),
    ("measure", "Measure", "L"),
)
"""Name, title and key of what the left button can do."""


def look_commands(session: Session, camera: Camera) -> tuple[Command, ...]:
    """How close to look, by the numbers, and which way up; section `View`."""

    def has_slide() -> bool:
        return camera.has_slide

    def has_mpp() -> bool:
        return camera.mpp is not None

    def objective(index: int) -> Command:
        return Command(
            f"power_{POWERS[index]:g}",
            "Objective 1.25× to 40×" if index == 0 else f"Objective {POWERS[index]:g}×",
            f"Alt+{index + 1}",
            lambda: camera.set_magnification(POWERS[index]),
            has_mpp,
            in_menu=False,
            listed="Alt+1 … 6" if index == 0 else "",
        )

    def ask_mpp() -> None:
        session.pending_question = Question(
            kind="zoom",
            title="How close?",
            text="Micrometres that one pixel of the screen shows. 0.25 is what 40× scanners record, 10 is 1×.",
            yes="Go",
            no="Cancel",
            value=camera.mpp,
            on_yes=lambda value: camera.set_mpp(value) if value else None,
            label="Screen pixel",
            tip="Micrometres of the slide to one pixel of the screen.",
        )

    return (
        *(objective(index) for index in range(len(POWERS))),
        Command("rotate_right", "Turn right", "]", lambda: camera.rotate(90), has_slide, also=("Ctrl+]",)),
        Command("rotate_left", "Turn left", "[", lambda: camera.rotate(-90), has_slide, also=("Ctrl+[",)),
        Command("zoom_mpp", "Zoom to µm per pixel…", "Ctrl+G", ask_mpp, has_mpp, also=("Ctrl+/",)),
    )


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
        Command("load_regions", "Load regions…", "Ctrl+L", rois.ask_load, has_slide, "Tools"),
        Command("save_regions", "Save regions…", "Ctrl+S", rois.ask_save, lambda: bool(document.rois), "Tools"),
        Command("bookmark", "Bookmark this view", "Ctrl+B", bookmarks.add, has_slide, "Tools"),
        *(bookmark(index) for index in range(9)),
    )  # fmt: skip
