"""What all panels draw in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.gui.ui import Ui


def offer(
    ui: Ui,
    label: str,
    why_not: str | None,
    tip: str,
    *,
    width: float = 0.0,
    primary: bool = False,
    shown: str | None = None,
) -> bool:
    """A button that can't be pressed while something stands in its way, and says what that is; True when pressed."""
    return ui.button(label, enabled=why_not is None, width=width, tooltip=why_not or tip, primary=primary, shown=shown)
