"""Labels in memory: windows, levels, centroids, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry
from studio.errors import ResultFileError, UsageError
from tests.cellseg.make_cells import grid_cells, place, voronoi_cells


@pytest.mark.parametrize("level", [0, 1, 3])
@pytest.mark.parametrize(
    "window", [(0, 0, 40, 60), (-5, -7, 30, 30), (90, 120, 200, 300), (5000, 0, 3, 3), (10, 10, 0, 4)]
)
def test_windows_of_every_level_are_cut_and_padded(level: int, window: tuple[int, int, int, int]) -> None:
    labels = voronoi_cells(1301, 903, 200)
    flows = np.random.default_rng(1).normal(size=(*labels.shape, 3)).astype(np.float16)
    source = ArraySource(labels, place(labels), flows)
    row, col, rows, cols = window
    padded = np.pad(labels[:: 2**level, :: 2**level], 8)
    pad_to = (max(0, row + 8 + rows - padded.shape[0]), max(0, col + 8 + cols - padded.shape[1]))
    padded = np.pad(padded, ((0, pad_to[0]), (0, pad_to[1])))
    expected = padded[row + 8 : row + 8 + rows, col + 8 : col + 8 + cols]
    read = source.read_labels(level, *window)
    assert read.dtype == np.uint32
    np.testing.assert_array_equal(read, expected)
    flow = source.read_flow(level, *window)
    assert flow.shape == (rows, cols, 3)
    inside = flow[max(0, -row) :, max(0, -col) :]
    other = flows[:: 2**level, :: 2**level][max(0, row) :, max(0, col) :][: len(inside), : inside.shape[1]]
    np.testing.assert_array_equal(inside[: other.shape[0], : other.shape[1]], other)


def test_levels_end_with_one_that_fits_a_tile() -> None:
    labels = np.zeros((4097, 3), np.uint32)
    source = ArraySource(labels, MaskGeometry(labels.shape, 1, 1))
    assert source.level_count == 5  # 4097, 2049, 1025, 513, 257


def test_centroids_are_measured_where_none_are_given() -> None:
    labels = grid_cells(300, 300)
    source = ArraySource(labels, place(labels))
    assert source.cells == labels.max()
    expected = [np.argwhere(labels == n).mean(axis=0) for n in range(1, source.cells + 1)]
    np.testing.assert_allclose(source.centroids(), expected)
    # A pixel's middle lies half a pixel from its corner: x = 10 + (column + 0.5) * 2.
    np.testing.assert_allclose(source.centroids(wsi_dim=True)[:, 0], 11 + 2 * np.array(expected)[:, 1])
    np.testing.assert_allclose(source.centroids(wsi_dim=True)[:, 1], 21 + 2 * np.array(expected)[:, 0])


def test_no_cells() -> None:
    source = ArraySource(np.zeros((5, 6), np.int32), MaskGeometry((5, 6), 1, 1))
    assert source.cells == 0
    assert source.centroids().shape == source.centroids(wsi_dim=True).shape == (0, 2)


@pytest.mark.parametrize(
    ("labels", "flows"),
    [
        (np.zeros((5, 6, 3), np.uint32), None),
        (np.zeros((5, 6), np.float32), None),
        (np.zeros((6, 6), np.uint32), None),
        (np.zeros((5, 6), np.uint32), np.zeros((5, 6))),
    ],
)
def test_arrays_that_dont_fit_are_refused(labels: Any, flows: Any) -> None:
    with pytest.raises(UsageError):
        ArraySource(labels, MaskGeometry((5, 6), 1, 1), flows)


def test_reads_after_close_raise() -> None:
    labels = grid_cells(64, 64)
    source = ArraySource(labels, place(labels), np.zeros((64, 64, 3), np.float16))
    source.close()
    for read in (source.read_labels, source.read_flow):
        with pytest.raises(ResultFileError, match="closed"):
            read(0, 0, 0, 4, 4)
