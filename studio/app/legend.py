"""What the colours of cells mean: a bar of the map with its name, unit and range."""

from __future__ import annotations

from dataclasses import dataclass

from studio.cellseg.cellvalues import has_probability
from studio.cellseg.columns import column_label
from studio.document import FILL_BY_CELL, PLAIN_FILL, Document
from studio.gui.control import Rect
from studio.gui.gui import Gui
from studio.render.colormaps import PROBABILITY_MAP, colormap
from studio.session.cellfacts import value_text

WIDTH, HEIGHT = 190, 58
_STRIPES = 38


@dataclass(frozen=True, slots=True)
class Legend:
    """One bar."""

    title: str
    colormap: str
    low: str
    high: str


def legends(document: Document) -> list[Legend]:
    """What the overlay, as it is drawn now, has to be explained with."""
    style, comparison = document.style, document.comparison
    overlay = document.overlay if "b" in comparison.sides else comparison.kept
    if overlay is None or style.alpha <= 0 or comparison.view == "differences":
        return []
    found = []
    probability = style.cellprob and has_probability(overlay.source)
    network = probability or (style.gradxy and overlay.source.has_flows)
    if probability:
        found.append(Legend("Cell probability", PROBABILITY_MAP, "0", "1"))
    # A is never coloured by a measure.
    by_value = (
        overlay is document.overlay and style.mask and not network and style.fill not in (PLAIN_FILL, FILL_BY_CELL)
    )
    values = document.values
    if by_value and values is not None and values.column == style.fill:
        low, high = style.value_range or (values.low, values.high)
        # Colours end where few cells are left, so the ends stand for what lies beyond too.
        first, last = value_text(low), value_text(high)
        if first == last:
            first, last = f"{low:,.7g}", f"{high:,.7g}"
        found.append(Legend(column_label(values.column), style.colormap, f"≤ {first}", f"≥ {last}"))
    return found


def draw_legends(gui: Gui, area: Rect, document: Document, margin: float) -> None:
    """Draw them in the upper left corner of the slide's area."""
    px, theme, paint = gui.chrome.px, gui.theme, gui.ui.paint
    left, top = area[0] + px(margin), area[1] + px(margin)
    for number, legend in enumerate(legends(document)):
        rect = (left, top + number * px(HEIGHT + 8), px(WIDTH), px(HEIGHT))
        if rect[1] + rect[3] > area[1] + area[3] or rect[2] > area[2]:
            return
        with gui.chrome.window(f"legend {number}", rect, color=theme.card, rounding=6):
            bar = (rect[0] + px(10), rect[1] + px(24), rect[2] - px(20), px(10))
            line = (bar[0], rect[1] + px(3), bar[2], px(18))
            paint.text_in(line, legend.title, theme.text, font=gui.state.fonts.small)
            colours = colormap(legend.colormap)
            step = bar[2] / _STRIPES
            for stripe in range(_STRIPES):
                red, green, blue = (float(part) / 255 for part in colours[round(stripe * 255 / (_STRIPES - 1))])
                # A little overlap: no gap opens between stripes that end between two pixels.
                paint.fill((bar[0] + stripe * step, bar[1], step + 0.5, bar[3]), (red, green, blue, 1.0))
            ends = (bar[0], bar[1] + bar[3] + px(2), bar[2], px(16))
            paint.text_in(ends, legend.low, theme.dim, font=gui.state.fonts.small)
            paint.text_in(ends, legend.high, theme.dim, font=gui.state.fonts.small, align=1.0)
