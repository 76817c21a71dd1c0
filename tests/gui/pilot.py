"""Drives a real `Gui` frame by frame, without a window: moves, presses, types, and looks at what was drawn."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.gui.control import Control
from studio.gui.events import Char, Event, EventQueue, Key, MouseButton, MouseMove, Wheel
from studio.gui.gui import Gui

FRAME_S = 0.016

KEYS = {
    "Enter": 257, "Esc": 256, "Tab": 258, "Backspace": 259, "Down": 264, "Up": 265, "End": 269, "F1": 290, "Ctrl": 341,
}  # fmt: skip


class Pilot:
    """Draws `content(gui)` in each frame."""

    def __init__(
        self,
        content: Callable[[Gui], Any],
        *,
        size: tuple[int, int] = (1280, 800),
        pixel_ratio: float = 1.0,
        theme: str = "dark",
        ui_scale: float = 1.0,
        content_scale: float = 1.0,
    ) -> None:
        self.clipboard = ""
        self.content = content
        self.size = size
        self.pixel_ratio = pixel_ratio
        self.queue = EventQueue()
        self.after_frame: Callable[[], Any] = lambda: None
        self.gui = Gui(
            theme=theme,
            ui_scale=ui_scale,
            content_scale=content_scale,
            get_clipboard=lambda: self.clipboard,
            set_clipboard=self._set_clipboard,
        )
        self.settle()

    @property
    def pixels(self) -> tuple[int, int]:
        return round(self.size[0] * self.pixel_ratio), round(self.size[1] * self.pixel_ratio)

    def frame(self, dt_s: float = FRAME_S) -> None:
        """One frame with the events that belong into it."""
        self.gui.begin(self.queue.take(), self.size, self.pixels, dt_s)
        self.content(self.gui)
        self.gui.end()
        self.after_frame()

    def settle(self) -> None:
        """Frames until all input is taken in and the gui asks for no further one at once."""
        for count in range(2000):
            self.frame()
            if not self.queue and self.gui.next_frame_s != 0.0:
                return
            if count > 50:
                # Something on another thread (a folder being listed) is waited for; let it have the core.
                time.sleep(0.01)
        raise AssertionError("the gui asks for frames without end")

    def put(self, *events: Event) -> None:
        for event in events:
            self.queue.put(event)

    def control(self, label: str, panel: str | None = None) -> Control:
        """A control drawn in the last frame."""
        found = self.find(label, panel)
        assert found is not None, f"{label!r} isn't among {[(c.panel, c.label) for c in self.gui.controls]}"
        return found

    def find(self, label: str, panel: str | None = None) -> Control | None:
        return next((c for c in self.gui.controls if c.label == label and panel in (None, c.panel)), None)

    def labels(self, panel: str | None = None) -> list[str]:
        return [c.label for c in self.gui.controls if panel in (None, c.panel)]

    def click_at(self, x: float, y: float, *, times: int = 1) -> None:
        self.put(MouseMove(x, y))
        for _ in range(times):
            self.put(MouseButton(0, True), MouseButton(0, False))
        self.settle()

    def click(self, label: str, panel: str | None = None, *, times: int = 1) -> None:
        self.click_at(*self.control(label, panel).middle, times=times)

    def drag(self, start: tuple[float, float], *path: tuple[float, float], release: bool = True) -> None:
        self.put(MouseMove(*start), MouseButton(0, True))
        self.settle()
        for point in path:
            self.put(MouseMove(*point))
            self.settle()
        if release:
            self.put(MouseButton(0, False))
            self.settle()

    def hover(self, label: str, seconds: float = 1.0) -> None:
        self.put(MouseMove(*self.control(label).middle))
        self.settle()
        self.frame(seconds)
        self.settle()

    def wheel(self, x: float, y: float, clicks: float) -> None:
        self.put(MouseMove(x, y), Wheel(0, clicks))
        self.settle()

    def type(self, text: str) -> None:
        for letter in text:
            code = ord(letter.upper())
            self.put(Key(code, 0, True), Char(ord(letter)), Key(code, 0, False))
        self.settle()

    def key(self, name: str, *, ctrl: bool = False) -> None:
        code = KEYS.get(name) or ord(name.upper())
        mods = 2 if ctrl else 0
        if ctrl:
            self.put(Key(KEYS["Ctrl"], 0, True, 0))
        self.put(Key(code, 0, True, mods), Key(code, 0, False, mods))
        if ctrl:
            self.put(Key(KEYS["Ctrl"], 0, False, 2))
        self.settle()

    def type_into(self, label: str, text: str, *, commit: bool = True) -> None:
        """As the end-to-end tests do it: click near the left end, select all, type, Enter."""
        x, y, _, height = self.control(label).rect
        self.click_at(x + 12, y + height / 2)
        self.key("a", ctrl=True)
        self.type(text)
        if commit:
            self.key("Enter")

    def picture(self, paint_under: Callable[[], None] | None = None) -> NDArray[np.uint8]:
        """RGB (h, w, 3) of the frame finished last; once a frame."""
        from studio.render.offscreen import Offscreen

        target = Offscreen(self.pixels)
        try:
            target.bind()
            if paint_under is not None:
                paint_under()
            else:
                from OpenGL import GL

                GL.glClearColor(0.5, 0.5, 0.5, 1)
                GL.glClear(GL.GL_COLOR_BUFFER_BIT)
            self.gui.paint()
            return target.read()
        finally:
            target.close()

    def save(self, path: Path) -> None:
        """For looking at it by hand."""
        from PIL import Image

        self.frame()
        Image.fromarray(self.picture()).save(path)

    def _set_clipboard(self, text: str) -> None:
        self.clipboard = text
