"""Histograms and tables as they are drawn: what is in sight, what a press picks, what scrolling costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from studio.gui.control import TableColumn, TablePress
from studio.gui.gui import Gui
from tests.gui.pilot import Pilot

COLUMNS = (TableColumn("Cell", tooltip="Number."), TableColumn("Area", 2.0))


class Bench:
    """A window with a table and a histogram in it."""

    def __init__(self) -> None:
        self.rows = 1_000_000
        self.asked: list[int] = []
        self.presses: list[TablePress] = []
        self.selected: int | None = None
        self.counts = [0, 5, 10, 1]
        self.p = Pilot(self.draw)

    def cells(self, row: int) -> Sequence[str]:
        self.asked.append(row)
        return str(row), f"{row / 2:.1f}"

    def draw(self, gui: Gui) -> None:
        self.asked.clear()
        with gui.ui.panel("test"), gui.chrome.window("w", (0, 0, 400, 700)):
            press = gui.ui.table(
                "Cells", COLUMNS, self.rows, self.cells, sorted_by=1, descending=True, selected=self.selected,
                shown_rows=10,
            )  # fmt: skip
            if press != TablePress():
                self.presses.append(press)
            gui.ui.histogram("Areas", self.counts, 0.0, 40.0, marks=(10.0, 20.0, 30.0), unit="µm²")
            gui.ui.swatch((1, 0, 0, 1), "red")


@pytest.fixture
def bench(gl: Any) -> Iterator[Bench]:
    made = Bench()
    yield made
    made.p.gui.close()


def shown(bench: Bench) -> list[int]:
    return [int(c.label.removeprefix("Cell ")) for c in bench.p.gui.controls if c.kind == "row"]


def test_of_a_million_rows_those_in_sight_are_asked_for(bench: Bench) -> None:
    assert shown(bench) == list(range(10))
    assert bench.asked == list(range(10))
    assert bench.p.control("Cell 3").value == ["3", "1.5"]


@pytest.mark.parametrize("row", [57, 500_003, 999_999])
def test_any_row_can_be_scrolled_to_and_pressed(bench: Bench, row: int) -> None:
    bench.selected = row
    bench.p.settle()
    assert row in shown(bench)
    assert len(shown(bench)) == 10
    bench.p.click(f"Cell {row}")
    assert bench.presses == [TablePress(row=row)]


def test_a_row_in_sight_is_selected_without_scrolling_and_one_scrolled_away_stays_away(bench: Bench) -> None:
    bench.selected = 4
    bench.p.settle()
    assert shown(bench)[0] == 0
    x, y = bench.p.control("Cell 5").middle
    bench.p.wheel(x, y, -5)
    assert 4 not in shown(bench)


def test_the_wheel_goes_on_by_a_few_rows(bench: Bench) -> None:
    x, y = bench.p.control("Cell 5").middle
    bench.p.wheel(x, y, -1)
    assert 0 < shown(bench)[0] < 10
    for _ in range(3):
        bench.p.wheel(x, y, 5)
    assert shown(bench)[0] == 0


def test_headings_are_pressed_to_sort(bench: Bench) -> None:
    assert (bench.p.control("Sort by Cell").value, bench.p.control("Sort by Area").value) == (False, True)
    bench.p.click("Sort by Cell")
    assert bench.presses == [TablePress(column=0)]


def test_few_rows_take_little_room_and_none_is_no_error(bench: Bench) -> None:
    below = bench.p.control("Areas").rect[1]
    bench.rows = 2
    bench.p.settle()
    assert shown(bench) == [0, 1]
    assert bench.p.control("Areas").rect[1] < below
    bench.rows = 0
    bench.p.settle()
    assert shown(bench) == []


def test_a_histogram_reports_its_counts_and_draws_without_any(bench: Bench) -> None:
    assert bench.p.control("Areas").value == [0, 5, 10, 1]
    bench.p.hover("Areas")
    bench.counts = []
    bench.p.settle()
    assert bench.p.control("Areas").value == []
