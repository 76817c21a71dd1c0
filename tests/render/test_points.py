"""Dots and their map of density, where it depends on how near cells are to each other."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from studio.cellseg.memory import ArraySource
from studio.render.points import RADIUS_PX
from tests.render.pictures import Stage, flat_slide, source_of

PAPER = 160


def lattice(apart: float) -> np.ndarray:
    """(N, 2) row, column of cells so many pixels from each other."""
    at = np.arange(10.0, 1390.0, apart)
    return np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)


def show(staged: Stage, centroids: np.ndarray) -> None:
    staged.show(flat_slide(1400, 1400, PAPER, PAPER, PAPER))
    staged.overlay(source_of(np.zeros((1400, 1400), np.uint32), centroids=centroids))


def bare(picture: np.ndarray) -> np.ndarray:
    return np.abs(picture.astype(int) - PAPER).max(axis=2) <= 2


def test_dots_of_crowded_cells_are_smaller_and_leave_the_slide_in_sight(staged: Stage) -> None:
    show(staged, lattice(11.0))
    staged.look(700, 700, 2.0, centroid=True)
    assert bare(staged.sharp()).mean() > 0.5
    # Dots of a denser screen have more pixels, and no room left.
    staged.scene.pixel_ratio = 1.5
    assert not bare(staged.sharp())[20:220, 20:300].any()


def test_a_dot_is_drawn_whole_whose_middle_lies_outside(staged: Stage) -> None:
    centroids = np.random.default_rng(0).uniform(10, 1390, (4000, 2))
    show(staged, centroids)
    staged.look(700, 700, 1.0, centroid=True)
    staged.sharp()
    grid = staged.scene._points._grid
    assert grid is not None
    # The view begins where a cell of the points' grid does, just right of a dot's middle.
    borders = grid.rect[0] + grid.side * np.arange(2, grid.shape[0] - 2)
    beyond = borders[:, None] - (centroids[:, 1] + 0.5)
    inside = (centroids[:, 0] > 130) & (centroids[:, 0] < 1270)
    border, dot = np.argwhere((beyond > 0.5) & (beyond < RADIUS_PX - 1) & inside)[0]
    left, y = float(borders[border]) + 0.25, float(centroids[dot, 0])
    staged.look(left + 160, y, 1.0, centroid=True)
    picture = staged.sharp()
    staged.look(left + 120, y, 1.0, centroid=True)
    assert np.abs(picture[:, :280].astype(int) - staged.sharp()[:, 40:]).max() <= 2
    assert not bare(picture[:, :2]).all()


def test_dots_of_other_cells_replace_the_first_at_once(staged: Stage) -> None:
    gate = threading.Event()

    class Slow(ArraySource):
        def centroids(self, wsi_dim: bool = False) -> Any:
            assert gate.wait(20)
            return super().centroids(wsi_dim)

    show(staged, lattice(20.0))
    staged.look(700, 700, 1.0, centroid=True)
    assert not bare(staged.sharp()).all()
    labels = np.zeros((1400, 1400), np.uint32)
    staged.overlay(Slow(labels, source_of(labels).geometry))
    staged.scene.update(staged.document)
    assert bare(staged.picture()).all()
    gate.set()
    assert bare(staged.sharp()).all()
