"""The cell under the pointer, the one that was clicked, and cells by the values of a column."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from studio.cellseg.columns import column_title, column_unit
from studio.cellseg.livesource import LiveSource
from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry
from studio.document import FILL_BY_CELL, PLAIN_FILL, Overlay
from studio.errors import ResultFileError
from studio.session import Session
from studio.session import colours as colours_module
from studio.session import selection as selection_module
from studio.session.cellfacts import value_text
from tests.session.conftest import Bench, labels_with

GEOMETRY = MaskGeometry((64, 64), 2.0, 2.0, 10.0, 20.0, 0.5)
FIRST, GAP = (20.0, 30.0), (12.0, 22.0)
"""Slide points in cell 1 (mask pixels 2 to 6) and beside all cells."""


@pytest.fixture
def session(bench: Bench, sample_slide: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(selection_module, "DWELL_S", 0.0)
    bench.open(sample_slide)
    show(bench.session, labels_with(12))
    return bench.session


def show(session: Session, labels: np.ndarray) -> ArraySource:
    source = ArraySource(labels, GEOMETRY)
    session.document.set_overlay(Overlay(source, "preview"))
    session.update()
    return source


def test_the_resting_pointer_tells_which_cell_is_under_it(session: Session, bench: Bench) -> None:
    selection = session.selection
    selection.point_at(FIRST)
    bench.wait(lambda: selection.hovered is not None)
    hovered = selection.hovered
    assert hovered is not None
    assert (hovered.label, hovered.title) == (1, "Cell 1")
    # 4 × 4 pixels of half a micrometre.
    assert dict(hovered.measures)["Area"] == "4 µm²"
    selection.point_at(GAP)
    assert selection.hovered is None
    bench.wait(lambda: math.isinf(selection.due_s))
    bench.wait()
    assert selection.hovered is None
    selection.point_at(None)
    assert math.isinf(selection.due_s)


def test_a_pointer_that_moves_on_shows_nothing_late(session: Session, bench: Bench) -> None:
    selection = session.selection
    selection.point_at(FIRST)
    selection.follow()
    selection.point_at(GAP)
    known = lambda: math.isinf(selection.due_s) and session.idle  # noqa: E731
    bench.wait(lambda: selection.hovered is not None or known())
    assert selection.hovered is None


def test_a_click_selects_and_esc_lets_go(session: Session, bench: Bench) -> None:
    selection, document = session.selection, session.document
    selection.click((20.0 + 16, 30.0))
    bench.wait(lambda: selection.selected is not None)
    assert document.selected_cell == 2
    assert selection.selected is not None
    assert selection.selected.text.startswith("Cell 2, area 4 µm²")
    assert selection.clear()
    assert (document.selected_cell, selection.selected) == (0, None)
    assert not selection.clear()
    document.selected_cell = 5
    bench.wait(lambda: selection.selected is not None and selection.selected.label == 5)
    selection.click(GAP)
    bench.wait(lambda: document.selected_cell == 0)
    document.selected_cell = 400
    bench.wait(lambda: document.selected_cell == 0)


def test_other_cells_have_nothing_selected(session: Session, bench: Bench) -> None:
    selection, document = session.selection, session.document
    document.selected_cell = 3
    bench.wait(lambda: selection.selected is not None)
    document.grow_overlay((0.0, 0.0, 10.0, 10.0))
    session.update()
    assert (document.selected_cell, selection.selected) == (0, None)
    document.selected_cell = 3
    bench.wait(lambda: selection.selected is not None)
    show(session, labels_with(3))
    assert (document.selected_cell, selection.selected) == (0, None)
    # Neither a click that waits for its turn nor one that is being looked up is one on the cells that come.
    for begun in (False, True):
        selection.click(FIRST)
        if begun:
            selection.follow()
        show(session, labels_with(3))
        bench.wait(lambda: not selection._busy)
        assert (document.selected_cell, selection.selected) == (0, None)


def test_measures_are_those_of_the_cells_as_they_are_now(session: Session, bench: Bench) -> None:
    selection, document = session.selection, session.document
    selection.point_at((20.0, 26.0))
    bench.wait(lambda: selection.hovered is not None)
    assert document.overlay is not None
    source = document.overlay.source
    assert isinstance(source, ArraySource)
    source.labels = np.where(np.arange(64)[:, None] < 4, labels_with(12), 0).astype(np.uint32)
    document.grow_overlay((0.0, 0.0, 10.0, 10.0))
    bench.wait(lambda: selection.hovered is not None and dict(selection.hovered.measures)["Area"] == "2 µm²")


def test_a_label_of_a_run_under_way_that_no_block_knows_shows_nothing(session: Session, bench: Bench) -> None:
    class Live(LiveSource):
        def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> np.ndarray:
            return np.full((rows, cols), 77, np.uint32)

    from studio.cellseg.lattice import Rect

    session.document.set_overlay(Overlay(Live(GEOMETRY, Rect(0, 0, 64, 64)), "live"))
    session.selection.point_at(FIRST)
    bench.wait(lambda: math.isinf(session.selection.due_s) and session.idle)
    assert session.selection.hovered is None, "a label that no block knows"
    assert session.colours.columns == []


def test_masks_that_cannot_be_read_say_nothing_at_every_move(session: Session, bench: Bench) -> None:
    class Broken(ArraySource):
        def read_labels(self, *_args: int) -> np.ndarray:
            raise ResultFileError("gone")

    session.document.set_overlay(Overlay(Broken(labels_with(3), GEOMETRY), "preview"))
    session.selection.point_at(FIRST)
    bench.wait(lambda: math.isinf(session.selection.due_s) and session.idle)
    assert session.selection.hovered is None
    assert not bench.said("error", "gone")


def test_a_column_is_read_in_the_background_once(session: Session, bench: Bench) -> None:
    labels = np.zeros((64, 64), np.uint32)
    for n in range(1, 6):
        labels[10 * n : 11 * n, 2 : 2 + n] = n
    source = show(session, labels)
    document = session.document
    assert "area_um2" in session.colours.columns
    assert "x" not in session.colours.columns
    document.style.fill = "area_um2"
    session.update()
    assert document.values is None
    bench.wait(lambda: document.values is not None)
    values = document.values
    assert values is not None
    assert values.source is source
    assert [values.of(n) for n in range(7)] == [None, *(n * n * 0.25 for n in range(1, 6)), None]
    bench.wait()
    session.update()
    assert document.values is values
    document.style.fill = FILL_BY_CELL
    session.update()
    document.style.fill = "no such column"
    session.update()
    bench.wait()
    assert not bench.said("error")
    document.style.fill = "area_um2"
    document.grow_overlay((0.0, 0.0, 10.0, 10.0))
    bench.wait(lambda: document.values is not values)
    session.document.style.fill = "perimeter_um"
    session.update()
    # What was asked for of cells that are gone comes too late.
    others = show(session, labels_with(4))
    bench.wait(lambda: document.values is not None)
    assert document.values is not None
    assert (document.values.source, document.values.column) == (others, "perimeter_um")


def test_a_column_that_could_not_be_read_can_be_asked_for_again(
    session: Session, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise ResultFileError("The table of cells is damaged.")

    document = session.document
    with monkeypatch.context() as patched:
        patched.setattr(colours_module, "cell_values", broken)
        document.style.fill = "area_um2"
        bench.wait(lambda: document.style.fill == PLAIN_FILL)
    assert bench.said("error", "damaged")
    document.style.fill = "area_um2"
    bench.wait(lambda: document.values is not None)


def test_columns_in_words() -> None:
    assert (column_title("area_um2"), column_unit("area_um2")) == ("Area", "µm²")
    assert (column_title("cell_probability"), column_unit("cell_probability")) == ("Cell probability", "")
    assert (column_title("eccentricity"), column_unit("eccentricity")) == ("Eccentricity", "")
    assert [value_text(v, u) for v, u in ((1234.6, "µm²"), (0.12345, ""), (56.78, "µm"))] == [
        "1,235 µm²",
        "0.123",
        "56.8 µm",
    ]
