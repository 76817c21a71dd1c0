"""Tables whose rows are drawn only where they can be seen: a million of them cost as much as ten."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import imgui

from studio.gui import scopes
from studio.gui.base import ROUNDING, Base
from studio.gui.control import Rect, TableColumn, TablePress

TABLE_ROW_HEIGHT = 22
TABLE_HEAD_HEIGHT = 26
_PADDING = 6


class Tables(Base):
    """Mixin of `Ui`."""

    def table(
        self,
        label: str,
        columns: Sequence[TableColumn],
        rows: int,
        cells: Callable[[int], Sequence[str]],
        *,
        sorted_by: int | None = None,
        descending: bool = False,
        selected: int | None = None,
        sortable: bool = True,
        shown_rows: int = 12,
        tooltip: str = "",
    ) -> TablePress:
        """Rows of text under headings that can be pressed; what was pressed.

        `cells` gives the texts of a row and is asked only for rows in sight. When another row is selected, it is
        brought into sight. Rows are reported by the title of the first column and their first text,
        headings, unless the order is fixed (not `sortable`), as `Sort by …`.
        """
        state = self._state
        with scopes.identified(label):
            head = self._heads(columns, sorted_by, descending, sortable=sortable)
            room, row_height = self._room(), state.px(TABLE_ROW_HEIGHT)
            height = row_height * max(1, min(rows, shown_rows))
            pressed: int | None = None
            with imgui.begin_child(label, room, height, False):
                self._reveal(label, selected, row_height, height)
                pressed = self._rows(columns, rows, cells, selected, tooltip)
        return TablePress(head, pressed)

    def _reveal(self, label: str, selected: int | None, row_height: float, height: float) -> None:
        """Scroll to the selected row where it is another than before and out of sight."""
        state = self._state
        key = (state.panel, label)
        before = state.selected_rows.get(key)
        state.selected_rows[key] = selected
        if selected is None or selected == before:
            return
        above = selected * row_height - imgui.get_scroll_y()
        if not 0 <= above <= height - row_height:
            imgui.set_scroll_y(max(0.0, selected * row_height - (height - row_height) / 2))
            # The part follows in the next frame.
            state.settle = max(state.settle, 1)

    def _heads(
        self, columns: Sequence[TableColumn], sorted_by: int | None, descending: bool, *, sortable: bool
    ) -> int | None:
        state, theme = self._state, self._state.theme
        pressed = None
        left, top = imgui.get_cursor_screen_pos()
        height = state.px(TABLE_HEAD_HEIGHT)
        for number, (x, width) in enumerate(self._places(columns, self._room())):
            column = columns[number]
            imgui.set_cursor_screen_pos((left + x, top))
            hit = self._hit(f"head {number}", width, height, enabled=sortable)
            if hit.hovered:
                self._paint.fill(hit.rect, theme.hover, state.px(ROUNDING))
            arrow = "" if number != sorted_by else " ↓" if descending else " ↑"
            color = theme.text if number == sorted_by else theme.dim
            place = self._padded(hit.rect)
            self._paint.text_in(place, column.title + arrow, color, font=state.fonts.small, align=column.align)
            if sortable:
                self._done(f"Sort by {column.title}", "header", True, number == sorted_by, column.tooltip)
            if hit.pressed:
                pressed = number
        self._paint.line((left, top + height), (left + self._room(), top + height), theme.border)
        imgui.set_cursor_screen_pos((left, top + height + 1))
        return pressed

    def _rows(
        self,
        columns: Sequence[TableColumn],
        rows: int,
        cells: Callable[[int], Sequence[str]],
        selected: int | None,
        tooltip: str,
    ) -> int | None:
        state, theme = self._state, self._state.theme
        pressed = None
        row_height = state.px(TABLE_ROW_HEIGHT)
        left, top = imgui.get_window_position()
        room, height = imgui.get_content_region_available_width(), imgui.get_window_height()
        # Whole rows, placed from the part's own corner: single precision tells no rows apart a million further down.
        first = min(int(imgui.get_scroll_y() / row_height + 0.5), max(0, rows - int(height / row_height)))
        places = self._places(columns, room)
        for number in range(first, min(rows, first + int(height / row_height))):
            imgui.set_cursor_screen_pos((left, top + (number - first) * row_height))
            hit = self._hit(f"row {number - first}", room, row_height)
            if number == selected:
                self._paint.fill(hit.rect, theme.selection, state.px(ROUNDING))
            elif hit.hovered:
                self._paint.fill(hit.rect, theme.hover, state.px(ROUNDING))
            texts = cells(number)
            for column, text, (x, width) in zip(columns, texts, places, strict=True):
                place = self._padded((left + x, hit.rect[1], width, row_height))
                self._paint.text_in(place, text, theme.text, font=state.fonts.small, align=column.align)
            self._done(f"{columns[0].title} {texts[0]}", "row", True, list(texts), tooltip)
            if hit.pressed:
                pressed = number
        imgui.set_cursor_pos((0, rows * row_height - 1))
        imgui.dummy(1, 1)
        return pressed

    def _places(self, columns: Sequence[TableColumn], room: float) -> list[tuple[float, float]]:
        """Left edge and width of each column."""
        whole = sum(column.width for column in columns)
        places, x = [], 0.0
        for column in columns:
            width = room * column.width / whole
            places.append((x, width))
            x += width
        return places

    def _padded(self, rect: Rect) -> Rect:
        inset = self._state.px(_PADDING)
        return rect[0] + inset, rect[1], max(1.0, rect[2] - 2 * inset), rect[3]
