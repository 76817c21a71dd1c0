"""What a scene tells the frame loop, and that it leaves nothing behind."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from OpenGL import GL

from studio.document import Document, View
from studio.render import scene as scene_module
from studio.render.scene import Scene
from studio.slide import open_slide
from tests.render.pictures import Stage, cell_labels, flat_slide, positions, slide_of, source_of, stage

KINDS = {
    "textures": GL.glIsTexture,
    "buffers": GL.glIsBuffer,
    "vertex arrays": GL.glIsVertexArray,
    "programs": GL.glIsProgram,
    "samplers": GL.glIsSampler,
    "framebuffers": GL.glIsFramebuffer,
}


def gl_objects() -> dict[str, int]:
    return {kind: sum(bool(exists(name)) for name in range(1, 400)) for kind, exists in KINDS.items()}


def loader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("tiles-")]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_nothing_open(staged: Stage) -> None:
    document = staged.document
    staged.scene.update(document)
    assert staged.scene.tiles == (0, 0)
    assert staged.scene.minimap(document) is None
    assert len(np.unique(staged.picture().reshape(-1, 3), axis=0)) == 1
    assert not staged.scene.update(document)


def test_close_frees_everything(gl: Any) -> None:
    before, threads = gl_objects(), len(loader_threads())
    flows = np.full((700, 700, 3), 0.5, np.float16)
    with stage() as made:
        made.show(slide_of(1400, 1400))
        made.overlay(source_of(cell_labels(700, 700), (2.0, 2.0), flows=flows))
        made.look(700, 700, 1.0, mask=True, outline=True, gradxy=True, centroid=True, black_bg=True)
        made.settle()
        assert made.scene.minimap(made.document)
        assert sum(gl_objects().values()) > sum(before.values()) + 8
        assert len(loader_threads()) == threads + 2
    assert gl_objects() == before
    assert len(loader_threads()) == threads


def test_opening_and_closing_slides_and_cells_grows_nothing(staged: Stage) -> None:
    def once(seed: int) -> None:
        staged.show(slide_of(700, 700, seed % 3))
        staged.overlay(source_of(cell_labels(700, 700, seed % 3)))
        if seed % 2:
            staged.document.keep(staged.document.overlay)
            staged.overlay(source_of(cell_labels(700, 700, seed % 3 + 1)))
            staged.document.comparison.view = "swipe"
        staged.look(350, 350, 2.0, mask=True, centroid=True)
        staged.sharp()
        staged.show(None)
        staged.scene.update(staged.document)

    for seed in range(6):
        once(seed)
    before = gl_objects()
    for seed in range(40):
        once(seed)
    assert gl_objects() == before
    assert not any(len(layer.pool) for layer in staged.scene._all)


def test_update_says_when_there_is_something_to_draw(staged: Stage) -> None:
    document, scene = staged.document, staged.scene
    staged.show(slide_of(1400, 1400))
    staged.look(700, 700, 1.0)
    assert scene.update(document)
    staged.settle()
    assert not scene.update(document)
    document.view.center_x += 0.25
    assert scene.update(document)
    assert not scene.update(document)
    document.view.viewport = (300, 200)
    assert scene.update(document)
    staged.settle()
    staged.overlay(source_of(cell_labels(1400, 1400)))
    assert scene.update(document)
    staged.settle()
    document.style.mask = True
    assert scene.update(document)
    staged.settle()
    document.style.alpha = 0.3
    assert scene.update(document)
    assert not scene.update(document)


def test_tiles_to_come_count_as_change_and_wake_the_loop(staged: Stage) -> None:
    slide = slide_of(1400, 1400)
    slide.gates[0] = threading.Event()
    staged.show(slide)
    staged.look(512, 512, 1.0)
    for _ in range(5):
        assert staged.scene.update(staged.document)
    assert staged.scene.tiles[1] < staged.scene.tiles[0]
    assert not staged.woken
    woken = threading.Event()
    staged.scene.wake = woken.set
    slide.gates[0].set()
    assert woken.wait(20)
    staged.settle()
    assert staged.scene.tiles == (4, 4)


def test_what_a_frame_had_no_room_for_wakes_the_loop_for_another(
    staged: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene_module, "UPLOAD_BYTES", 1)
    staged.show(slide_of(1400, 1400))
    staged.look(512, 512, 1.0)
    staged.scene.update(staged.document)
    wait_for(lambda: len(staged.scene._loader._finished) >= 3)
    callers: list[threading.Thread] = []
    staged.scene.wake = lambda: callers.append(threading.current_thread())
    staged.scene.update(staged.document)
    assert threading.main_thread() in callers


def test_once_a_frames_time_for_uploads_is_up_the_rest_waits(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    staged.show(slide_of(1400, 1400))
    staged.look(512, 512, 1.0)
    staged.scene.update(staged.document)
    wait_for(lambda: len(staged.scene._loader._finished) >= 3)
    ready = staged.scene.tiles[1]
    # A clock by which each upload takes longer than a frame has.
    ticks = itertools.count(step=1.0)
    monkeypatch.setattr(scene_module.time, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(scene_module, "UPLOAD_S", 1.5)
    staged.scene.update(staged.document)
    assert staged.scene.tiles[1] == ready + 1


def test_tiles_count_slide_overlay_and_dots(staged: Stage) -> None:
    staged.show(slide_of(1400, 1400))
    staged.overlay(source_of(cell_labels(1400, 1400)))
    staged.look(512, 512, 1.0)
    staged.settle()
    assert staged.scene.tiles == (4, 4)
    staged.look(512, 512, 1.0, mask=True)
    staged.settle()
    assert staged.scene.tiles == (8, 8)
    staged.look(512, 512, 1.0, mask=True, outline=True, centroid=True)
    staged.settle()
    assert staged.scene.tiles == (9, 9)
    staged.look(512, 512, 1.0, mask=True, alpha=0.0)
    staged.scene.update(staged.document)
    assert staged.scene.tiles == (4, 4)


def test_another_slide_shows_at_once_and_late_tiles_of_the_first_do_not(staged: Stage) -> None:
    first, second = flat_slide(3000, 3000, 90), flat_slide(3000, 3000, 180)
    first.gates[0] = threading.Event()
    staged.show(first)
    staged.look(1500, 1500, 1.0)
    staged.scene.update(staged.document)
    staged.show(second)
    assert first.closed
    assert (staged.settle() == 180).all()
    staged.look(1500, 1500, 2.5)
    assert (staged.settle() == 180).all()


def test_late_cells_of_another_source_are_dropped(staged: Stage) -> None:
    gate = threading.Event()
    slow = source_of(np.ones((1400, 1400), np.uint32))
    read = slow.read_labels

    def gated(*args: int) -> Any:
        assert gate.wait(20)
        return read(*args)

    slow.read_labels = gated  # type: ignore[method-assign]
    staged.show(flat_slide(1400, 1400, 90))
    staged.overlay(slow)
    staged.look(700, 700, 1.0, mask=True)
    staged.scene.update(staged.document)
    staged.overlay(source_of(np.zeros((1400, 1400), np.uint32)))
    staged.scene.update(staged.document)
    gate.set()
    assert (staged.settle() == 90).all()


def test_the_minimap_is_the_whole_slide_top_row_first(staged: Stage, sample_slide: Path) -> None:
    with open_slide(sample_slide) as slide:
        staged.show(slide)
        staged.look(100, 100, 0.5)
        staged.until(lambda: staged.scene.minimap(staged.document) is not None)
        width, height = staged.scene.minimap_size
        assert 256 <= max(width, height) <= 512
        assert width / height == pytest.approx(slide.size[0] / slide.size[1], rel=0.01)
        texture = staged.scene.minimap(staged.document)
        GL.glBindTexture(GL.GL_TEXTURE_2D, texture)
        pixels = np.frombuffer(GL.glGetTexImage(GL.GL_TEXTURE_2D, 0, GL.GL_RGB, GL.GL_UNSIGNED_BYTE), np.uint8)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
        wanted = slide.thumbnail(max(width, height)).astype(int)
        assert np.abs(pixels.reshape(height, width, 3)[: len(wanted)] - wanted).mean() < 4
        staged.show(None)
        staged.scene.update(staged.document)
        assert staged.scene.minimap(staged.document) is None
        assert staged.scene.minimap_size == (0, 0)


def test_gl_state_is_left_clean(staged: Stage) -> None:
    staged.show(slide_of(700, 700))
    staged.overlay(source_of(cell_labels(700, 700)))
    staged.look(350, 350, 1.0, mask=True, centroid=True)
    staged.settle()
    for switch in (GL.GL_BLEND, GL.GL_SCISSOR_TEST, GL.GL_DEPTH_TEST, GL.GL_PROGRAM_POINT_SIZE):
        assert not GL.glIsEnabled(switch)
    for binding in (
        *(GL.GL_CURRENT_PROGRAM, GL.GL_VERTEX_ARRAY_BINDING, GL.GL_ARRAY_BUFFER_BINDING),
        *(GL.GL_TEXTURE_BINDING_2D, GL.GL_TEXTURE_BINDING_2D_ARRAY, GL.GL_SAMPLER_BINDING),
    ):
        assert GL.glGetIntegerv(binding) == 0


def test_a_scene_draws_right_whatever_state_it_finds(staged: Stage) -> None:
    """The window's other painter leaves its own state behind."""
    staged.show(flat_slide(1400, 1400, 120))
    staged.look(700, 700, 1.0)
    staged.sharp()
    GL.glEnable(GL.GL_BLEND)
    GL.glEnable(GL.GL_DEPTH_TEST)
    GL.glEnable(GL.GL_CULL_FACE)
    GL.glEnable(GL.GL_SCISSOR_TEST)
    GL.glScissor(0, 0, 3, 3)
    GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
    picture = staged.picture()
    assert (picture == 120).all()


def test_closing_does_not_wait_for_a_slow_read(gl: Any) -> None:
    slide = slide_of(1400, 1400)
    slide.gates[0] = threading.Event()
    scene, document = Scene(), Document(view=View(viewport=(300, 200)))
    document.set_slide(slide)  # type: ignore[arg-type]
    scene.update(document)
    document.set_slide(None)
    scene.close()
    assert not [thread for thread in loader_threads() if thread.is_alive()]


def test_only_tiles_in_which_cells_were_added_are_read_again(staged: Stage) -> None:
    """A run adds a block at a time; the other tiles in view stay as they are."""
    labels = np.zeros((2200, 2200), np.uint32)
    source = source_of(labels)
    read, reads = source.read_labels, []

    def counted(*args: int) -> Any:
        reads.append(args)
        return read(*args)

    source.read_labels = counted  # type: ignore[method-assign]
    staged.show(flat_slide(2200, 2200, 90))
    staged.overlay(source)
    staged.look(1000, 1000, 4.0, mask=True)
    assert (staged.settle() == 90).all()
    staged.look(512, 512, 1.0, mask=True)
    staged.settle()
    reads.clear()
    labels[600:700, 600:700] = 7
    staged.document.grow_overlay((600.0, 600.0, 100.0, 100.0))
    picture = staged.settle()
    x, y = positions(staged.document.view)
    cell = ((y >= 600) & (y < 700))[:, None] & ((x >= 600) & (x < 700))[None]
    assert cell.any()
    assert (picture[cell] == [0, 255, 255]).all()
    assert (picture[~cell] == 90).all()
    # One tile of each level that was read before.
    assert 0 < len(reads) <= source.level_count + 2
    staged.document.overlay_version += 1
    reads.clear()
    staged.settle()
    assert len(reads) > 4


def test_taking_in_ends_when_the_view_is_sharp(staged: Stage) -> None:
    staged.show(slide_of(3000, 3000))
    staged.look(1500, 1500, 1.0)
    staged.scene.follow(staged.document)
    wanted, ready = staged.scene.tiles
    assert wanted > 0
    assert ready == 0
    staged.scene.take_in(20.0)
    assert staged.scene.tiles == (wanted, wanted)
    awaited = staged.picture()
    assert np.array_equal(awaited, staged.settle())


def test_taking_in_gives_up_in_time(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    slide = slide_of(3000, 3000)
    go, read = threading.Event(), slide.view_tile

    def slow(*args: int) -> Any:
        assert go.wait(20)
        return read(*args)

    monkeypatch.setattr(slide, "view_tile", slow)
    staged.show(slide)
    staged.look(1500, 1500, 1.0)
    staged.scene.follow(staged.document)
    staged.scene.take_in(0.01)
    wanted, ready = staged.scene.tiles
    assert ready < wanted
    go.set()
    staged.sharp()


def test_nothing_is_read_ahead_before_a_sharp_view_was_drawn(staged: Stage) -> None:
    staged.show(slide_of(4000, 4000))
    staged.look(2000, 2000, 1.0)
    staged.until(lambda: staged.scene.tiles[0] == staged.scene.tiles[1] and staged.scene.settled)
    slide = staged.scene._slide
    assert slide.missing(slide.ahead)
    staged.woken.clear()
    staged.picture()
    assert staged.woken
    staged.until(lambda: staged.scene.settled)
    assert not slide.missing(slide.ahead)
