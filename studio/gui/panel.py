"""What a panel is, and what it is handed. Imports neither the binding nor a panel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from studio.document import Document
    from studio.gui.ui import Ui
    from studio.session import Session
    from studio.session.state import Level
    from studio.settings import Settings


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """A line of the table of panels; listing panels imports none of them."""

    name: str
    """Short and unique: the probe, the settings file and `ctx` know the panel by it."""
    title: str
    icon: str
    """A name of `studio.gui.icons.ICONS`, or one to three letters to draw instead."""
    target: str
    """`package.module:Class` of a `Panel` that can be made without arguments."""
    default: bool = True
    """Whether it is on until the person decides."""


@dataclass(frozen=True, slots=True)
class Context:
    """All that a panel may use."""

    ui: Ui
    document: Document
    actions: Session
    settings: Settings
    notify: Callable[[Level, str], None]
    """Show a toast: `ctx.notify("info", "Path copied.")`."""


class Panel:
    """Base of panels; only `draw` must be written. All of it runs on the main thread, and none of it may block."""

    def draw(self, ctx: Context) -> None:
        """Draw the panel's controls and act on what they return; called for each frame in which it is open."""
        raise NotImplementedError(f"{type(self).__name__} has no draw()")

    def opened(self, ctx: Context) -> None:
        """Its drawer was opened."""

    def closed(self, ctx: Context) -> None:
        """Its drawer was closed, or the panel was switched off."""

    def menu(self, ctx: Context) -> None:
        """Draw items of its own in the View menu, with `ctx.ui.button` and `ctx.ui.checkbox`."""

    def on_drop(self, ctx: Context, path: Path) -> bool:
        """Take a dropped file, open drawer or not; True if it was this panel's and nobody else should open it."""
        del ctx, path
        return False
