"""Notes in the corner at the right bottom: the newest lowest, gone after a while or when clicked."""

from __future__ import annotations

from studio.gui.control import Rect
from studio.gui.gui import Gui
from studio.gui.theme import Theme
from studio.session import Session, Toast

WIDTH = 360
MARGIN = 14
GAP = 8

_ICONS = {"info": "info", "success": "success", "warning": "warning", "error": "error"}


def draw_toasts(gui: Gui, session: Session, area: Rect) -> None:
    """Draw as many of the session's toasts as fit, from the bottom of `area` (window coordinates) upwards."""
    px = gui.chrome.px
    width = min(px(WIDTH), area[2] - 2 * px(MARGIN))
    bottom = area[1] + area[3] - px(MARGIN)
    for place, toast in enumerate(reversed(list(session.toasts))):
        height = gui.ui.text_height(toast.text, width - px(64)) + px(20)
        if bottom - height < area[1] or width < px(120):
            return
        rect = (area[0] + area[2] - px(MARGIN) - width, bottom - height, width, height)
        if _draw(gui, toast, rect, place):
            session.dismiss(toast)
        bottom -= height + px(GAP)


def _draw(gui: Gui, toast: Toast, rect: Rect, place: int) -> bool:
    """One note; whether it was clicked."""
    px, theme, ui = gui.chrome.px, gui.theme, gui.ui
    color = level_color(theme, toast.level)
    with (
        gui.chrome.panel("view"),
        gui.chrome.window(f"toast {place}", rect, color=theme.popup, rounding=8, border=True, front=True),
    ):
        left, top, width, height = rect
        hit = ui.surface(toast.text, width, height, kind="toast")
        ui.paint.fill((left + px(1), top + px(8), px(3), height - px(16)), color, px(2))
        ui.paint.icon_in((left + px(10), top + px(9), px(24), px(20)), _ICONS[toast.level], color)
        gui.chrome.move_to(left + px(40), top + px(10))
        ui.text_block(toast.text, width - px(64))
        cross = (left + width - px(24), top + px(6), px(18), px(18))
        ui.paint.icon_in(cross, "close", theme.text if hit.hovered else theme.dim)
    return hit.pressed


def level_color(theme: Theme, level: str) -> tuple[float, float, float, float]:
    """What a level's icon is painted with."""
    return {"success": theme.success, "warning": theme.warning, "error": theme.error}.get(level, theme.accent_hover)
