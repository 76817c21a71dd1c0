"""The window's frame with a real session, camera and commands, and no window: what `stage.py` does, without GLFW."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from studio.app.camera import Camera
from studio.app.chrome import Chrome
from studio.app.commands import build_commands
from studio.app.host import PanelHost
from studio.gui.gui import Gui
from studio.gui.panel import PanelSpec
from studio.session import Session
from studio.settings import Settings
from tests.gui.pilot import Pilot


class Stand:
    """One frame as the window draws it; `p` presses and types."""

    def __init__(
        self, *, specs: Sequence[PanelSpec] | None = None, size: tuple[int, int] = (1280, 800), **settings: Any
    ) -> None:
        self.called: list[str] = []
        self.session = Session(Settings(**settings))
        # No worker processes: opening the panel would start one.
        self.session.warm_up = lambda: self.called.append("warm_up")  # type: ignore[method-assign]
        self.camera = Camera(self.session.document)
        self.host = PanelHost(self.session, specs)
        self.commands = build_commands(self.session, self.camera, self)
        self.chrome = Chrome(self.session, self.host, self.commands, self.camera)
        self.area = (0.0, 0.0, 0.0, 0.0)
        self.pointer: tuple[float, float] | None = None
        self.minimap: tuple[int, tuple[int, int]] | None = None
        self.p = Pilot(self._draw, size=size)

    def close(self) -> None:
        self.p.gui.close()
        self.session.close()

    def open_slide(self, path: Path) -> None:
        from studio.slide import WSI

        self.session.document.set_slide(WSI(path))
        self.p.settle()

    def wait(self, done: Any) -> None:
        """Frames until something that another thread does is there."""
        import time

        end_s = time.monotonic() + 20
        while not done():
            assert time.monotonic() < end_s, "nothing came of it"
            self.p.frame()
            time.sleep(0.005)
        self.p.settle()

    def drawn(self) -> list[str]:
        """Texts of another frame, as they are shown."""
        from studio.gui.painter import Painter

        texts: list[str] = []
        draw = Painter.text
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Painter, "text", lambda *args: (texts.append(args[2]), draw(*args))[1])
            self.p.frame()
        return texts

    def quit(self) -> None:
        self.called.append("quit")

    def toggle_fullscreen(self) -> None:
        self.called.append("fullscreen")

    def escape(self) -> None:
        self.called.append("escape")

    def toggle_help(self) -> None:
        self.chrome.toggle_help()

    def copy_position(self) -> None:
        self.called.append("copy_position")

    def save_picture(self, path: Path, *, whole_window: bool) -> None:
        self.called.append(f"picture {path.name} {whole_window}")

    def _draw(self, gui: Gui) -> None:
        self.session.update()
        settings = self.session.settings
        gui.set_look(settings.theme, settings.ui_scale, 1.0)
        self.area = self.chrome.draw(gui, self.minimap, self.pointer)
        left, top, width, height = (round(value) for value in self.area)
        size = (round(gui.chrome.size[0]), round(gui.chrome.size[1]))
        self.camera.place((width, height), (left, top), size)
