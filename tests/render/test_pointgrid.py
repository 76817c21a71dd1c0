"""Points found by view, and how crowded they are. No GL."""

from __future__ import annotations

import math

import numpy as np
import pytest

from studio.render.pointgrid import PointGrid, sort_points


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(1).uniform((1000, 500), (41000, 20500), (30_000, 2))


@pytest.fixture(scope="module")
def grid(points: np.ndarray) -> PointGrid:
    made = sort_points(points)
    assert made is not None
    return made


def test_all_points_are_there_once(points: np.ndarray, grid: PointGrid) -> None:
    back = grid.points.astype(np.float64) + grid.middle
    assert np.abs(np.sort(back, axis=0) - np.sort(points, axis=0)).max() < 0.01
    assert grid.runs((-1e9, -1e9, 1e9, 1e9)) == [(0, len(points))]


@pytest.mark.parametrize(
    "rect", [(1000, 500, 3000, 900), (20000, 10000, 20010, 10010), (40000, 20000, 50000, 50000), (-10, -10, 1500, 700)]
)
def test_runs_hold_every_point_in_view_and_few_others(
    points: np.ndarray, grid: PointGrid, rect: tuple[float, float, float, float]
) -> None:
    found = np.concatenate([grid.points[first : first + count] for first, count in grid.runs(rect)])
    found = found.astype(np.float64) + grid.middle

    def within(values: np.ndarray, margin: float) -> int:
        low, high = np.array(rect[:2]) - margin, np.array(rect[2:]) + margin
        return int(((values >= low) & (values < high)).all(axis=1).sum())

    assert within(found, 0) == within(points, 0)
    assert len(found) == within(found, grid.side) <= within(points, grid.side)


def test_few_points_are_drawn_beside_a_view_of_thousands(points: np.ndarray, grid: PointGrid) -> None:
    rect = (12_000.0, 5_000.0, 28_000.0, 15_000.0)
    inside = ((points >= rect[:2]) & (points < rect[2:])).all(axis=1).sum()
    assert sum(count for _, count in grid.runs(rect)) < 1.4 * inside


def test_nothing_in_view(grid: PointGrid) -> None:
    assert grid.runs((-500, -500, -10, -10)) == []
    assert grid.runs((50_000, 0, 60_000, 60_000)) == []
    assert grid.spacing((50_000, 0, 60_000, 60_000)) == math.inf


def test_spacing_is_that_of_the_points_not_of_the_glass_around_them() -> None:
    rng = np.random.default_rng(0)
    cluster = rng.uniform(0, 1000, (10_000, 2))
    far = np.array([[100_000.0, 100_000.0]])
    grid = sort_points(np.concatenate([cluster, far]))
    assert grid is not None
    assert grid.spacing(grid.rect) < 1000
    even = sort_points(cluster)
    assert even is not None
    assert even.spacing(even.rect) == pytest.approx(10.0, rel=0.15)


def test_density_counts_every_point(grid: PointGrid, points: np.ndarray) -> None:
    height, width = grid.density.shape
    bin_area = (grid.rect[2] - grid.rect[0]) * (grid.rect[3] - grid.rect[1]) / (height * width)
    assert grid.density.sum() * bin_area == pytest.approx(len(points), rel=1e-3)
    assert max(grid.density.shape) <= 1024
    # Few places are as busy as what is drawn at full strength.
    assert 0 < (grid.density >= grid.busy).sum() < 0.1 * (grid.density > 0).sum()


@pytest.mark.parametrize(
    "points",
    [
        np.array([[5.0, 6.0]]),
        np.array([[5.0, 6.0], [5.0, 6.0]]),
        np.stack([np.full(5000, 7.0), np.arange(5000.0)], axis=1),
        np.array([[5.0, 6.0], [np.nan, 3.0], [np.inf, 1.0]]),
    ],
)
def test_few_points_points_on_a_line_and_no_numbers(points: np.ndarray) -> None:
    grid = sort_points(points)
    assert grid is not None
    assert sum(count for _, count in grid.runs((-1e6, -1e6, 1e6, 1e6))) == np.isfinite(points).all(axis=1).sum()
    assert np.isfinite(grid.density).all()


def test_no_points() -> None:
    assert sort_points(np.empty((0, 2))) is None
    assert sort_points(np.full((3, 2), np.nan)) is None
