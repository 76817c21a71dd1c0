"""Two segmentations compared: against a comparison of whole arrays, across resolutions, in bounded memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from studio.cellseg import Segmentation, compare
from studio.cellseg import agreement as agreement_module
from studio.cellseg.agreement import ALONE, CHANGED, EQUAL, NEITHER
from studio.cellseg.memory import ArraySource
from studio.cellseg.reference import best_overlaps
from studio.cellseg.source import MaskGeometry
from studio.cellseg.training.scores import compare as score
from studio.core.jobs import NullProgress
from studio.errors import JobCancelled, UsageError
from tests.render.pictures import cell_labels


def source(labels: np.ndarray, scale: float = 1.0, at: tuple[float, float] = (0.0, 0.0)) -> ArraySource:
    return ArraySource(labels.astype(np.uint32), MaskGeometry(labels.shape, scale, scale, *at))


def two_like(height: int = 700, width: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """Cells, and the same with some moved, some gone, some new, some grown, under other numbers."""
    a = cell_labels(height, width, seed=1)
    b = np.roll(a, (1, 2), axis=(0, 1))
    b[b % 5 == 0] = 0
    extra = cell_labels(height, width, seed=2)
    b = np.where((b == 0) & (extra % 3 == 0), np.where(extra > 0, extra + 5000, 0), b)
    return a, b.astype(np.uint32)


def squares(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (100, 100)) -> np.ndarray:
    labels = np.zeros(shape, np.uint32)
    for number, (top, left, rows, cols) in enumerate(boxes, 1):
        labels[top : top + rows, left : left + cols] = number
    return labels


@pytest.mark.parametrize("window", [64, 1024])
def test_as_whole_arrays_compared(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement_module, "WINDOW", window)
    monkeypatch.setattr(agreement_module, "_COMPACT", 500)
    a, b = two_like()
    found = compare(source(a), source(b))
    scores = score(a.astype(np.int32), b.astype(np.int32))
    assert (len(found.a.ids), len(found.b.ids)) == (scores.truth, scores.found)
    assert len(found.pairs) == scores.matched_50 > 100
    assert found.f1_50 == scores.summary()["f1_50"]
    ids, best = best_overlaps(a, b)
    assert found.a.ids.tolist() == ids.tolist()
    np.testing.assert_allclose(found.iou, best[found.pairs[:, 0]])
    assert (best[found.a.kinds == ALONE] <= 0.5).all()
    assert ((best < 0.9) & (best > 0.5)).sum() == found.changed == (found.a.kinds == CHANGED).sum()
    for labels, side in ((a, found.a), (b, found.b)):
        np.testing.assert_array_equal(side.area_slide, np.bincount(labels.ravel())[side.ids])
        row, col = np.argwhere(labels == side.ids[7]).mean(axis=0)
        assert side.places[7] == pytest.approx((col + 0.5, row + 0.5), abs=1e-3)


def test_what_became_of_each_cell() -> None:
    a = squares((10, 10, 10, 10), (10, 40, 10, 10), (40, 10, 10, 10))
    b = squares((10, 10, 10, 10), (10, 40, 10, 7), (70, 70, 20, 20))
    found = compare(source(a, 2.0), source(b, 2.0))
    assert found.summary() == {
        "cells_a": 3, "cells_b": 3, "matched": 2, "changed": 1, "only_a": 1, "only_b": 1,
        "f1_50": 0.6667, "median_iou": 0.85, "rect_slide": [0.0, 0.0, 200.0, 200.0],
    }  # fmt: skip
    assert found.a.lookup().tolist() == [NEITHER, EQUAL, CHANGED, ALONE]
    assert found.b.lookup().tolist() == [NEITHER, EQUAL, CHANGED, ALONE]
    # The one that concerns most pixels comes first.
    listed = [found.difference(n) for n in range(found.differences)]
    assert [(each.kind, each.cell_a, each.cell_b) for each in listed] == [
        ("only B", 0, 3), ("only A", 3, 0), ("changed", 2, 2),
    ]  # fmt: skip
    assert (listed[0].x, listed[0].y) == (160, 160)
    assert listed[0].diam_slide == pytest.approx(2 * (1600 / np.pi) ** 0.5)
    assert listed[2].iou == pytest.approx(0.7)


@pytest.mark.parametrize("swapped", [False, True])
def test_masks_of_other_resolution_and_place(swapped: bool) -> None:
    """A preview of part of the slide against a coarser run over all of it: cells cut by the border count in part."""
    fine = cell_labels(600, 800, seed=3, radius=24)
    coarse = fine[1::3, 1::3]
    part = fine[90:390, 120:600]
    whole, preview = source(coarse, 6.0, (30.0, 30.0)), source(part, 2.0, (30 + 240.0, 30 + 180.0))
    found = compare(preview, whole) if swapped else compare(whole, preview)
    assert found.rect_slide == (270.0, 210.0, 960.0, 600.0)
    assert found.f1_50 == pytest.approx(1.0, abs=0.05)
    assert found.median_iou is not None
    assert found.median_iou > 0.9
    theirs = found.b if swapped else found.a
    inside = coarse[30:130, 40:200]
    assert theirs.ids.tolist() == np.unique(inside)[1:].tolist()
    assert {e.kind for e in map(found.difference, range(found.differences))} <= {"only A", "only B", "changed"}


def test_nothing_on_either_side_agrees_perfectly() -> None:
    found = compare(source(np.zeros((50, 60))), source(np.zeros((50, 60))))
    assert (found.f1_50, found.median_iou, found.differences) == (1.0, None, 0)
    assert found.a.lookup().tolist() == [NEITHER]


def test_one_side_empty() -> None:
    found = compare(source(squares((1, 1, 5, 5))), source(np.zeros((100, 100))))
    assert (found.f1_50, found.only_a, found.only_b) == (0.0, 1, 0)


def test_no_common_area_is_refused() -> None:
    with pytest.raises(UsageError, match="different parts"):
        compare(source(squares()), source(squares(), at=(500.0, 0.0)))


def test_files_and_their_gaps(tmp_path: Path) -> None:
    a, b = two_like(300, 400)
    for name, labels in (("a.zip", a), ("b.zip", b)):
        with Segmentation(labels) as made:
            made.save(tmp_path / name)
    assert compare(tmp_path / "a.zip", str(tmp_path / "b.zip")).summary() == compare(source(a), source(b)).summary()


def test_can_be_cancelled() -> None:
    class Stop(NullProgress):
        def advance(self, steps: int = 1, message: str | None = None) -> None:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        compare(source(squares()), source(squares()), Stop())


def test_memory_is_that_of_windows_and_cells_not_of_the_masks() -> None:
    class Drawn:
        """A mask that is nowhere: a cell every 400 pixels."""

        cells, level_count, has_flows = 0, 1, False

        def __init__(self, width: int) -> None:
            self.geometry = MaskGeometry((2_000, width), 1.0, 1.0)

        def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> np.ndarray:
            y, x = np.ogrid[row : row + rows, col : col + cols]
            number = (y // 400 * 500 + x // 400 + 1).astype(np.uint32)
            return np.where((y % 400 < 20) & (x % 400 < 20), number, np.uint32(0))

    peaks = []
    for width in (2_000, 30_000):
        tracemalloc.start()
        try:
            found = compare(Drawn(width), Drawn(width))  # type: ignore[arg-type]
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert len(found.pairs) == 5 * width // 400
    assert peaks[1] < 1.2 * peaks[0] < 200 << 20
