"""Text and icon fonts, rasterised for the screen's pixels and measured in window units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import imgui

from studio.gui.icons import ICONS
from studio.resources import resource

TEXT_PX = 18.0
"""Line height of running text; the letters are those of a 15 px font."""
SMALL_PX = 16.0
BOLD_PX = 18.0
HEADING_PX = 20.0
TITLE_PX = 27.0
ICON_PX = 18.0
ICON_LARGE_PX = 24.0

_LATIN_GREEK_CYRILLIC = (
    *(0x20, 0x7E, 0xA0, 0x17F, 0x192, 0x192, 0x218, 0x21B, 0x2C6, 0x2DD),
    *(0x384, 0x3CE, 0x400, 0x45F, 0x490, 0x491),
)
_SIGNS = (
    *(0x2010, 0x2027, 0x2030, 0x203A, 0x2044, 0x2044, 0x2070, 0x209C, 0x20AC, 0x20AC, 0x2116, 0x2122),
    *(0x2190, 0x2199, 0x21E7, 0x21E7, 0x2202, 0x2265, 0x2318, 0x2318, 0x2325, 0x2325, 0x25A0, 0x25FF, 0x2713, 0x2717),
)
_WIDE = (*_LATIN_GREEK_CYRILLIC, *_SIGNS, 0)
_LATIN = (0x20, 0x7E, 0xA0, 0xFF, 0x2010, 0x2027, 0x2190, 0x2199, 0)


@dataclass(frozen=True, slots=True)
class Fonts:
    """Handles of the binding; valid until they are loaded again."""

    text: Any
    bold: Any
    heading: Any
    title: Any
    small: Any
    icon: Any
    icon_large: Any


def load_fonts(scale: float, pixel_ratio: float) -> Fonts:
    """Put the fonts into the current context's atlas, replacing what is there.

    `scale` is the size in window units relative to the design,
    `pixel_ratio` how many framebuffer pixels make a window unit.
    """
    io = imgui.get_io()
    io.fonts.clear()
    regular = str(resource("assets", "fonts", "Inter-Regular.otf"))
    semibold = str(resource("assets", "fonts", "Inter-SemiBold.otf"))
    icons = str(resource("assets", "fonts", "tabler-icons.ttf"))
    # Kept until the atlas is built: the binding hands it pointers into these.
    wide, latin = imgui.core.GlyphRanges(_WIDE), imgui.core.GlyphRanges(_LATIN)
    codes = sorted(ord(text) for text in set(ICONS.values()))
    icon_range = imgui.core.GlyphRanges([*(code for code in codes for _ in range(2)), 0])
    # Characters that aren't there are drawn as an ellipsis' neighbour, "?", by the binding.
    config = imgui.core.FontConfig(oversample_h=2, oversample_v=1, pixel_snap_h=False)
    size = scale * pixel_ratio

    def add(path: str, px: float, ranges: Any) -> Any:
        return io.fonts.add_font_from_file_ttf(path, px * size, config, ranges)

    fonts = Fonts(
        text=add(regular, TEXT_PX, wide),
        bold=add(semibold, BOLD_PX, latin),
        heading=add(semibold, HEADING_PX, latin),
        title=add(semibold, TITLE_PX, latin),
        small=add(regular, SMALL_PX, wide),
        icon=add(icons, ICON_PX, icon_range),
        icon_large=add(icons, ICON_LARGE_PX, icon_range),
    )
    io.fonts.get_tex_data_as_alpha8()
    io.font_global_scale = 1.0 / pixel_ratio
    return fonts
