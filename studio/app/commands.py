"""What menu and keyboard share: the table of commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from studio.app.camera import NOTCH, STEP, Camera
from studio.app.comparing import compare_commands
from studio.app.picture import suggested_name
from studio.app.shortcuts import Command
from studio.app.viewer_commands import look_commands, tool_commands
from studio.cellseg.cellvalues import has_probability
from studio.session import PathDialog, Session
from studio.session.files import OPEN_SUFFIXES

_PICTURE_OPTIONS = (
    ("picture_scale_bar", "Scale bar in pictures of the view"),
    ("picture_regions", "Regions in pictures of the view"),
)
"""Settings, and what they are called."""


class WindowActions(Protocol):
    """What only the window itself can do."""

    def quit(self) -> None:
        """End the program."""

    def toggle_fullscreen(self) -> None:
        """Fill the screen, or go back to a window."""

    def escape(self) -> None:
        """Close what is on top: a dialog, the help, fullscreen, a preview under way."""

    def toggle_help(self) -> None:
        """Show or hide the page of shortcuts."""

    def copy_position(self) -> None:
        """Put where the pointer is, and how close the view, on the clipboard."""

    def save_picture(self, path: Path, *, whole_window: bool) -> None:
        """Write what is in view (or the whole window) as a PNG, once the next frame is drawn."""


def build_commands(session: Session, camera: Camera, window: WindowActions) -> tuple[Command, ...]:
    """The table, in the menu's order."""
    return (
        *_file_commands(session, window),
        *_view_commands(session, camera, window),
        *_cell_commands(session),
        *compare_commands(session),
        *tool_commands(session),
        Command("help", "Keyboard and mouse", "F1", window.toggle_help, section="Help", also=("?",)),
        Command("escape", "Close or stop", "Esc", window.escape, section="Help", in_menu=False),
    )


def _file_commands(session: Session, window: WindowActions) -> tuple[Command, ...]:
    def ask_open() -> None:
        session.pending_dialog = PathDialog(
            kind="open",
            title="Open a slide or cells",
            suggested=Path(session.settings.last_folder or Path.home()),
            suffixes=OPEN_SUFFIXES,
            on_path=session.open_path,
        )

    def ask_picture(whole_window: bool) -> None:
        name = f"{suggested_name(session.document)}{'-window' * whole_window}.png"
        session.pending_dialog = PathDialog(
            kind="save",
            title="Save picture",
            suggested=Path(session.settings.last_folder or Path.home()) / name,
            suffixes=(".png",),
            on_path=lambda path: window.save_picture(path, whole_window=whole_window),
        )

    def has_slide() -> bool:
        return session.document.slide is not None

    def remembered(name: str, title: str) -> Command:
        """A tick for a setting."""

        def is_on() -> bool:
            return bool(getattr(session.settings, name))

        def toggle() -> None:
            setattr(session.settings, name, not is_on())
            session.settings.changed()

        return Command(name, title, "", toggle, section="File", checked=is_on)

    return (
        Command("open", "Open…", "Ctrl+O", ask_open, section="File"),
        Command(
            "export",
            "Export cells…",
            "Ctrl+E",
            session.ask_export_path,
            lambda: session.why_not_export() is None,
            section="File",
        ),
        Command("picture", "Save picture of the view…", "Ctrl+P", lambda: ask_picture(False), has_slide, "File"),
        Command(
            "picture_window", "Save picture of the window…", "Ctrl+Shift+P", lambda: ask_picture(True), section="File"
        ),
        *(remembered(*option) for option in _PICTURE_OPTIONS),
        Command("copy_position", "Copy position", "Ctrl+C", window.copy_position, has_slide, "File"),
        Command("close", "Close slide", "Ctrl+W", session.close_slide, has_slide, "File"),
        Command("quit", "Quit", "Ctrl+Q", window.quit, section="File"),
    )


def _view_commands(session: Session, camera: Camera, window: WindowActions) -> tuple[Command, ...]:
    def has_slide() -> bool:
        return session.document.slide is not None

    def step(columns: float, rows: float) -> Callable[[], None]:
        return lambda: camera.step(columns, rows)

    moves = (
        ("left", "Look left", "Left", step(-STEP, 0)),
        ("right", "Look right", "Right", step(STEP, 0)),
        ("up", "Look up", "Up", step(0, -STEP)),
        ("down", "Look down", "Down", step(0, STEP)),
        ("page_up", "A view up", "Page Up", step(0, -1)),
        ("page_down", "A view down", "Page Down", step(0, 1)),
    )
    return (
        Command("fit", "Fit slide", "Home", camera.fit, has_slide, also=("0",)),
        Command("one_to_one", "1:1 pixels", "1", camera.one_to_one, has_slide),
        Command("zoom_in", "Zoom in", "+", lambda: camera.zoom_by(NOTCH), has_slide, also=("=",)),
        Command("zoom_out", "Zoom out", "-", lambda: camera.zoom_by(1 / NOTCH), has_slide, also=("−", "_")),
        *look_commands(session, camera),
        *(Command(name, title, key, run, has_slide, in_menu=False) for name, title, key, run in moves),
        Command("fullscreen", "Fullscreen", "F11", window.toggle_fullscreen, also=("Alt+Enter",)),
    )


def _cell_commands(session: Session) -> tuple[Command, ...]:
    document = session.document

    def has_cells() -> bool:
        return document.overlay is not None

    def has_flows() -> bool:
        return document.overlay is not None and document.overlay.source.has_flows

    def has_probabilities() -> bool:
        return document.overlay is not None and has_probability(document.overlay.source)

    def layer(name: str, title: str, key: str, enabled: Callable[[], bool] = has_cells) -> Command:
        """A tick for what `document.style` calls the same."""

        def is_on() -> bool:
            return bool(getattr(document.style, name))

        def toggle() -> None:
            if name == "outline":
                document.style.show_outline(not is_on())
            else:
                setattr(document.style, name, not is_on())

        return Command(name, title, key, toggle, enabled, "Cells", checked=is_on)

    return (
        Command(
            "preview",
            "Preview",
            "Ctrl+R",
            session.preview,
            lambda: session.why_not_preview() is None,
            section="Cells",
        ),
        Command(
            "preview_region",
            "Preview region",
            "Ctrl+Shift+R",
            session.preview_roi,
            lambda: session.why_not_preview_roi() is None,
            section="Cells",
        ),
        Command(
            "auto_preview",
            "Auto-preview",
            "Ctrl+Shift+A",
            lambda: session.auto_preview.switch(not session.auto_preview.on),
            lambda: session.why_not_preview() is None,
            "Cells",
            checked=lambda: session.auto_preview.on,
        ),
        layer("mask", "Mask", "M"),
        layer("outline", "Outline", "O"),
        layer("centroid", "Centroid", "C"),
        layer("gradxy", "gradXY", "G", has_flows),
        layer("cellprob", "Cell probability", "Shift+G", has_probabilities),
        layer("black_bg", "Black background", "B"),
        Command("clear", "Take cells off", "", session.clear_overlay, has_cells, "Cells"),
    )
