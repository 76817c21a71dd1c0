"""Compiled dynamics and measures against plain NumPy and Cellpose."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from studio.cellseg import cells, dynamics
from studio.cellseg.follow import follow as follow_all
from tests.cellseg.fields import network_says, painted_cells


def field(seed: int, shape: tuple[int, int] = (120, 150)) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    says = network_says(painted_cells(shape, 20, seed, (5, 14)), seed)
    inside = says[2] > 0
    flow = np.where(inside[..., None], np.moveaxis(says[:2], 0, -1) / np.float32(5), 0).astype(np.float32)
    return np.ascontiguousarray(flow), inside


def follow(flow: NDArray[np.float32], inside: NDArray[np.bool_], niter: int = 200) -> tuple[NDArray[np.int32], ...]:
    rows, cols = inside.shape
    return follow_all(flow, inside, niter, 0, 0, rows - 1, cols - 1)


@pytest.mark.parametrize("niter", [1, 7, 200, 201])
def test_paths_end_where_cellpose_says(niter: int) -> None:
    from cellpose.dynamics import steps_interp

    flow, inside = field(1)
    start, end_y, end_x = follow(flow, inside, niter)
    np.testing.assert_array_equal(start, np.flatnonzero(inside))
    theirs = steps_interp(np.moveaxis(flow, -1, 0).copy(), np.nonzero(inside), niter)
    # Cellpose adds float32 steps to positions, we to displacements, so a few end points round otherwise.
    away = np.maximum(np.abs(theirs[0].astype(int) - end_y), np.abs(theirs[1].astype(int) - end_x))
    assert (away == 0).mean() > 0.97
    assert (away <= 1).mean() > 0.995


@pytest.mark.parametrize("niter", [1, 5, 30, 200])
def test_without_interpolation_too(niter: int) -> None:
    from cellpose.dynamics import steps2D

    flow, inside = field(3)
    rows, cols = inside.shape
    start, end_y, end_x = follow_all(flow, inside, niter, 0, 0, rows - 1, cols - 1, False)
    np.testing.assert_array_equal(start, np.flatnonzero(inside))
    at = np.stack(np.nonzero(inside)).astype(np.float32)
    theirs = steps2D(at, np.moveaxis(flow, -1, 0).copy(), niter).astype(int)
    away = np.maximum(np.abs(theirs[0] - end_y), np.abs(theirs[1] - end_x))
    assert (away == 0).mean() > 0.97
    assert (away <= 1).mean() > 0.995
    interpolated = follow(flow, inside, niter)
    assert niter == 1 or not np.array_equal(interpolated[1], end_y)


def test_stopping_early_changes_nothing() -> None:
    """Fixed points and two-cycles are recognised; a plain loop over all steps ends in the same place."""
    flow, inside = field(2, (26, 28))
    _, end_y, end_x = follow(flow, inside, 200)
    rows, cols = inside.shape
    one = np.float32(1)
    for n, (y, x) in enumerate(np.argwhere(inside)):
        dy = dx = np.float32(0)
        for _ in range(200):
            fy, fx = np.floor(dy), np.floor(dx)
            y0, x0 = y + int(fy), x + int(fx)
            y1, x1 = min(y0 + 1, rows - 1), min(x0 + 1, cols - 1)
            ty, tx = dy - fy, dx - fx
            weights = ((one - ty) * (one - tx), (one - ty) * tx, ty * (one - tx), ty * tx)
            step = [
                flow[y0, x0, k] * weights[0]
                + flow[y0, x1, k] * weights[1]
                + flow[y1, x0, k] * weights[2]
                + flow[y1, x1, k] * weights[3]
                for k in range(2)
            ]
            dy = min(np.float32(rows - 1 - y), max(np.float32(-y), dy + step[0]))
            dx = min(np.float32(cols - 1 - x), max(np.float32(-x), dx + step[1]))
        assert (end_y[n], end_x[n]) == (y + int(np.floor(dy)), x + int(np.floor(dx)))


@pytest.mark.parametrize("interp", [True, False])
@pytest.mark.parametrize("niter", [1, 2, 40, 200, 201, 1000])
def test_paths_side_by_side_end_where_each_ends_alone(niter: int, interp: bool) -> None:
    """Also where they go round in circles of all lengths, leave the array, or are held at the slide's edge."""
    rng = np.random.default_rng(niter)
    inside = rng.random((61, 83)) < 0.7
    flow = (rng.normal(size=(61, 83, 2)) * inside[..., None]).astype(np.float32)
    edges = (0, -20, 70, 82)
    start, end_y, end_x = follow_all(flow, inside, niter, *edges, interp)
    np.testing.assert_array_equal(start, np.flatnonzero(inside))
    alone = [dynamics.path(flow, None, np.float32(0), *divmod(int(n), 83), niter, *edges, interp)[:2] for n in start]
    np.testing.assert_array_equal(np.stack([end_y, end_x], axis=1), alone)
    assert niter < 40 or 0 < np.count_nonzero(end_y == dynamics.ESCAPED) < len(start)


def test_fewer_paths_than_are_followed_at_once() -> None:
    none = np.zeros((5, 3), np.bool_)
    assert [part.size for part in follow(np.zeros((5, 3, 2), np.float32), none)] == [0, 0, 0]
    flow = np.zeros((5, 3, 2), np.float32)
    flow[2, 1] = (1, 0)
    one = none.copy()
    one[2, 1] = True
    assert [part.tolist() for part in follow(flow, one)] == [[7], [3], [1]]


def test_a_cut_out_piece_gives_the_same_ends_or_says_that_it_does_not_know() -> None:
    flow, inside = field(3)
    start, end_y, end_x = follow(flow, inside)
    whole = {
        (int(s) // inside.shape[1], int(s) % inside.shape[1]): (int(y), int(x))
        for s, y, x in zip(start, end_y, end_x, strict=True)
    }
    top, left, bottom, right = 31, 17, 97, 118
    piece = np.ascontiguousarray(flow[top:bottom, left:right])
    within = inside[top:bottom, left:right]
    rows, cols = inside.shape
    start, end_y, end_x = follow_all(piece, within, 200, -top, -left, rows - 1 - top, cols - 1 - left)
    lost = end_y == dynamics.ESCAPED
    assert 0 < lost.sum() < len(lost) / 2
    for s, y, x in zip(start[~lost], end_y[~lost], end_x[~lost], strict=True):
        at = (int(s) // within.shape[1] + top, int(s) % within.shape[1] + left)
        assert whole[at] == (y + top, x + left)


def test_sinks_and_what_they_grow_over() -> None:
    counts = np.zeros((30, 30), np.int32)
    counts[10, 10], counts[10, 11], counts[10, 13] = 40, 5, 30
    counts[20, 20] = 10
    counts[25, 5], counts[25, 6] = 11, 11
    sinks = dynamics.find_sinks(counts)
    # (20, 20) has too few; two equal neighbours are both maxima; sorted by count, row, column.
    assert sinks.tolist() == [[11, 25, 5], [11, 25, 6], [30, 10, 13], [40, 10, 10]]
    counts[10, 12] = 3
    owner = dynamics.grow_sinks(counts, sinks)
    # The stronger sink grows over the weaker one through bins with more than two.
    assert owner[10, 10] == owner[10, 11] == owner[10, 12] == owner[10, 13] == 4
    assert owner[25, 5] == owner[25, 6] == 2
    assert owner[20, 20] == 0


def labels_and_flow(seed: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    labels = painted_cells((140, 160), 30, seed, (5, 14))
    found, dense = np.unique(labels, return_inverse=True)
    labels = dense.reshape(labels.shape).astype(np.int32)
    assert found[0] == 0
    says = network_says(labels, seed, 0.4)
    return labels, np.ascontiguousarray(np.moveaxis(says[:2], 0, -1) / np.float32(5))


def measured(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    sinks = np.zeros((labels.max(), 3), np.int32)
    for k in range(len(sinks)):
        sinks[k, 1:] = np.argwhere(labels == k + 1).mean(axis=0).round()
    return cells.measure(labels, sinks)


def test_flow_errors_are_those_of_cellpose() -> None:
    import torch
    from cellpose.metrics import flow_error

    labels, flow = labels_and_flow(5)
    table = measured(labels)
    ours = cells.flow_errors(labels, flow, table, np.ones(len(table), bool))
    theirs, _ = flow_error(labels.astype(np.int64), np.moveaxis(flow, -1, 0) * 5, torch.device("cpu"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert ours.max() > 0.05


def test_measures_of_cells() -> None:
    labels, _ = labels_and_flow(6)
    table = measured(labels)
    for k in range(1, labels.max() + 1):
        rows, cols = np.nonzero(labels == k)
        box = [rows.min(), cols.min(), rows.max() + 1, cols.max() + 1]
        assert table[k - 1, cells.AREA] == len(rows)
        assert table[k - 1, cells.TOP : cells.RIGHT + 1].tolist() == box
        assert table[k - 1, cells.FIRST_X] == cols[rows == rows.min()].min()


def filled(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    table = measured(labels)
    order = np.lexsort((table[:, cells.FIRST_X], table[:, cells.TOP]))
    return cells.fill_holes(labels, table, order)


def test_holes_are_filled_with_what_lies_wholly_in_them() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[2:30, 2:30] = 1
    labels[6:26, 6:26] = 0
    labels[10:20, 10:20] = 2
    labels[12:16, 12:16] = 0
    labels[27:36, 27:36] = 3
    expected = labels.copy()
    expected[2:27, 2:30] = 1
    expected[2:30, 2:27] = 1
    np.testing.assert_array_equal(filled(labels), expected)


def test_a_hole_that_is_open_or_holds_part_of_another_cell_stays() -> None:
    labels = np.zeros((30, 40), np.int32)
    labels[2:20, 2:20] = 1
    labels[6:16, 6:16] = 0
    labels[8, 16:20] = 0
    assert (filled(labels) == labels).all()
    labels[8, 16:20] = 1
    labels[10:13, 10:13] = 2
    labels[10:13, 30:33] = 2
    result = filled(labels)
    assert (result[10:13, 10:13] == 2).all()
    assert result[7, 7] == 1


def test_cells_without_holes_are_left_out_of_filling() -> None:
    labels, _ = labels_and_flow(8)
    rng = np.random.default_rng(8)
    labels[(rng.random(labels.shape) < 0.004) & (labels > 0)] = 0
    table = measured(labels)
    asked = np.arange(len(table)) % 7 != 0
    expected = [
        bool(ask and (ndimage.binary_fill_holes(labels == k + 1) != (labels == k + 1)).any())
        for k, ask in enumerate(asked)
    ]
    assert 0 < sum(expected) < len(expected) / 2
    assert cells.have_holes(labels, table, asked).tolist() == expected


def test_holes_are_those_of_cellpose() -> None:
    from cellpose.utils import fill_holes_and_remove_small_masks

    for seed in (8, 9):
        labels, _ = labels_and_flow(seed)
        rng = np.random.default_rng(seed)
        labels[(rng.random(labels.shape) < 0.02) & (labels > 0)] = 0
        theirs = fill_holes_and_remove_small_masks(labels.copy(), min_size=0)
        np.testing.assert_array_equal(filled(labels) > 0, theirs > 0)


def test_partial_sums_add_up() -> None:
    labels, _ = labels_and_flow(10)
    logit = np.random.default_rng(0).normal(0, 5, labels.shape).astype(np.float32)
    whole = cells.partial_sums(labels, logit, 1000, 2000, labels.max())
    cut = 71
    parts = [
        cells.partial_sums(
            np.ascontiguousarray(labels[rows]), np.ascontiguousarray(logit[rows]), top, 2000, labels.max()
        )
        for rows, top in ((slice(0, cut), 1000), (slice(cut, None), 1000 + cut))
    ]
    for column in (0, 5, 6, 7):
        np.testing.assert_array_equal(parts[0][:, column] + parts[1][:, column], whole[:, column])
    area = np.bincount(labels.ravel())[1:]
    np.testing.assert_array_equal(whole[:, 0], area)
    mean = np.bincount(labels.ravel(), logit.ravel().astype(float))[1:] / area
    np.testing.assert_allclose(whole[:, 7] / area / float(cells.LOGIT_UNITS), mean, atol=1e-3)
