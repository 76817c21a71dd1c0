"""Icons by name: code points of the bundled icon font."""

from __future__ import annotations

ICONS = {
    "alert": "\uea06",
    "annotations": "\ueb04",
    "arrow_up": "\uea25",
    "bookmark": "\uea3a",
    "camera": "\uea54",
    "cell": "\uf05f",
    "check": "\uea5e",
    "chevron_down": "\uea5f",
    "chevron_right": "\uea61",
    "close": "\ueb55",
    "compare": "\uf6d5",
    "copy": "\uea7a",
    "download": "\uea96",
    "edit": "\ueb04",
    "error": "\uea6a",
    "extensions": "\ueb10",
    "eye": "\uea9a",
    "file": "\ueaa4",
    "file_zip": "\ued4e",
    "fit": "\ueaea",
    "folder": "\ueaad",
    "folder_open": "\ufaf7",
    "freehand": "\uefac",
    "history": "\uebea",
    "home": "\ueac1",
    "image": "\uec38",
    "info": "\ueac5",
    "keyboard": "\uebd6",
    "map": "\ueae7",
    "measure": "\uf291",
    "minus": "\ueaf2",
    "move": "\uec2e",
    "palette": "\ueb01",
    "picture": "\ueb0a",
    "plus": "\ueb0b",
    "polygon": "\uefd0",
    "rectangle": "\ued37",
    "refresh": "\ueb13",
    "results": "\uea59",
    "rotate": "\ueb15",
    "settings": "\ueb20",
    "slide": "\uef64",
    "stop": "\ued4a",
    "success": "\uea67",
    "table": "\ueba1",
    "target": "\ueb35",
    "trash": "\ueb41",
    "undo": "\ueb77",
    "upload": "\ueb47",
    "warning": "\uea06",
}
"""What `PanelSpec.icon` and icon buttons may be called."""


def icon_text(name: str) -> str:
    """The character to draw for an icon; a name that isn't known is drawn as its own first letters."""
    return ICONS.get(name, name[:3])
