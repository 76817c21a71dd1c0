"""The window's stage on rails: moves the camera itself, and times each frame. Imported once a GL context is current."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from studio.app import loop
from studio.app.camera import Camera
from studio.app.main import WindowOptions
from studio.app.stage import WindowStage
from studio.app.window import Window
from studio.errors import StudioError
from studio.render.grid import TileKey
from studio.render.scene import Scene
from studio.session import Session

TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Frame:
    """What one frame took, showing it included."""

    wall_s: float
    cpu_s: float
    """Of the main thread."""
    all_cpu_s: float
    """Of all threads: software OpenGL draws on its own, and tiles are read meanwhile."""


@dataclass(frozen=True, slots=True)
class Sharpened:
    """How a view became sharp, in seconds. What is spent on drawing and uploads is the main thread's."""

    covered_s: float
    """Until a frame showed something everywhere."""
    sharp_s: float
    """Until a frame showed all of it sharp."""
    decode_s: float
    """Reading tiles, all threads together."""
    upload_s: float
    draw_s: float
    """Painting and showing frames."""
    gui_s: float
    """All else in frames but waiting for tiles: events, panels, what to read."""
    frames: int

    @property
    def wait_s(self) -> float:
        """Neither drawing nor uploading nor making the gui: waiting for tiles, or for the frame's turn."""
        return self.sharp_s - self.upload_s - self.draw_s - self.gui_s


class BenchStage(WindowStage):
    """Runs the real loop until something holds."""

    def __init__(self, window: Window, session: Session, options: WindowOptions) -> None:
        super().__init__(window, session, options)
        self._holds: Callable[[], bool] = lambda: True
        self._moves: Iterator[Callable[[], object]] = iter(())
        self._frames_drawn: list[Frame] = []
        self._forced = False
        self._until_s = 0.0
        self._draw_s = self._held_s = 0.0
        self.covered_s: float | None = None
        """When a frame first showed something everywhere in view."""

    @property
    def camera(self) -> Camera:
        """Moves the view."""
        return self._camera

    @property
    def scene(self) -> Scene:
        """Draws the slide."""
        return self._scene

    @property
    def area(self) -> tuple[float, float, float, float]:
        """Where the slide is drawn, in window coordinates."""
        return self._area

    @property
    def draw_s(self) -> float:
        """What painting and showing frames took, since `until_sharp` began or ever."""
        return self._draw_s

    @property
    def sharp(self) -> bool:
        """Whether all tiles in view are there."""
        wanted, ready = self._scene.tiles
        return wanted > 0 and wanted == ready

    @property
    def closing(self) -> bool:
        """Whether what is waited for is there, and was drawn."""
        if super().closing:
            raise StudioError("The window was closed before all was measured.")
        if time.monotonic() > self._until_s:
            raise StudioError("The window came to a stop. The details are in the log file; please report them.")
        return not self._forced and self._holds()

    @property
    def has_input(self) -> bool:
        """Also whether a frame is due because the view was moved."""
        return self._forced or super().has_input

    def draw(self) -> float | None:
        """Move on, draw, and note what it took."""
        move = next(self._moves, None)
        if move is not None:
            move()
        began_s, cpu_s, all_s = time.monotonic(), time.thread_time(), time.process_time()
        again_s = super().draw()
        ended_s = time.monotonic()
        spent = (time.thread_time() - cpu_s, time.process_time() - all_s)
        self._frames_drawn.append(Frame(ended_s - began_s, *spent))
        self._forced = False
        if self.covered_s is None and self._scene.covered:
            self.covered_s = ended_s
        return 0.0 if move is not None else again_s

    def until(self, holds: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
        """Run the window until something holds and a frame was drawn. Raises StudioError if that takes too long."""
        self._holds, self._forced, self._until_s = holds, True, time.monotonic() + timeout_s
        loop.run(self)

    def until_sharp(self, began_s: float) -> Sharpened:
        """Run until the view is sharp that was moved at `began_s` (`time.monotonic`)."""
        scene, self.covered_s, self._frames_drawn = self._scene, None, []
        self._draw_s = self._held_s = 0.0
        decode_s, upload_s = scene.busy_s, scene.upload_s
        self.until(lambda: self.sharp)
        sharp_s = time.monotonic() - began_s
        upload_s = scene.upload_s - upload_s
        frames_s = sum(frame.wall_s for frame in self._frames_drawn)
        return Sharpened(
            covered_s=sharp_s if self.covered_s is None else self.covered_s - began_s,
            sharp_s=sharp_s,
            decode_s=scene.busy_s - decode_s,
            upload_s=upload_s,
            draw_s=self._draw_s,
            gui_s=frames_s - self._draw_s - self._held_s,
            frames=len(self._frames_drawn),
        )

    def play(self, moves: Iterable[Callable[[], object]]) -> list[Frame]:
        """Draw a frame after each move, as fast as the window does; what they took."""
        steps = list(moves)
        self._moves, self._frames_drawn = iter(steps), []
        self.until(lambda: len(self._frames_drawn) >= len(steps))
        return self._frames_drawn[: len(steps)]

    def move(self, move: Callable[[], object], holds: Callable[[], bool]) -> None:
        """Draw a frame that begins with a move, and run on until something holds and was drawn."""
        self._moves = iter([move])
        self.until(holds)

    def count_frames(self) -> int:
        """How many frames were drawn since the last time."""
        count, self._frames_drawn = len(self._frames_drawn), []
        return count

    def rest(self, seconds: float) -> None:
        """Run the window for a while, and until nothing is read any more."""
        end_s = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end_s and self._scene.settled)

    def tiles_at(self, x: float, y: float) -> list[tuple[int, int, int]]:
        """(level of the file, column, row) of the slide's tiles in view at 1:1 around a point."""
        view = self._camera.view
        before = (view.center_x, view.center_y, view.scale)
        view.scale = 1.0
        self._camera.center_on(x, y)
        keys: list[TileKey] = self._scene.slide_tiles(view)
        view.center_x, view.center_y, view.scale = before
        return [(key.level, key.col, key.row) for key in keys]

    def _paint(self, pixels: tuple[int, int]) -> None:
        began_s = time.monotonic()
        super()._paint(pixels)
        self._draw_s += time.monotonic() - began_s

    def _show(self) -> None:
        began_s = time.monotonic()
        super()._show()
        self._draw_s += time.monotonic() - began_s

    def _wait_for_tiles(self) -> None:
        began_s = time.monotonic()
        super()._wait_for_tiles()
        self._held_s += time.monotonic() - began_s
