"""Colours of the dark and the light look, and the metrics they share."""

from __future__ import annotations

from dataclasses import dataclass

import imgui

Color = tuple[float, float, float, float]


def _rgb(hex_rgb: int, alpha: float = 1.0) -> Color:
    return (hex_rgb >> 16 & 255) / 255, (hex_rgb >> 8 & 255) / 255, (hex_rgb & 255) / 255, alpha


@dataclass(frozen=True, slots=True)
class Theme:
    """What each thing is painted with."""

    name: str
    chrome: Color
    """Menu bar, sidebar and status bar."""
    panel: Color
    """The drawer."""
    popup: Color
    card: Color
    """What lies over the slide: see-through, so that it takes little away."""
    border: Color
    text: Color
    dim: Color
    field: Color
    """Text fields, lists, tracks of sliders and bars."""
    field_border: Color
    button: Color
    button_hover: Color
    button_active: Color
    accent: Color
    accent_hover: Color
    accent_active: Color
    on_accent: Color
    hover: Color
    """Laid over whatever the pointer is on."""
    selection: Color
    shade: Color
    """Laid over the window while a dialog is open."""
    success: Color
    warning: Color
    error: Color


DARK = Theme(
    name="dark",
    chrome=_rgb(0x16181C),
    panel=_rgb(0x1E2126),
    popup=_rgb(0x25292F),
    card=_rgb(0x16181C, 0.86),
    border=_rgb(0x2F343C),
    text=_rgb(0xDDE1E7),
    dim=_rgb(0x8F98A5),
    field=_rgb(0x14161A),
    field_border=_rgb(0x3A414B),
    button=_rgb(0x313740),
    button_hover=_rgb(0x3B424D),
    button_active=_rgb(0x2A3038),
    accent=_rgb(0x2D7FD3),
    accent_hover=_rgb(0x3B8FE5),
    accent_active=_rgb(0x256CB5),
    on_accent=_rgb(0xFFFFFF),
    hover=_rgb(0xFFFFFF, 0.07),
    selection=_rgb(0x2D7FD3, 0.40),
    shade=_rgb(0x000000, 0.45),
    success=_rgb(0x4FC08D),
    warning=_rgb(0xE5B454),
    error=_rgb(0xF0716B),
)

LIGHT = Theme(
    name="light",
    chrome=_rgb(0xE9ECF0),
    panel=_rgb(0xF6F7F9),
    popup=_rgb(0xFFFFFF),
    card=_rgb(0xFFFFFF, 0.90),
    border=_rgb(0xD3D8DF),
    text=_rgb(0x1F242B),
    dim=_rgb(0x5F6976),
    field=_rgb(0xFFFFFF),
    field_border=_rgb(0xBAC2CC),
    button=_rgb(0xDFE4EA),
    button_hover=_rgb(0xD3DAE2),
    button_active=_rgb(0xC6CFD9),
    accent=_rgb(0x1C6FC9),
    accent_hover=_rgb(0x2A7EDA),
    accent_active=_rgb(0x165DAB),
    on_accent=_rgb(0xFFFFFF),
    hover=_rgb(0x000000, 0.06),
    selection=_rgb(0x1C6FC9, 0.28),
    shade=_rgb(0x20262E, 0.35),
    success=_rgb(0x23875A),
    warning=_rgb(0xA86A00),
    error=_rgb(0xC8362F),
)

THEMES = {theme.name: theme for theme in (DARK, LIGHT)}


def apply_theme(theme: Theme, scale: float) -> None:
    """Give the binding's own controls (text fields, lists, menus, scroll bars) our colours and metrics."""
    style = imgui.get_style()
    _apply_metrics(style, scale)
    base = imgui.style_colors_light if theme.name == "light" else imgui.style_colors_dark
    base(style)
    colors = {
        imgui.COLOR_TEXT: theme.text,
        imgui.COLOR_TEXT_DISABLED: theme.dim,
        imgui.COLOR_WINDOW_BACKGROUND: theme.panel,
        imgui.COLOR_CHILD_BACKGROUND: (0.0, 0.0, 0.0, 0.0),
        imgui.COLOR_POPUP_BACKGROUND: theme.popup,
        imgui.COLOR_BORDER: theme.border,
        imgui.COLOR_FRAME_BACKGROUND: theme.field,
        imgui.COLOR_FRAME_BACKGROUND_HOVERED: theme.field,
        imgui.COLOR_FRAME_BACKGROUND_ACTIVE: theme.field,
        imgui.COLOR_MENUBAR_BACKGROUND: theme.chrome,
        imgui.COLOR_SCROLLBAR_BACKGROUND: (0.0, 0.0, 0.0, 0.0),
        imgui.COLOR_SCROLLBAR_GRAB: (*theme.dim[:3], 0.35),
        imgui.COLOR_SCROLLBAR_GRAB_HOVERED: (*theme.dim[:3], 0.6),
        imgui.COLOR_SCROLLBAR_GRAB_ACTIVE: (*theme.dim[:3], 0.8),
        imgui.COLOR_BUTTON: theme.field,
        imgui.COLOR_BUTTON_HOVERED: theme.button_hover,
        imgui.COLOR_BUTTON_ACTIVE: theme.button_active,
        imgui.COLOR_HEADER: theme.selection,
        imgui.COLOR_HEADER_HOVERED: theme.hover,
        imgui.COLOR_HEADER_ACTIVE: theme.selection,
        imgui.COLOR_SEPARATOR: theme.border,
        imgui.COLOR_TEXT_SELECTED_BACKGROUND: theme.selection,
        imgui.COLOR_MODAL_WINDOW_DIM_BACKGROUND: theme.shade,
        imgui.COLOR_CHECK_MARK: theme.accent,
    }
    for name, color in colors.items():
        style.colors[name] = color


def _apply_metrics(style: imgui.core.GuiStyle, scale: float) -> None:
    """Lengths are in window units; `scale` is the person's and the screen's."""
    pairs = {
        "window_padding": (14, 12),
        "frame_padding": (9, 4),
        "item_spacing": (8, 5),
        "item_inner_spacing": (6, 4),
    }
    for name, (x, y) in pairs.items():
        setattr(style, name, (round(x * scale), round(y * scale)))
    lengths = {
        "window_rounding": 0,
        "child_rounding": 0,
        "popup_rounding": 7,
        "frame_rounding": 5,
        "scrollbar_rounding": 5,
        "scrollbar_size": 11,
        "grab_min_size": 12,
        "indent_spacing": 16,
    }
    for name, length in lengths.items():
        setattr(style, name, round(length * scale))
    style.window_border_size = 0
    style.child_border_size = 0
    style.popup_border_size = 1
    style.frame_border_size = 0
    style.window_min_size = (1, 1)
