"""Icons by name: code points of the bundled icon font."""

from __future__ import annotations

ICONS = {
    "alert": "\uea06",
    "arrow_up": "\uea25",
    "cell": "\uf05f",
    "check": "\uea5e",
    "chevron_down": "\uea5f",
    "chevron_right": "\uea61",
    "close": "\ueb55",
    "error": "\uea6a",
    "extensions": "\ueb10",
    "file": "\ueaa4",
    "file_zip": "\ued4e",
    "fit": "\ueaea",
    "folder": "\ueaad",
    "folder_open": "\ufaf7",
    "history": "\uebea",
    "home": "\ueac1",
    "info": "\ueac5",
    "keyboard": "\uebd6",
    "map": "\ueae7",
    "minus": "\ueaf2",
    "picture": "\ueb0a",
    "plus": "\ueb0b",
    "results": "\uea59",
    "settings": "\ueb20",
    "slide": "\uef64",
    "stop": "\ued4a",
    "success": "\uea67",
    "table": "\ueba1",
    "warning": "\uea06",
}
"""What `PanelSpec.icon` and icon buttons may be called."""


def icon_text(name: str) -> str:
    """The character to draw for an icon; a name that isn't known is drawn as its own first letters."""
    return ICONS.get(name, name[:3])
