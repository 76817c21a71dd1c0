"""Keys as they are written on this machine."""

from __future__ import annotations

import sys

ON_MAC = sys.platform == "darwin"


def key_text(text: str) -> str:
    """A shortcut, or a text with one in it: a Mac has Cmd and Option where others have Ctrl and Alt.

    >>> key_text("Ctrl+O") in ("Ctrl+O", "Cmd+O")
    True
    """
    return text.replace("Ctrl+", "Cmd+").replace("Alt+", "Option+") if ON_MAC else text
