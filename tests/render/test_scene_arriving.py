"""What is shown while cells come in, change or cannot be read, and what is read and drawn for it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from studio.cellseg.lattice import Rect
from studio.cellseg.livesource import LiveSource
from studio.cellseg.memory import ArraySource
from studio.document import Overlay, View
from studio.errors import ResultFileError
from studio.render.labeltiles import TILE_PX
from studio.render.pool import TilePool
from studio.render.quads import QuadBatch, Quads
from tests.render.pictures import FILL, PAPER, Stage, assert_close, cell_labels, gray_slide, labels_in_view, source_of


def test_black_hides_the_slide_wherever_the_masks_are_not_loaded_yet(staged: Stage) -> None:
    """No flash of bright slide while panning over black."""
    gate = threading.Event()

    class Slow(ArraySource):
        def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> Any:
            if level == 0:
                assert gate.wait(20)
            return super().read_labels(level, row, col, rows, cols)

    labels = cell_labels(1400, 1400, radius=30)
    source = Slow(labels, source_of(labels).geometry)
    staged.show(gray_slide())
    staged.overlay(source)
    staged.look(700.13, 600.17, 1.0, mask=True, black_bg=True)
    layer = staged.scene._overlay.labels
    staged.until(lambda: bool(layer.cover) and not layer.missing(layer.cover))
    wanted, ready = staged.scene.tiles
    assert ready < wanted
    # The coarse labels stand in.
    coarse = labels_in_view(source, staged, source.level_count - 1)
    assert_close(staged.picture(), np.where((coarse > 0)[..., None], FILL, 0.0))
    gate.set()
    assert_close(staged.sharp(), np.where((labels_in_view(source, staged) > 0)[..., None], FILL, 0.0))


def test_the_slide_stays_in_sight_behind_cells_that_are_still_coming(staged: Stage) -> None:
    labels = cell_labels(1400, 1400, radius=30)
    source = source_of(labels)
    staged.show(gray_slide())
    staged.overlay(source)
    overlay = staged.document.overlay
    assert overlay is not None
    overlay.growing = True
    staged.look(700.13, 600.17, 1.0, mask=True, black_bg=True)
    cells = (labels_in_view(source, staged) > 0)[..., None]
    shown = staged.sharp()
    assert shown[~cells[..., 0]].min() > 0, "no black"
    overlay.growing = False
    assert_close(staged.sharp(), np.where(cells, FILL, 0.0))


def test_labels_seen_before_stand_in_when_zooming_out(staged: Stage) -> None:
    labels = cell_labels(2000, 2000, radius=30)
    gate = threading.Event()

    class Slow(ArraySource):
        def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> Any:
            if level > 0:
                assert gate.wait(20)
            return super().read_labels(level, row, col, rows, cols)

    source = Slow(labels, source_of(labels).geometry)
    staged.scene._loader.close()
    staged.scene._loader = type(staged.scene._loader)(threads=4)
    staged.show(gray_slide(2000))
    staged.overlay(source)
    staged.look(384, 384, 1.6, mask=True, black_bg=True)
    staged.sharp()
    staged.look(384.33, 384.37, 1.8, mask=True, black_bg=True)
    staged.scene.update(staged.document)
    assert_close(staged.picture(), np.where((labels_in_view(source, staged) > 0)[..., None], FILL, 0.0))
    gate.set()
    assert_close(staged.sharp(), np.where((labels_in_view(source, staged, 1) > 0)[..., None], FILL, 0.0))


def test_styles_switch_without_loading_or_uploading(staged: Stage) -> None:
    flows = np.full((1400, 1400, 3), 0.5, np.float16)
    source = source_of(cell_labels(1400, 1400), flows=flows)
    staged.show(gray_slide())
    staged.overlay(source)
    staged.look(700, 600, 1.0, mask=True, gradxy=True, outline=True, centroid=True)
    staged.settle()
    staged.look(700, 600, 1.0, mask=True)
    staged.settle()
    uploads: list[int] = []
    for layer in staged.scene._all:
        layer.pool._upload = lambda *_args: uploads.append(1)  # type: ignore[method-assign]
    for style in (
        {"outline": True},
        {"gradxy": True},
        {"mask": True, "outline": True},
        {"centroid": True},
        {"mask": True},
    ):
        for black in (False, True):
            staged.look(700, 600, 1.0, **style, black_bg=black, alpha=0.7)
            assert staged.scene.update(staged.document)
            wanted, ready = staged.scene.tiles
            assert wanted == ready > 0
    assert uploads == []
    assert not staged.scene.update(staged.document)


def test_an_overlay_that_grows_is_reloaded_and_never_blinks(staged: Stage) -> None:
    """While a run is under way, blocks appear; cells shown before stay on the screen meanwhile."""
    labels = np.zeros((1400, 1400), np.uint32)
    labels[:, :700] = 1
    source = source_of(labels, centroids=np.array([[600.0, 690.0]]))
    staged.show(gray_slide())
    staged.overlay(source)
    staged.look(700, 600, 1.0, mask=True)
    first = staged.sharp()
    assert (first[:, :159] == FILL).all()
    assert (first[:, 161:] == PAPER).all()
    labels[:, 700:] = 2
    document = staged.document
    document.overlay_version += 1
    staged.scene.update(document)
    wanted, ready = staged.scene.tiles
    assert ready < wanted
    assert (staged.picture()[:, :159] == FILL).all()
    assert (staged.sharp() == FILL).all()


def test_the_blocks_of_a_run_stay_in_sight_until_its_result_was_read(staged: Stage) -> None:
    labels = cell_labels(1400, 1400, radius=30)
    gate = threading.Event()

    class Live(LiveSource):
        def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> Any:
            return result.read_labels(level, row, col, rows, cols)

    class Slow(ArraySource):
        def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> Any:
            assert gate.wait(20)
            return super().read_labels(level, row, col, rows, cols)

    result = source_of(labels)
    live = Live(result.geometry, Rect(0, 0, 1400, 1400))
    staged.show(gray_slide())
    staged.document.set_overlay(Overlay(live, "live", growing=True))
    staged.look(700.13, 600.17, 1.0, mask=True, black_bg=True)
    staged.sharp()
    cells = (labels_in_view(result, staged) > 0)[..., None]
    staged.document.set_overlay(Overlay(Slow(labels, result.geometry), "run"))
    staged.scene.update(staged.document)
    assert staged.scene.tiles[1] < staged.scene.tiles[0]
    assert_close(staged.picture(), np.where(cells, FILL, 0.0))
    gate.set()
    assert_close(staged.sharp(), np.where(cells, FILL, 0.0))
    # Blocks in another place or on another slide are no such thing.
    for slide, left in ((staged.document.slide, 40.0), (gray_slide(), 0.0)):
        gate.set()
        staged.document.set_overlay(Overlay(live, "live"))
        staged.sharp()
        if slide is not staged.document.slide:
            staged.show(slide)
        gate.clear()
        staged.document.set_overlay(Overlay(Slow(labels, source_of(labels, at=(left, 0.0)).geometry), "run"))
        staged.scene.update(staged.document)
        assert (np.abs(staged.picture().astype(int) - FILL).max(axis=2) > 2).all()
    gate.set()


def test_another_overlay_replaces_the_first_at_once(staged: Stage) -> None:
    staged.show(gray_slide())
    staged.overlay(source_of(np.ones((1400, 1400), np.uint32)))
    staged.look(700, 600, 1.0, mask=True)
    assert (staged.sharp() == FILL).all()
    staged.overlay(source_of(np.zeros((1400, 1400), np.uint32)))
    staged.scene.update(staged.document)
    assert (staged.picture() == PAPER).all()
    staged.document.set_overlay(None)
    staged.scene.update(staged.document)
    assert staged.scene.tiles[0] == staged.scene.tiles[1]
    assert (staged.picture() == PAPER).all()


@pytest.mark.parametrize(("black", "drawn"), [(False, 1), (True, 4)])
def test_tiles_without_cells_cost_nothing_unless_black_lies_behind(
    staged: Stage, monkeypatch: pytest.MonkeyPatch, black: bool, drawn: int
) -> None:
    labels = np.zeros((1400, 1400), np.uint32)
    labels[TILE_PX - 40 : TILE_PX - 10, TILE_PX - 40 : TILE_PX - 10] = 1
    source = source_of(labels)
    staged.show(gray_slide())
    staged.overlay(source)
    staged.look(TILE_PX, TILE_PX, 1.0, mask=True, black_bg=black)
    staged.sharp()
    counts: list[int] = []
    draw = QuadBatch.draw

    def counted(self: QuadBatch, quads: Quads, view: View, pool: TilePool) -> None:
        if pool is staged.scene._overlay.labels.pool:
            counts.append(len(quads))
        draw(self, quads, view, pool)

    monkeypatch.setattr(QuadBatch, "draw", counted)
    picture = staged.picture()
    assert sum(counts) == drawn
    cells = (labels_in_view(source, staged) > 0)[..., None]
    assert_close(picture, np.where(cells, FILL, 0.0 if black else PAPER))


def test_labels_that_cannot_be_read_are_no_cells_and_the_rest_goes_on(staged: Stage) -> None:
    class Broken(ArraySource):
        def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> Any:
            if col > 0:
                raise OSError("disk gone")
            return super().read_labels(level, row, col, rows, cols)

        def centroids(self, wsi_dim: bool = False) -> Any:
            raise ResultFileError("The table of cells is damaged.")

    labels = np.ones((1400, 1400), np.uint32)
    staged.show(gray_slide())
    staged.overlay(Broken(labels, source_of(labels).geometry))
    staged.look(TILE_PX, 300, 1.0, mask=True, centroid=True)
    picture = staged.sharp()
    assert (picture[:, :159] == FILL).all()
    assert (picture[:, 161:] == PAPER).all()
