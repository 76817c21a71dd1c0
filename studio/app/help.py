"""The page of shortcuts, made from the table of commands, so that it is never out of date."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studio.app.shortcuts import Command
from studio.gui.gui import Gui
from studio.gui.keys import key_text

LINE = 23
"""Height of a line."""
GAP = 10
"""Between two sections."""
COLUMN_MIN = 300
"""Width below which there is one column less."""
WIDTH = 1120
MARGIN = 178
"""Height of the window that title, button and air take."""

MOUSE = (
    ("Move the slide", "Drag"),
    ("Move it with any tool", "Middle or Space drag"),
    ("Zoom at the pointer", "Wheel"),
    ("Zoom in", "Double click"),
    ("Go somewhere", "Click the minimap"),
    ("Select a cell", "Click it"),
    ("Select or move a region", "Drag its outline"),
    ("Add or move a corner", "Drag it"),
    ("Remove a corner", "Right click"),
    ("Open slides and cells", "Drop files"),
)

KEYBOARD = (
    ("Open the menu", "F10 or Alt"),
    ("Through a menu or a list", "Up Down"),
    ("Next control, the one before", "Tab or Shift+Tab"),
    ("Press it, drop down its list", "Space or Enter"),
    ("Change it", "Left Right"),
    ("Close it, let go", "Esc"),
)
"""What is no command: the keys of menus, lists and panels."""

Row = tuple[str, str]
Section = tuple[str, list[Row]]


def sections_of(commands: Sequence[Command]) -> list[Section]:
    """(title, [(what, keys)]): everything that has a key, by the menu it stands in."""
    sections: dict[str, list[tuple[str, str]]] = {
        "Mouse": list(MOUSE),
        "Menus and panels": [(what, key_text(keys)) for what, keys in KEYBOARD],
    }
    for command in commands:
        keys = command.listed
        if keys is None:
            keys = " or ".join((command.shortcut, *command.also[:1])) if command.shortcut else ""
        if keys:
            sections.setdefault(command.section, []).append((command.title, key_text(keys)))
    return list(sections.items())


def draw_help(gui: Gui, commands: Sequence[Command]) -> bool:
    """Draw the page as a dialog. Whether its button was pressed."""
    px = gui.chrome.px
    room = min(px(WIDTH), gui.chrome.size[0] - px(90))
    count = max(1, min(3, int(room // px(COLUMN_MIN))))
    with gui.chrome.modal("help", "Keyboard and mouse", width=room / gui.state.scale):
        gap = px(32)
        width = (gui.ui.room - gap * (count - 1) - px(12)) / count

        def lines(row: Row) -> int:
            # What is too long for one line has its keys in the next.
            return 1 if gui.ui.paint.text_width(row[0]) + gui.ui.paint.keys_width(row[1]) + px(8) <= width else 2

        columns = _in_columns(sections_of(commands), count, lines)
        high = max(sum(_lines(section, lines) * px(LINE) + px(GAP) for section in column) for column in columns)
        with gui.chrome.scrolled("shortcuts", min(high, gui.chrome.size[1] - px(MARGIN))):
            gui.chrome.scroll_by_keys(LINE)
            x, y = gui.chrome.cursor
            for number, column in enumerate(columns):
                _draw_column(gui, (x + number * (width + gap), y), width, column, lines)
            gui.chrome.move_to(x, y + high)
        return gui.ui.closing("Close")


def _lines(section: Section, lines: Callable[[Row], int]) -> int:
    return 1 + sum(lines(row) for row in section[1])


def _in_columns(sections: Sequence[Section], count: int, lines: Callable[[Row], int]) -> list[list[Section]]:
    """Sections in columns of about equal length: the longest first, each where there is most room."""
    columns: list[list[Section]] = [[] for _ in range(count)]
    order = {title: number for number, (title, _) in enumerate(sections)}
    for section in sorted(sections, key=lambda item: -_lines(item, lines)):
        shortest = min(columns, key=lambda column: sum(_lines(each, lines) + 1 for each in column))
        shortest.append(section)
    for column in columns:
        column.sort(key=lambda item: order[item[0]])
    return sorted(columns, key=lambda column: order[column[0][0]] if column else len(order))


def _draw_column(
    gui: Gui, at: tuple[float, float], width: float, sections: Sequence[Section], lines: Callable[[Row], int]
) -> None:
    ui, px, theme = gui.ui, gui.chrome.px, gui.theme
    x, y = at
    line = px(LINE)
    for title, rows in sections:
        ui.paint.text_in((x, y, width, line), title, theme.text, font=gui.state.fonts.bold)
        y += line
        for text, keys in rows:
            ui.paint.text_in((x, y, width, line), text, theme.text)
            y += (lines((text, keys)) - 1) * line
            ui.paint.keys((x, y, width, line), keys)
            y += line
        y += px(GAP)
