"""Keeping a segmentation as A, comparing what comes after it, stepping through what differs."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest

from studio.cellseg import agreement as agreement_module
from studio.cellseg.agreement import Agreement
from studio.cellseg.lattice import Rect
from studio.cellseg.livesource import LiveSource
from studio.cellseg.memory import ArraySource
from studio.cellseg.result import Segmentation
from studio.cellseg.source import MaskGeometry
from studio.core.jobs import Progress
from studio.document import CompareView, Overlay
from studio.errors import ResultFileError
from studio.session import selection as selection_module
from studio.session.compare import Compare
from tests.session.conftest import Bench, labels_with


def source(labels: np.ndarray) -> ArraySource:
    return ArraySource(labels.astype(np.uint32), MaskGeometry(labels.shape, 2.0, 2.0, 10.0, 20.0, mpp=1.0))


def show(bench: Bench, labels: np.ndarray, **params: float) -> ArraySource:
    made = source(labels)
    used = bench.session.document.params.changed(**params)
    bench.session.document.set_overlay(Overlay(made, "preview", used))
    return made


@pytest.fixture
def two(bench: Bench, sample_slide: Path) -> Bench:
    """Eight cells kept as A; of those B lacks two, has one with a row less and one more."""
    bench.open(sample_slide)
    labels = labels_with(8)
    show(bench, labels, flow_threshold=0.3)
    bench.session.compare.keep()
    other = np.where(np.isin(labels, (3, 4)), 0, labels)
    other[5, 34:38] = 0
    other[40:50, 40:50] = 99
    show(bench, other, flow_threshold=0.6)
    bench.wait(lambda: bench.session.compare.agreement is not None)
    return bench


def test_what_is_compared_and_with_what_it_was_made(two: Bench) -> None:
    found, document = two.session.compare.agreement, two.session.document
    assert found is not None
    assert (found.only_a, found.only_b, found.changed, len(found.pairs)) == (2, 1, 1, 6)
    assert two.session.compare.changes == [("flow_threshold", 0.3, 0.6)]
    lookups = document.comparison.lookups
    assert lookups is not None
    assert [len(table) for table in lookups] == [9, 100]


def test_stepping_goes_to_the_largest_difference_first_and_round(two: Bench) -> None:
    compare, document = two.session.compare, two.session.document
    document.view.scale = 30.0
    compare.step(1)
    assert document.comparison.view == "differences"
    assert (document.view.center_x, document.view.center_y) == (10 + 2 * 45, 20 + 2 * 45)
    assert document.view.scale < 1
    assert (document.comparison.selected_a, document.selected_cell) == (0, 99)
    kinds = []
    for _ in range(4):
        assert compare.difference is not None
        kinds.append(compare.difference.kind)
        compare.step(1)
    assert kinds == ["only B", "only A", "only A", "changed"]
    assert compare.index == 0
    compare.step(-1)
    assert compare.index == 3
    assert (document.comparison.selected_a, document.selected_cell) == (5, 5)
    document.selected_cell = 1
    assert compare.follow()
    assert document.comparison.selected_a == 0


@pytest.mark.parametrize(
    ("view", "third", "fourth"), [("swipe", "a", ""), ("a", "a", "a"), ("bare", "", ""), ("b", "", "")]
)
def test_what_is_pointed_at_and_clicked_is_what_is_seen_there(
    two: Bench, monkeypatch: pytest.MonkeyPatch, view: CompareView, third: str, fourth: str
) -> None:
    """Cells 3 and 4, which B lacks, lie left and right of the divider, as do cells 1 and 6, which both have."""
    monkeypatch.setattr(selection_module, "DWELL_S", 0.0)
    selection, document = two.session.selection, two.session.document
    comparison = document.comparison
    document.view.viewport, document.view.center_x, document.view.scale = (200, 100), 60.0, 1.0
    two.session.compare.look(view)

    def all_known() -> bool:
        return selection._click is None and math.isinf(selection.due_s) and two.session.idle

    for cell, side in ((3, third), (4, fourth)):
        at = (10.0 + 2 * (8 * cell - 4), 28.0)
        selection.point_at(at)
        selection.click(at)
        two.wait(all_known)
        assert (selection.hovered is not None) == bool(side)
        assert (comparison.selected_a, document.selected_cell) == (cell if side else 0, 0)
    for cell, side in ((1, comparison.sides[0]), (6, comparison.sides[1])):
        selection.click((10.0 + 2 * (8 * cell - 4), 28.0))
        two.wait(all_known)
        marked = (cell if side == "a" else 0, cell if side == "b" else 0)
        assert (comparison.selected_a, document.selected_cell) == marked


def test_the_card_of_a_pointer_at_rest_changes_as_both_blink(two: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection_module, "DWELL_S", 0.0)
    selection, comparison = two.session.selection, two.session.document.comparison
    comparison.view, comparison.blink_a = "blink", True
    monkeypatch.setattr(two.session.compare, "_clock", lambda: 0.0)
    selection.point_at((50.0, 28.0))
    two.wait(lambda: selection.hovered is not None)
    comparison.blink_a = False
    two.wait(lambda: selection.hovered is None)


def test_other_cells_are_compared_anew_and_the_same_are_not(two: Bench) -> None:
    compare = two.session.compare
    compare.step(1)
    show(two, labels_with(8))
    two.session.update()
    assert compare.agreement is None
    assert compare.index is None
    assert two.session.document.comparison.lookups is None
    two.wait(lambda: compare.agreement is not None)
    assert compare.agreement is not None
    assert compare.agreement.differences == 0
    compare.keep()
    assert compare.same
    two.session.update()
    assert not compare.busy


def test_a_comparison_that_is_out_of_date_gives_way(two: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real, begun = agreement_module.compare, []

    def never_ends(_a: object, _b: object, progress: Progress) -> Agreement:
        begun.append(1)
        while True:
            progress.advance()
            time.sleep(0.001)

    monkeypatch.setattr(agreement_module, "compare", never_ends)
    compare = two.session.compare
    show(two, labels_with(7))
    two.wait(lambda: bool(begun))
    assert compare.busy
    monkeypatch.setattr(agreement_module, "compare", real)
    show(two, labels_with(6))
    two.wait(lambda: compare.agreement is not None)
    assert compare.agreement is not None
    assert compare.agreement.only_a == 2
    assert not any("error" in text for text in two.texts)


def test_a_is_a_copy_that_tuning_does_not_change(bench: Bench, sample_slide: Path) -> None:
    bench.open(sample_slide)
    shown = show(bench, labels_with(3))
    bench.session.compare.keep()
    shown.labels[:] = 0
    kept = bench.session.document.comparison.kept
    assert kept is not None
    assert kept.source.cells == 3
    assert kept.source.read_labels(0, 0, 0, 64, 64).any()


def test_a_file_stays_open_while_it_is_a_whatever_is_shown(bench: Bench, sample_slide: Path, tmp_path: Path) -> None:
    bench.open(sample_slide)
    with Segmentation(labels_with(4), wsi_dim=(128, 128)) as made:
        made.save(tmp_path / "a.zip")
    loaded = Segmentation.load(tmp_path / "a.zip")
    bench.session.document.set_overlay(Overlay(loaded, "a.zip", path=tmp_path / "a.zip"))
    bench.session.compare.keep()
    show(bench, labels_with(2))
    loaded.read_labels(0, 0, 0, 8, 8)
    bench.session.compare.swap()
    assert bench.session.document.overlay is not None
    assert bench.session.document.overlay.source is loaded
    kept = bench.session.document.comparison.kept
    assert kept is not None
    assert kept.source.cells == 2
    loaded.read_labels(0, 0, 0, 8, 8)
    bench.session.compare.let_go()
    with pytest.raises(ResultFileError):
        kept.source.read_labels(0, 0, 0, 8, 8)
    loaded.read_labels(0, 0, 0, 8, 8)


def test_what_cannot_be_kept_says_why(bench: Bench, sample_slide: Path) -> None:
    compare = bench.session.compare
    assert "make a preview" in (compare.why_not_keep() or "")
    compare.keep()
    assert bench.said("warning", "make a preview")
    bench.open(sample_slide)
    live = LiveSource(MaskGeometry((10, 10), 1.0, 1.0), Rect(0, 0, 10, 10))
    bench.session.document.set_overlay(Overlay(live, "live"))
    assert "still being found" in (compare.why_not_keep() or "")


def test_cells_elsewhere_on_the_slide_are_said(bench: Bench, sample_slide: Path) -> None:
    bench.open(sample_slide)
    show(bench, labels_with(3))
    bench.session.compare.keep()
    labels = labels_with(2)
    far = ArraySource(labels, MaskGeometry(labels.shape, 2.0, 2.0, 1000.0, 20.0))
    bench.session.document.set_overlay(Overlay(far, "preview"))
    bench.wait(lambda: bench.said("warning", "different parts"))
    assert bench.session.compare.agreement is None


def test_blinking_takes_turns_by_the_clock(two: Bench) -> None:
    now = [100.0]
    compare = Compare(two.session, two.session._run_on_thread, clock=lambda: now[0])
    comparison = two.session.document.comparison
    assert compare.due_s == math.inf
    compare.look("blink")
    assert (comparison.blink_a, comparison.sides) == (False, ("b", "b"))
    assert compare.due_s == pytest.approx(compare.blink_s)
    now[0] += compare.blink_s
    assert compare.due_s == 0
    assert compare.follow()
    assert (comparison.blink_a, comparison.sides) == (True, ("a", "a"))
    now[0] += compare.blink_s / 2
    assert compare.due_s == pytest.approx(compare.blink_s / 2)
    compare.toggle("blink")
    assert comparison.view == "b"


def test_closing_the_slide_forgets_a(two: Bench) -> None:
    two.session.close_slide()
    two.session.update()
    assert two.session.document.comparison.kept is None
    assert two.session.compare.agreement is None
    assert two.session.compare.why_not_look("swipe") is not None
