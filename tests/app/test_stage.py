"""The whole window on software GL without a screen: frames, input, failures, pictures."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import glfw
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from studio.app import loop
from studio.app import stage as stage_module
from studio.app.hold import STILL_S
from studio.app.main import WindowOptions
from studio.app.picture import Extras
from studio.app.shortcuts import PRIMARY_MOD
from studio.app.stage import WindowStage
from studio.app.window import Window
from studio.cellseg import Segmentation
from studio.cellseg.resultfile import ResultFile
from studio.cellseg.source import MaskGeometry
from studio.cellseg.tunedsource import TunedSource
from studio.core.jobs import Job, JobState
from studio.document import Document, Overlay
from studio.errors import StudioError
from studio.gui.control import Control
from studio.gui.events import KEY_ENTER, MOD_SHIFT, Char, Drop, Event, Key, MouseButton, MouseMove, Wheel
from studio.session import Session
from studio.session.thresholds import Shown, Wish
from studio.settings import Settings
from studio.slide.openslide_reader import OpenSlideReader


class Driver:
    """A stage, and hands for it."""

    def __init__(self, window: Window, options: WindowOptions) -> None:
        self.window = window
        self.session = Session(Settings())
        self.stage = WindowStage(window, self.session, options)
        if options.files:
            self.session.open_many(options.files, mpp=options.mpp)

    def until(self, holds: Callable[[], object], timeout_s: float = 60.0) -> None:
        """Draw frames as the loop would until something is so."""
        end_s = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < end_s, [t.text for t in self.session.toasts]
            self.stage.wait(0.0)
            time.sleep(0.005)  # on the null platform `wait` never sleeps
            self.stage.update()
            self.stage.take_wake()
            self.stage.draw()

    def frames(self, count: int = 3) -> None:
        first = self.drawn
        self.until(lambda: self.drawn >= first + count)

    def put(self, *events: Event) -> None:
        """Let something happen, and the frames that it takes."""
        for event in events:
            self.window.queue.put(event)
        self.until(lambda: not self.window.queue)
        self.frames()

    def click(self, label: str) -> None:
        x, y = self.control(label).middle
        self.put(MouseMove(x, y), MouseButton(0, True), MouseButton(0, False))

    def control(self, label: str) -> Control:
        return next(c for c in self.stage._state().controls if c.label == label)

    @property
    def drawn(self) -> int:
        return self.stage._state().number

    @property
    def sharp(self) -> bool:
        wanted, ready = self.stage._state().tiles
        return 0 < wanted <= ready

    def close(self) -> None:
        self.stage.close()
        self.session.close()


@pytest.fixture
def drive(window: Window, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Driver]]:
    monkeypatch.setenv("STUDIO_NATIVE_DIALOGS", "0")
    drivers: list[Driver] = []

    def start(**options: object) -> Driver:
        drivers.append(Driver(window, WindowOptions(**options)))  # type: ignore[arg-type]
        return drivers[0]

    yield start
    for driver in drivers:
        driver.close()


@pytest.fixture
def cells(sample_slide: Path, tmp_path: Path) -> Path:
    """A few square cells with flows on the sample slide."""
    from studio.slide import open_slide

    masks = np.zeros((600, 450), np.uint32)
    for number in range(1, 40):
        row, col = divmod(number, 7)
        masks[row * 60 + 20 : row * 60 + 40, col * 60 + 20 : col * 60 + 40] = number
    flows = np.ones((600, 450, 3), np.float16) * (masks > 0)[..., None]
    with open_slide(sample_slide) as slide:
        segmentation = Segmentation(masks, slide=slide, flows=flows.astype(np.float16))
        segmentation.save(tmp_path / "cells.zip")
        segmentation.close()
    return tmp_path / "cells.zip"


def test_no_frame_ever_reads_a_slide_or_a_result(
    drive: Callable[..., Driver], sample_slide: Path, cells: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: dict[str, set[str]] = {}

    def watch(kind: type, name: str) -> None:
        original = getattr(kind, name)

        def watched(*args: object, **named: object) -> object:
            readers.setdefault(f"{kind.__name__}.{name}", set()).add(threading.current_thread().name)
            return original(*args, **named)

        monkeypatch.setattr(kind, name, watched)

    for kind, name in (
        *((OpenSlideReader, name) for name in ("__init__", "read", "associated_images")),
        *((ResultFile, name) for name in ("__init__", "read_labels", "read_flow", "centroids", "column")),
    ):
        watch(kind, name)
    driver = drive(files=(sample_slide, cells), cellpose=True)
    document = driver.session.document
    driver.until(lambda: document.overlay is not None and driver.sharp)
    x, y, w, h = driver.stage._area
    driver.put(MouseMove(x + w / 2, y + h / 2), Wheel(0, 4))
    document.style.centroid = document.style.gradxy = document.style.outline = True
    driver.frames()
    driver.until(lambda: driver.sharp)
    for title in ("Slide", "Settings", "Extensions", "Cell Segmentation"):
        driver.click(title)
    driver.until(lambda: driver.session.idle and driver.sharp)

    assert {"OpenSlideReader.read", "ResultFile.read_labels", "ResultFile.read_flow"} <= readers.keys()
    assert {name: names for name, names in readers.items() if threading.main_thread().name in names} == {}


def test_it_sleeps_when_nothing_happens(drive: Callable[..., Driver], sample_slide: Path) -> None:
    driver = drive(files=(sample_slide,))
    driver.until(lambda: driver.sharp)
    ends_s = time.monotonic() + 1.5
    drawn: list[int] = []

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(driver.stage, name)

        @property
        def closing(self) -> bool:
            drawn.append(driver.drawn)
            return time.monotonic() > ends_s

    loop.run(Watched())  # type: ignore[arg-type]
    # What tiles read ahead bring in, and the gui's settling, ends within the first moments.
    assert len(drawn) > 10
    assert drawn[-1] == drawn[len(drawn) // 2]


def test_dropped_files_are_opened_and_named_in_the_title(
    drive: Callable[..., Driver], sample_slide: Path, cells: Path
) -> None:
    driver = drive()
    driver.frames()
    assert driver.stage._title == "Studio"
    driver.put(Drop((cells, sample_slide)))
    driver.until(lambda: driver.session.document.overlay is not None)
    driver.frames()
    assert driver.stage._title == f"{sample_slide.name} – Studio"
    driver.put(Key(glfw.KEY_W, 0, True, PRIMARY_MOD), Key(glfw.KEY_W, 0, False, PRIMARY_MOD))
    assert driver.session.document.slide is None
    assert driver.stage._title == "Studio"


def test_lines_over_the_slide_and_letters_in_pictures_follow_the_ui_scale(
    drive: Callable[..., Driver], sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, ratios = drive(files=(sample_slide,)), list[float]()

    def drawn(rgb: np.ndarray, document: Document, ratio: float, extras: Extras) -> np.ndarray:
        ratios.append(ratio)
        return rgb

    monkeypatch.setattr(stage_module, "draw_extras", drawn)
    driver.until(lambda: driver.sharp)
    units = []
    for scale in (1.0, 2.0):
        driver.session.settings.ui_scale = scale
        driver.frames()
        driver.stage.save_picture(tmp_path / f"{scale}.png", whole_window=False)
        driver.frames()
        units.append(driver.stage._camera.unit)
    assert units[1] == 2 * units[0]
    assert ratios == [ratios[0], 2 * ratios[0]]


def test_characters_typed_into_a_field_are_no_shortcuts(drive: Callable[..., Driver], sample_slide: Path) -> None:
    driver = drive(files=(sample_slide,), cellpose=True)
    driver.until(lambda: driver.sharp)
    view = driver.session.document.view.rect_slide
    driver.click("Diameter")
    driver.put(Key(glfw.KEY_A, 0, True, PRIMARY_MOD), Key(glfw.KEY_A, 0, False))
    driver.put(Char(ord("1")), Char(ord("2")))
    driver.put(Key(glfw.KEY_ENTER, 0, True), Key(glfw.KEY_ENTER, 0, False))
    assert driver.session.document.params.diam_um == 12
    assert driver.session.document.view.rect_slide == view
    driver.put(Char(ord("1")))
    assert driver.session.document.view.scale == 1


def test_a_sharp_view_asks_for_nothing_more(drive: Callable[..., Driver], sample_slide: Path) -> None:
    driver = drive(files=(sample_slide,))
    driver.until(lambda: driver.stage.poll_s < loop.HEARTBEAT_S)
    driver.until(lambda: driver.sharp and driver.session.idle)
    assert driver.stage.poll_s >= loop.HEARTBEAT_S


def test_escape_closes_the_help_before_it_stops_anything(drive: Callable[..., Driver]) -> None:
    driver = drive()
    escape = (Key(glfw.KEY_ESCAPE, 0, True), Key(glfw.KEY_ESCAPE, 0, False))
    driver.put(Key(glfw.KEY_F1, 0, True), Key(glfw.KEY_F1, 0, False))
    assert driver.stage._gui.state.modal == "help"
    driver.put(*escape)
    assert driver.stage._gui.state.modal is None
    assert not driver.stage.closing
    driver.put(Key(glfw.KEY_Q, 0, True, PRIMARY_MOD))
    assert driver.stage.closing


def test_a_frame_that_raises_is_shown_and_the_next_one_works(
    drive: Callable[..., Driver], sample_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = drive(files=(sample_slide,), cellpose=True)
    driver.until(lambda: driver.sharp)
    original = driver.stage._chrome.draw
    left = [1]

    def draw(*args: object) -> object:
        drawn = original(*args)  # type: ignore[arg-type]
        if left and left.pop():
            raise ValueError("half-way")
        return drawn

    monkeypatch.setattr(driver.stage._chrome, "draw", draw)
    with pytest.raises(ValueError, match="half-way"):
        driver.stage.draw()
    driver.stage.failed(ValueError("half-way"))
    driver.frames(4)
    assert any("half-way" in toast.text for toast in driver.session.toasts)
    driver.click("Auto-detect diameter")
    assert driver.session.document.auto_diameter


def test_frames_that_go_on_raising_end_the_loop(drive: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch) -> None:
    driver = drive()
    monkeypatch.setattr(driver.stage._scene, "draw", lambda *_: (_ for _ in ()).throw(OSError("no more GL")))
    with pytest.raises(StudioError, match="no more GL"):
        loop.run(driver.stage)


def test_pictures_of_view_and_window(drive: Callable[..., Driver], sample_slide: Path, tmp_path: Path) -> None:
    driver = drive(files=(sample_slide,))
    driver.until(lambda: driver.sharp)
    for mods, name in ((PRIMARY_MOD, "view.png"), (PRIMARY_MOD | MOD_SHIFT, "window.png")):
        driver.put(Key(ord("P"), 0, True, mods), Key(ord("P"), 0, False))
        driver.put(*(Char(ord(letter)) for letter in str(tmp_path / name)))
        driver.put(Key(KEY_ENTER, 0, True), Key(KEY_ENTER, 0, False))
        driver.until(lambda name=name: any(name in toast.text for toast in driver.session.toasts))
    view = np.asarray(Image.open(tmp_path / "view.png")).astype(int)
    window = np.asarray(Image.open(tmp_path / "window.png")).astype(int)
    left, top = driver.session.document.view.offset
    width, height = driver.session.document.view.viewport
    assert window.shape[:2] == driver.window.framebuffer[::-1]
    assert view.shape[:2] == (height, width)
    part = window[top : top + height, left : left + width]
    # The same slide, but for what floats over it.
    assert (np.abs(part - view).max(-1) <= 1).mean() > 0.8
    assert driver.session.document.view.offset == (left, top)


class SlowSource(TunedSource):
    """Takes its time to say which cells there are."""

    def read_labels(self, *at: int) -> NDArray[np.uint32]:
        time.sleep(0.05)
        return super().read_labels(*at)


def test_the_frame_that_follows_a_threshold_shows_its_cells(
    drive: Callable[..., Driver], sample_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.app.hold.HOLD_S", 10.0)
    driver = drive(files=(sample_slide,), view=(500.0, 600.0, 400.0, 300.0))
    driver.until(lambda: driver.sharp)
    session, document = driver.session, driver.session.document
    source = SlowSource(MaskGeometry((300, 400), 1.0, 1.0, 500.0, 600.0, 0.5))
    document.set_overlay(Overlay(source, "preview", document.params))
    assert document.overlay is not None
    session.live.made(Shown(document.overlay, source.rect_slide, None, document.slide_version))
    driver.until(lambda: driver.sharp)

    def answer(_shown: Shown, _wish: Wish, apply: Callable[[Job], None], _failed: object) -> Job:
        job = Job(1, "Thresholds", document.slide_version, JobState.DONE)
        job.result = {"labels": np.full((300, 400), 1, np.uint16), "flows": None, "centroids": [[9, 9]], "tiles": 0}
        apply(job)
        return job

    session.live.submit = answer
    # The view stands, and has stood for a while.
    time.sleep(2 * STILL_S)
    driver.frames()
    session.set_params(cellprob_threshold=1.0)
    assert session.live.undrawn
    driver.stage.draw()
    assert not session.live.undrawn
    assert source.cells == 1


def test_the_first_view_comes_from_the_options(drive: Callable[..., Driver], sample_slide: Path) -> None:
    driver = drive(files=(sample_slide,), view=(500.0, 600.0, 400.0, 100.0), mpp=0.3)
    driver.until(lambda: driver.sharp)
    x, y, w, h = driver.session.document.view.rect_slide
    assert (x + w / 2, y + h / 2) == pytest.approx((700, 650))
    assert w == pytest.approx(400)
    assert driver.session.document.slide is not None
    assert driver.session.document.slide.mpp == 0.3


def test_the_probe_follows(drive: Callable[..., Driver], sample_slide: Path, tmp_path: Path) -> None:
    driver = drive(files=(sample_slide,), probe=tmp_path / "probe.json")
    driver.until(lambda: driver.sharp)

    def up_to_date() -> bool:
        driver.stage.update()
        text = (tmp_path / "probe.json").read_text() if (tmp_path / "probe.json").exists() else "{}"
        return bool(json.loads(text).get("frame") == driver.drawn)

    ends_s = time.monotonic() + 30
    while not up_to_date():
        assert time.monotonic() < ends_s
        time.sleep(0.02)
    values = json.loads((tmp_path / "probe.json").read_text())
    assert values["slide"]["name"] == sample_slide.stem
    assert values["tiles"]["ready"] == values["tiles"]["wanted"] > 0
    assert {c["panel"] for c in values["controls"]} >= {"menu", "view"}


def test_the_window_size_is_remembered_unless_it_was_given(drive: Callable[..., Driver], window: Window) -> None:
    driver = drive()
    driver.frames(1)
    assert tuple(driver.session.settings.window_size) == window.size


def test_a_given_size_is_not_remembered(drive: Callable[..., Driver], window: Window) -> None:
    driver = drive(size=(900, 600))
    before = driver.session.settings.window_size
    driver.frames(1)
    assert driver.session.settings.window_size == before != window.size


def test_the_position_is_copied(drive: Callable[..., Driver], sample_slide: Path) -> None:
    driver = drive(files=(sample_slide,))
    driver.until(lambda: driver.sharp)
    x, y, width, height = driver.stage._area
    driver.put(MouseMove(x + width / 2, y + height / 2))
    driver.stage.copy_position()
    assert driver.window.get_clipboard().startswith("CMU-1-Small-Region.svs, 1,110, 1,48")
    assert "µm/px" in driver.window.get_clipboard()
