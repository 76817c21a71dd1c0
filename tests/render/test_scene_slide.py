"""The slide's pixels on the screen, against the same picture computed with NumPy."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from studio.document import View
from studio.render import scene as scene_module
from studio.render import slidelayer
from studio.render.loader import TileLoader
from studio.render.pyramid import error_pattern
from studio.slide import open_slide
from studio.slide.look import Channel, Look
from tests.render.pictures import (
    ArraySlide,
    Stage,
    assert_close,
    flat_slide,
    inside,
    nearest,
    positions,
    sampled,
    slide_of,
    source_of,
    texture,
)

OUTSIDE = np.round(np.array(scene_module.OUTSIDE_RGB) * 255)


def area_mean(pixels: np.ndarray, down: int) -> np.ndarray:
    height, width = (side // down for side in pixels.shape[:2])
    return pixels.reshape(height, down, width, down, 3).mean(axis=(1, 3))


def expected(level: np.ndarray, down: float, view: View, size: tuple[int, int], *, squares: bool = False) -> np.ndarray:
    """A picture of one level on the outside colour."""
    picture = np.empty((view.viewport[1], view.viewport[0], 3))
    picture[:] = OUTSIDE
    within = inside(view, *size)
    inner = nearest(level, (down, down), (0.0, 0.0), view) if squares else sampled(level, down, view)
    picture[within] = inner[within]
    return picture


@pytest.mark.parametrize(
    ("x", "y", "scale"),
    [(600, 500, 1.0), (612.3, 503.7, 1.0), (600, 500, 0.7), (512, 512, 0.51), (160, 120, 1.0), (1200, 1100, 0.9)],
)
def test_pixels_lie_where_they_belong(staged: Stage, x: float, y: float, scale: float) -> None:
    """Across tile borders and the slide's edges, through a linear filter."""
    slide = slide_of(1100, 1300)
    staged.show(slide)
    staged.look(x, y, scale)
    picture = staged.sharp()
    assert_close(picture, expected(slide.levels[0], 1.0, staged.document.view, slide.size))
    assert picture.std() > 5


@pytest.mark.parametrize("scale", [0.5, 0.3, 0.04])
def test_magnified_pixels_are_squares(staged: Stage, scale: float) -> None:
    slide = slide_of(1100, 1300)
    staged.show(slide)
    staged.look(511.613, 512.317, scale)
    wanted = expected(slide.levels[0], 1.0, staged.document.view, slide.size, squares=True)
    assert_close(staged.sharp(), wanted, 0.0)


def test_seams_do_not_show(staged: Stage) -> None:
    """A slide of one colour has one colour, wherever tiles meet, at any zoom."""
    staged.show(flat_slide(3000, 3000, 201))
    for scale in np.geomspace(0.05, 9.0, 23):
        staged.look(1031.7, 1021.3, scale)
        picture, within = staged.sharp(), inside(staged.document.view, 3000, 3000)
        assert (picture[within] == 201).all(), scale


@pytest.mark.parametrize("downs", [(1.0, 4.0003, 16.0319), (1.0, 2.0, 4.0), (1.0, 3.1)])
@pytest.mark.parametrize("zoom", [1.0, 1.3])
def test_levels_of_any_downsample_lie_on_each_other(staged: Stage, downs: tuple[float, ...], zoom: float) -> None:
    """The same slide point is at the same place of the screen whatever level shows it."""
    levels = [texture(int(2900 / down), int(3100 / down), seed) for seed, down in enumerate(downs)]
    slide = ArraySlide(*levels, downsamples=downs)
    staged.show(slide)
    for level, down in zip(levels, downs, strict=True):
        staged.look(1400.213, 1300.917, down * zoom)
        within = inside(staged.document.view, level.shape[1] * down, level.shape[0] * down)
        picture, wanted = staged.sharp(), expected(level, down, staged.document.view, slide.size)
        picture[~within] = wanted[~within]
        assert_close(picture, wanted)


@pytest.mark.parametrize("down", [2, 4])
def test_levels_that_the_file_lacks(staged: Stage, down: int) -> None:
    slide = slide_of(2048, 2048)
    staged.show(slide)
    staged.look(1024, 1024, float(down))
    wanted = expected(area_mean(slide.levels[0], down), down, staged.document.view, slide.size)
    assert_close(staged.sharp(), wanted, 3.0)
    assert max(staged.scene.tiles) <= 4


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (3, 700)])
def test_tiny_slides(staged: Stage, size: tuple[int, int]) -> None:
    slide = slide_of(*size)
    staged.show(slide)
    staged.look(size[1] / 2, size[0] / 2, 0.25)
    wanted = expected(slide.levels[0], 1.0, staged.document.view, slide.size, squares=True)
    assert_close(staged.settle(), wanted, 0.0)
    staged.look(size[1] / 2, size[0] / 2, 3.0)
    assert (staged.sharp()[0, 0] == OUTSIDE).all()


def test_the_viewport_is_part_of_the_framebuffer(staged: Stage) -> None:
    """Offset from the left and the top; nothing is drawn beside it."""
    slide = slide_of(600, 600)
    staged.show(slide)
    view = staged.document.view
    view.viewport, view.offset = (200, 100), (70, 30)
    staged.look(300, 300, 0.5)
    picture = staged.sharp()
    wanted = expected(slide.levels[0], 1.0, view, slide.size, squares=True)
    assert_close(picture[30:130, 70:270], wanted, 0.0)
    beside = picture.copy()
    beside[30:130, 70:270] = 0
    assert not beside.any()


def test_a_real_slide_without_mpp_or_with_it(staged: Stage, sample_slide: Path) -> None:
    with open_slide(sample_slide) as slide:
        pixels = slide.read_level(0, 0, 0, *slide.size)
        slide.set_mpp(None)
        staged.show(slide)
        for x, y, scale in ((1000, 1500, 1.0), (2200, 2950, 0.8)):
            staged.look(x, y, scale)
            assert_close(staged.sharp(), expected(pixels, 1.0, staged.document.view, slide.size))
        staged.show(None)


def test_no_hole_while_tiles_load(staged: Stage) -> None:
    """The coarse level covers the view until the fine one is there."""
    slide = flat_slide(4096, 4096, 100, 200, down=8)
    slide.gates[0] = threading.Event()
    staged.show(slide)
    staged.look(2048, 2048, 1.0)
    staged.until(lambda: staged.scene.minimap(staged.document) is not None)
    wanted, ready = staged.scene.tiles
    assert ready == 0 < wanted
    assert (staged.picture() == 200).all()
    slide.gates[0].set()
    assert (staged.sharp() == 100).all()


def test_finer_tiles_stand_in_when_zooming_out(staged: Stage) -> None:
    slide = flat_slide(4096, 4096, 100, 150, 200, down=2)
    slide.gates[1] = threading.Event()
    staged.show(slide)
    staged.look(2048, 2048, 1.0)
    staged.sharp()
    staged.look(2048, 2048, 2.2)
    staged.scene.update(staged.document)
    picture = staged.picture()
    assert (picture[120, 160] == 100).all()
    slide.gates[1].set()
    assert (staged.sharp() == 150).all()


def test_a_bad_tile_shows_a_pattern_and_the_rest_goes_on(staged: Stage) -> None:
    slide = slide_of(1024, 1024)
    slide.bad = {(0, 1, 0)}
    staged.show(slide)
    staged.look(512, 512, 0.5)
    picture = staged.sharp()
    mended = slide.levels[0].copy()
    mended[:512, 512:] = error_pattern()
    assert_close(picture, expected(mended, 1.0, staged.document.view, slide.size, squares=True), 0.0)
    assert staged.scene.tiles == (4, 4)


def test_stale_requests_are_never_read(staged: Stage) -> None:
    """A flight over the slide with slow reads leaves nothing behind to load."""
    fine = texture(4096, 4096)
    slide = ArraySlide(fine, fine[::8, ::8])
    slide.gates[0] = threading.Event()
    staged.show(slide)
    for step in range(30):
        staged.look(200 + step * 120, 200 + step * 120, 0.25)
        staged.scene.update(staged.document)
    slide.gates[0].set()
    picture = staged.settle()
    assert_close(picture, expected(fine, 1.0, staged.document.view, slide.size, squares=True), 0.0)
    # What the two threads were at when the flight began.
    passed_over = [(col, row) for level, col, row in slide.reads if level == 0 and col < 4 and row < 4]
    assert len(passed_over) <= 2


def test_the_middle_of_the_view_comes_first(staged: Stage) -> None:
    staged.scene._loader.close()
    staged.scene._loader = TileLoader(threads=1)
    slide = flat_slide(5120, 5120, 100, 200, down=16)
    slide.gates[0] = threading.Event()
    staged.show(slide)
    staged.document.view.viewport = (2560, 2560)
    staged.look(2560, 2560, 1.0)
    staged.scene.update(staged.document)
    slide.gates[0].set()
    staged.until(lambda: len(slide.reads) >= 25)
    away = [max(abs(col + 0.5 - 5), abs(row + 0.5 - 5)) for level, col, row in slide.reads if level == 0]
    assert away[:4] == [0.5] * 4
    assert max(away[:16]) <= 1.5


def test_slide_and_cells_come_side_by_side_from_the_middle_out(staged: Stage) -> None:
    """Neither waits for all of the other."""
    staged.scene._loader.close()
    staged.scene._loader = TileLoader(threads=1)
    slide = flat_slide(5120, 5120, 100, 200, down=16)
    slide.gates[0] = threading.Event()
    source = source_of(np.zeros((5120, 5120), np.uint32))
    reads: list[tuple[str, int]] = []
    read_tile, read_labels = slide.view_tile, source.read_labels

    def slide_read(level: int, col: int, row: int) -> np.ndarray:
        reads.append(("slide", level))
        return read_tile(level, col, row)

    def label_read(level: int, *window: int) -> np.ndarray:
        reads.append(("labels", level))
        return read_labels(level, *window)

    slide.view_tile, source.read_labels = slide_read, label_read  # type: ignore[method-assign]
    staged.show(slide)
    staged.overlay(source)
    staged.document.view.viewport = (2560, 2560)
    staged.look(2560, 2560, 1.0, mask=True)
    staged.scene.update(staged.document)
    slide.gates[0].set()
    staged.sharp()
    fine = [kind for kind, level in reads if level == 0]
    assert sorted(fine[:8]) == ["labels"] * 4 + ["slide"] * 4


def test_graphics_memory_keeps_to_its_budget(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many more tiles come by than fit; those in view are always there."""
    monkeypatch.setattr(slidelayer, "BUDGET_BYTES", 24 << 20)
    with_budget = scene_module.SlideLayer()
    staged.scene._slide.close()
    staged.scene._slide = with_budget
    slide = slide_of(4096, 4096)
    staged.show(slide)
    pool = with_budget.pool
    assert pool.capacity == 23
    for row in range(8):
        for col in range(8):
            staged.look(col * 512 + 256, row * 512 + 256, 0.5)
            staged.settle()
            assert pool.held_bytes <= 32 << 20
            assert len(pool) <= 23
    wanted = expected(slide.levels[0], 1.0, staged.document.view, slide.size, squares=True)
    assert_close(staged.picture(), wanted, 0.0)


def test_a_view_of_more_tiles_than_fit_is_shown_coarser(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slidelayer, "BUDGET_BYTES", 9 << 20)
    staged.scene._slide.close()
    staged.scene._slide = scene_module.SlideLayer()
    staged.show(flat_slide(4096, 4096, 100, 150, 200, down=2))
    staged.document.view.viewport = (2048, 2048)
    staged.look(2048, 2048, 1.0)
    assert (staged.sharp() == 150).all() or (staged.picture() == 200).all()
    assert staged.scene.tiles[0] <= 6


def test_uploads_are_bounded_in_a_frame(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_module, "UPLOAD_BYTES", 2 << 20)
    monkeypatch.setattr(scene_module, "UPLOAD_S", 60.0)
    staged.show(slide_of(4096, 4096))
    staged.document.view.viewport = (2048, 2048)
    staged.look(2048, 2048, 1.0)
    before = 0
    while staged.scene.tiles == (0, 0) or staged.scene.tiles[0] > staged.scene.tiles[1]:
        staged.scene.update(staged.document)
        count = len(staged.scene._slide.pool)
        assert count - before <= 2
        before = count


def test_fluorescence_is_black_and_brightfield_light_before_tiles_come(staged: Stage) -> None:
    for shade, bare in ((8, 0), (230, 237)):
        slide = flat_slide(3000, 3000, shade)
        staged.show(slide)
        staged.look(0, 0, 8.0)
        staged.settle()
        slide.gates[0] = threading.Event()
        staged.scene._slide.pool.clear()
        picture = staged.picture()
        x, y = positions(staged.document.view)
        assert (picture[y > 0][:, x > 0] == bare).all()
        assert (picture[y < 0] == OUTSIDE).all()
        slide.gates[0].set()


def test_the_look_is_what_the_arithmetic_says_and_the_glass_goes_along(staged: Stage) -> None:
    slide = slide_of(400, 500)
    look = Look(brightness=0.05, contrast=1.3, gamma=1.4)
    look = look.with_channel(0, Channel(True, 0.2, 0.9)).with_channel(2, Channel(False))
    staged.show(slide)
    staged.look(250, 200, 1.0)
    plain = staged.sharp()
    staged.document.look = look
    assert_close(staged.sharp(), np.round(look.apply(plain / 255.0) * 255), 1.5)
    staged.document.look = Look()
    assert_close(staged.sharp(), plain, 0.0)


def test_a_view_on_whole_pixels_shows_the_slides_own_to_the_bit(staged: Stage) -> None:
    """No filter and no clearing there; nothing of an earlier picture or of another part of the window is left."""
    slide = slide_of(1100, 1300)
    staged.show(slide)
    staged.look(600.3, 500.7, 3.1)
    staged.settle()
    view = staged.document.view
    staged.look(600, 500, 1.0)
    width, height = view.viewport
    left, top = 600 - width // 2, 500 - height // 2
    assert np.array_equal(staged.sharp(), slide.levels[0][top : top + height, left : left + width])
    view.viewport, view.offset = (200, 100), (70, 30)
    staged.sharp()
    staged.look(640, 520, 1.0)
    assert np.array_equal(staged.sharp()[30:130, 70:270], slide.levels[0][470:570, 540:740])
