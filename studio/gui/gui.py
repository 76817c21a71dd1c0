"""The binding's context: input in, controls out, pictures onto the bound framebuffer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studio.gui.control import Control
from studio.gui.events import Event
from studio.gui.ui import Ui


class Gui:
    """Owns the context, the fonts and the GL objects that draw it. Main thread, GL context current."""

    ui: Ui
    controls: list[Control]
    """Of the frame finished last."""
    wants_mouse: bool
    """The pointer is over something of the gui, or drags it: the slide shouldn't follow."""
    wants_keyboard: bool
    """A text field or a dialog takes keys: they are no shortcuts."""
    cursor: str
    """`arrow`, `hand`, `text`, `resize_h`, `resize_v`: what the pointer should look like."""
    next_frame_s: float | None
    """Draw again after so many seconds though nothing happened (0: at once); None: not before something does."""

    def __init__(
        self,
        *,
        theme: str,
        ui_scale: float,
        content_scale: float,
        get_clipboard: Callable[[], str],
        set_clipboard: Callable[[str], None],
    ) -> None: ...

    def set_look(self, theme: str, ui_scale: float, content_scale: float) -> None:
        """Follow the settings and the screen; costs nothing while they stay."""

    def begin(
        self,
        events: Sequence[Event],
        size_window: tuple[int, int],
        size_framebuffer: tuple[int, int],
        dt_s: float,
    ) -> None:
        """Begin a frame with what happened since the last one."""

    def end(self) -> None:
        """End the frame; nothing is drawn yet."""

    def paint(self) -> None:
        """Draw the finished frame over what the bound framebuffer holds; GL state is as it was afterwards."""

    def abort_frame(self) -> None:
        """Give up a frame in which something raised; the next `begin` starts clean."""

    def close(self) -> None:
        """Free the context and its GL objects."""
