"""Contours: exact, closed, valid, whole over block borders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from studio.cellseg import outlines as module
from studio.cellseg.outlines import Rings, traced
from studio.cellseg.result import Segmentation
from studio.cellseg.trace import UNIT
from studio.core.jobs import NullProgress
from tests.cellseg.make_cells import voronoi_cells


def all_rings(labels: np.ndarray) -> list[Rings]:
    return list(traced(Segmentation(labels), NullProgress()))


def rings_of(labels: np.ndarray) -> dict[int, list[np.ndarray]]:
    """Rings of each cell in mask pixels."""
    ids = Segmentation(labels).ids
    found: dict[int, list[np.ndarray]] = {int(n): [] for n in ids}
    for block in all_rings(labels):
        for n, row in enumerate(block.rows):
            for k in range(block.cell_starts[n], block.cell_starts[n + 1]):
                found[int(ids[row])].append(block.points[block.starts[k] : block.stops[k]] / UNIT)
    return found


def signed_area(ring: np.ndarray) -> float:
    x, y = ring.T
    return float(x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2


def winding(rings: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """How often the rings go round the middle of each pixel."""
    total = np.zeros(shape, int)
    rows, cols = np.mgrid[: shape[0], : shape[1]] + 0.5
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if y0 == y1:
                continue
            at = x0 + (rows - y0) / (y1 - y0) * (x1 - x0)
            crosses = (np.minimum(y0, y1) <= rows) & (rows < np.maximum(y0, y1)) & (at > cols)
            total += np.where(crosses, 1 if y1 > y0 else -1, 0)
    return total


def segments_touch(ring: np.ndarray) -> bool:
    """Whether a closed ring meets itself anywhere but at the joints of neighbouring sides."""
    if len(np.unique(ring, axis=0)) != len(ring):
        return True
    count = len(ring)
    ends = np.roll(ring, -1, axis=0)

    def side(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
        return float(np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])))

    def within(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> bool:
        return bool((np.minimum(a, b) <= c).all() and (c <= np.maximum(a, b)).all())

    for i in range(count):
        for j in range(i + 2, count - (i == 0)):
            a, b, c, d = ring[i], ends[i], ring[j], ends[j]
            one, two, three, four = side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)
            if one != two and three != four:
                return True
            if any(s == 0 and within(*w) for s, w in ((one, (a, b, c)), (two, (a, b, d)), (three, (c, d, a)))):
                return True
    return False


def test_a_square_and_a_ring_with_a_hole() -> None:
    labels = np.zeros((20, 20), np.uint32)
    labels[2:5, 3:7] = 1
    labels[10:16, 10:16] = 2
    labels[12:14, 12:14] = 0
    found = rings_of(labels)
    [square] = found[1]
    assert square.tolist() == [[3, 2], [7, 2], [7, 5], [3, 5]]
    assert sorted(signed_area(ring) for ring in found[2]) == [-4, 36]


def test_pixels_that_meet_at_a_corner_dont_make_a_ring_touch_itself() -> None:
    """A loop that closes over a corner, whose outline would run through that corner twice."""
    labels = np.array([[0, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]], np.uint32)
    rings = rings_of(labels)[1]
    assert len(rings) == 1
    assert not segments_touch(rings[0])
    assert signed_area(rings[0]) == pytest.approx(labels.sum(), abs=0.2)


def test_holes_come_behind_the_part_they_are_in() -> None:
    """A frame with an island in its hole, which has a hole itself, and another frame beside them."""
    labels = np.zeros((40, 60), np.uint32)
    labels[2:32, 2:32] = 1
    labels[5:29, 5:29] = 0
    labels[10:22, 10:22] = 1
    labels[13:16, 13:16] = labels[18:20, 13:16] = 0
    labels[1:12, 40:50] = 1
    labels[4:6, 42:44] = labels[4:6, 46:48] = 0
    [block] = all_rings(labels)
    assert block.areas.tolist() == [110, -4, -4, 900, -576, 144, -9, -6]


@settings(max_examples=100, deadline=None)
@given(arrays(np.uint32, (9, 9), elements=st.integers(0, 1)))
def test_polygons_of_any_labels_are_valid(labels: np.ndarray) -> None:
    shapely = pytest.importorskip("shapely")
    area = 0.0
    for block in all_rings(labels):
        shells: list[tuple[np.ndarray, list[np.ndarray]]] = []
        for start, stop, signed in zip(block.starts, block.stops, block.areas, strict=True):
            ring = block.points[start:stop] / UNIT
            if signed > 0:
                shells.append((ring, []))
            else:
                shells[-1][1].append(ring)
        whole = shapely.MultiPolygon(shells)
        assert shapely.is_valid_reason(whole) == "Valid Geometry"
        area += whole.area
    assert area == pytest.approx(labels.sum(), abs=0.2 * labels.sum())


@settings(max_examples=150, deadline=None)
@given(arrays(np.uint32, (7, 8), elements=st.integers(0, 2)))
def test_rings_of_any_labels_are_simple_and_exact(labels: np.ndarray) -> None:
    for number, rings in rings_of(labels).items():
        mask = labels == number
        np.testing.assert_array_equal(winding(rings, labels.shape), mask.astype(int))
        assert not any(segments_touch(ring) for ring in rings)
        assert sum(signed_area(ring) for ring in rings) == pytest.approx(mask.sum(), abs=mask.sum() * 0.2)


def test_cells_are_whole_over_the_borders_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = voronoi_cells(300, 400, 80)
    whole = rings_of(labels)
    monkeypatch.setattr(module, "BLOCK", 64)
    pieces = rings_of(labels)
    assert whole.keys() == pieces.keys()
    for number, rings in whole.items():
        for one, other in zip(rings, pieces[number], strict=True):
            np.testing.assert_array_equal(one, other)


def test_outlines_are_the_largest_part_in_order() -> None:
    labels = np.zeros((30, 30), np.uint32)
    labels[20:25, 20:25], labels[1, 1], labels[3:5, 3:9] = 1, 1, 2
    outlines = Segmentation(labels).outlines
    assert len(outlines) == 2
    assert outlines[0].tolist() == [[20, 20], [25, 20], [25, 25], [20, 25]]
    assert outlines[-1].dtype == np.float32
    assert [len(ring) for ring in outlines[:]] == [4, 4]
    with pytest.raises(IndexError):
        outlines[2]


def test_giants_are_traced_from_a_coarser_level(monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[:1500, :1500]
    labels = ((y - 750) ** 2 + (x - 750) ** 2 < 700**2).astype(np.uint32)
    labels[5:10, 5:10] = 7
    monkeypatch.setattr(module, "_GIANT", 1000)
    giant, small = Segmentation(labels).outlines
    assert small.tolist() == [[5, 5], [10, 5], [10, 10], [5, 10]]
    assert signed_area(giant.astype(float)) == pytest.approx(np.pi * 700**2, rel=0.01)
    monkeypatch.setattr(module, "_GIANTS_ALONE", 0)
    together = Segmentation(labels).outlines[0]
    assert signed_area(together.astype(float)) == pytest.approx(np.pi * 700**2, rel=0.01)


def test_only_the_cells_of_a_window() -> None:
    labels = voronoi_cells(300, 400, 80)
    segmentation = Segmentation(labels)
    points = segmentation.centroids()
    rows = np.concatenate([r.rows for r in traced(segmentation, NullProgress(), (50, 60, 100, 200))])
    inside = ((points >= (49.5, 59.5)) & (points < (149.5, 259.5))).all(axis=1)
    assert sorted(rows) == np.flatnonzero(inside).tolist()
