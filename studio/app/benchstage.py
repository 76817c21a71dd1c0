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


class BenchStage(WindowStage):
    """Runs the real loop until something holds."""

    def __init__(self, window: Window, session: Session, options: WindowOptions) -> None:
        super().__init__(window, session, options)
        self._holds: Callable[[], bool] = lambda: True
        self._moves: Iterator[Callable[[], object]] = iter(())
        self._frames_drawn: list[Frame] = []
        self._forced = False
        self._until_s = 0.0
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

    def until_sharp(self) -> tuple[float, float]:
        """Run until the view is sharp; when it was covered, and when it was sharp (`time.monotonic`)."""
        self.covered_s = None
        self.until(lambda: self.sharp)
        ended_s = time.monotonic()
        return self.covered_s or ended_s, ended_s

    def play(self, moves: Iterable[Callable[[], object]]) -> list[Frame]:
        """Draw a frame after each move, as fast as the window does; what they took."""
        steps = list(moves)
        self._moves, self._frames_drawn = iter(steps), []
        self.until(lambda: len(self._frames_drawn) >= len(steps))
        return self._frames_drawn[: len(steps)]

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
