"""A screen without a monitor: Xvfb, and mouse and keyboard through xdotool."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SCREEN = (1600, 1200)


def missing() -> str | None:
    """Why no window can be driven here, in words; None when one can."""
    try:
        import Xlib  # noqa: F401
    except ImportError:
        return "python-xlib is not installed (pip install 'studio-wsi[test]')"
    absent = [name for name in ("Xvfb", "xdotool") if shutil.which(name) is None]
    return f"{' and '.join(absent)} not installed (apt-get install xvfb xdotool)" if absent else None


@dataclass(frozen=True, slots=True)
class Screen:
    """A running X server."""

    display: str

    def env(self, **more: str) -> dict[str, str]:
        """The environment of a program that shall draw on it, with software OpenGL."""
        env = {k: v for k, v in os.environ.items() if k not in ("WAYLAND_DISPLAY", "PYOPENGL_PLATFORM")}
        return env | {"DISPLAY": self.display, "LIBGL_ALWAYS_SOFTWARE": "1"} | more

    def do(self, *words: str) -> None:
        """One xdotool command line."""
        subprocess.run(["xdotool", *words], env=self.env(), check=True, capture_output=True, timeout=30)

    def clipboard(self, timeout_s: float = 10.0) -> str:
        """The text on the clipboard, as another program gets it."""
        from Xlib import X, display

        connection = display.Display(self.display)
        try:
            window = connection.screen().root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
            place = connection.intern_atom("TEXT_HERE")
            names = [connection.intern_atom(name) for name in ("CLIPBOARD", "UTF8_STRING")]
            window.convert_selection(*names, place, X.CurrentTime)
            end_s = time.monotonic() + timeout_s
            while time.monotonic() < end_s:
                while connection.pending_events():
                    if connection.next_event().type == X.SelectionNotify:
                        found = window.get_full_property(place, X.AnyPropertyType)
                        return found.value.decode() if found is not None else ""
                time.sleep(0.01)
        finally:
            connection.close()
        raise AssertionError("nobody has anything on the clipboard")

    def picture(self) -> NDArray[np.uint8]:
        """(h, w, 3) RGB of the whole screen as it is now."""
        from Xlib import X, display

        connection = display.Display(self.display)
        try:
            root = connection.screen().root
            width, height = SCREEN
            image = root.get_image(0, 0, width, height, X.ZPixmap, 0xFFFFFFFF)
            bgrx = np.frombuffer(image.data, np.uint8).reshape(height, width, 4)
            return np.ascontiguousarray(bgrx[:, :, 2::-1])
        finally:
            connection.close()


@contextmanager
def xvfb(log: Path) -> Iterator[Screen]:
    """A server on a free display number, ended afterwards. `-noreset`: it outlives its last client."""
    read_end, write_end = os.pipe()
    width, height = SCREEN
    with log.open("wb") as err:
        process = subprocess.Popen(
            [
                "Xvfb",
                "-displayfd",
                str(write_end),
                "-screen",
                "0",
                f"{width}x{height}x24",
                "-noreset",
                "-nolisten",
                "tcp",
            ],
            pass_fds=[write_end],
            stdout=err,
            stderr=err,
        )
    os.close(write_end)
    try:
        with os.fdopen(read_end) as answer:
            number = answer.readline().strip()
        if not number:
            raise RuntimeError(f"Xvfb didn't start: {log.read_text()}")
        yield Screen(f":{number}")
    finally:
        process.terminate()
        process.wait(10)
