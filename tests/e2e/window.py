"""Drives the real program: starts it, reads its probe, clicks and types like a person."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.e2e import xdnd
from tests.e2e.xserver import Screen

Probe = dict[str, Any]

SIZE = (1500, 1150)

PLACE_S = 0.25
"""A little more than the time between two probes."""


class StudioWindow:
    """One running `python -m studio`, as a context manager that ends it."""

    def __init__(self, screen: Screen, folder: Path, *args: str | Path, size: tuple[int, int] = SIZE) -> None:
        """`folder` takes the probe, the output and (shared between windows of a test) the settings."""
        self.screen = screen
        folder.mkdir(parents=True, exist_ok=True)
        self._probe_path = folder / f"probe-{time.monotonic_ns()}.json"
        self._log = self._probe_path.with_suffix(".log")
        folders = {f"STUDIO_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "LOG", "CACHE")}
        self._command = [sys.executable, "-m", "studio", *map(str, args), "--probe", str(self._probe_path)]
        self._command += ["--size", f"{size[0]}x{size[1]}"]
        # A folder without weights: the embedded model is preselected, whatever this machine has.
        folders["CELLPOSE_LOCAL_MODELS_PATH"] = str(folder / "models")
        self._env = screen.env(STUDIO_NATIVE_DIALOGS="0", **folders)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> StudioWindow:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, env=self._env, stdout=log, stderr=log)
        try:
            self.wait("a first frame", lambda p: p["frame"] > 0)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """Process id of the program."""
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """What the program wrote so far on stdout and stderr."""
        return self._log.read_text(errors="replace")

    def end(self) -> int:
        """Ask the program to end, then make it; its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait(10)

    def wait_closed(self, timeout_s: float = 30.0) -> int:
        """The exit code, once the program ended by itself."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def probe(self) -> Probe:
        """The newest state the window wrote; empty before its first frame."""
        try:
            values: Probe = json.loads(self._probe_path.read_text())
        except FileNotFoundError:
            return {}
        return values

    def wait(self, what: str, holds: Callable[[Probe], Any], timeout_s: float = 60.0) -> Probe:
        """The first probe for which `holds` is true; fails with the state seen last."""
        assert self._process is not None
        end_s = time.monotonic() + timeout_s
        probe: Probe = {}
        while time.monotonic() < end_s:
            if self._process.poll() is not None:
                raise AssertionError(f"the program ended ({self._process.returncode}) before: {what}\n{self.output}")
            probe = self.probe()
            if probe and holds(probe):
                return probe
            time.sleep(0.05)
        state = {key: probe.get(key) for key in ("jobs", "toasts", "overlay", "cellseg", "view", "tiles")}
        labels = [f"{c['panel']}/{c['label']}" for c in probe.get("controls", [])]
        raise AssertionError(f"not within {timeout_s:g} s: {what}\n{state}\n{labels}\n{self.output[-2000:]}")

    def control(self, label: str, panel: str | None = None, timeout_s: float = 20.0) -> dict[str, Any]:
        """A control once it is drawn, enabled, and keeps its place: what appears above it moves it."""
        place: list[float] = []
        end_s = time.monotonic() + timeout_s
        while True:
            left_s = end_s - time.monotonic()
            probe = self.wait(f"control {label!r} enabled", lambda p: _find(p, label, panel, enabled=True), left_s)
            found = _find(probe, label, panel, enabled=True) or {}
            if found["rect"] == place:
                return found
            place = found["rect"]
            time.sleep(PLACE_S)

    def state(self, label: str, panel: str | None = None) -> dict[str, Any] | None:
        """A control as drawn last, enabled or not; None where it isn't drawn."""
        return _find(self.probe(), label, panel, enabled=False)

    def click(self, label: str, panel: str | None = None) -> None:
        """Click the middle of a control."""
        x, y, w, h = self.control(label, panel)["rect"]
        self.click_at(x + w / 2, y + h / 2)

    def click_at(self, x: float, y: float) -> None:
        """Click a point in window coordinates."""
        left, top = self._origin()
        self.screen.do("mousemove", str(round(left + x)), str(round(top + y)), "click", "1")

    def double_click_at(self, x: float, y: float) -> None:
        """Click a point twice, as fast as a person does."""
        self.move_to(x, y)
        self.screen.do("click", "--repeat", "2", "--delay", "60", "1")

    def move_to(self, x: float, y: float) -> None:
        """Move the pointer to a point in window coordinates."""
        left, top = self._origin()
        self.screen.do("mousemove", str(round(left + x)), str(round(top + y)))

    def drag(self, start: tuple[float, float], end: tuple[float, float], button: int = 1) -> None:
        """Press at `start`, move to `end` in a few steps, let go."""
        left, top = self._origin()
        words = ["mousemove", str(round(left + start[0])), str(round(top + start[1])), "mousedown", str(button)]
        for step in range(1, 6):
            x = start[0] + (end[0] - start[0]) * step / 5
            y = start[1] + (end[1] - start[1]) * step / 5
            words += ["mousemove", str(round(left + x)), str(round(top + y)), "sleep", "0.05"]
        self.screen.do(*words, "mouseup", str(button))

    def wheel(self, x: float, y: float, clicks: int) -> None:
        """Turn the wheel at a point; positive zooms in."""
        self.move_to(x, y)
        self.screen.do("click", "--repeat", str(abs(clicks)), "--delay", "30", "4" if clicks > 0 else "5")

    def key(self, *keys: str) -> None:
        """Press keys by their X names, such as `Return` or `ctrl+a`."""
        self.screen.do("key", "--clearmodifiers", "--delay", "30", *keys)

    def type_into(self, label: str, text: str, panel: str | None = None, *, commit: bool = True) -> None:
        """Replace a field's text, and commit it with Enter."""
        x, y, _, h = self.control(label, panel)["rect"]
        self.click_at(x + 12, y + h / 2)
        self.key("ctrl+a")
        self.screen.do("type", "--delay", "20", "--", text)
        if commit:
            self.key("Return")

    def toggle(self, section: str, panel: str = "cellseg") -> None:
        """Open or close a section, and wait until all below it has moved."""
        was_open = (self.state(section, panel) or {}).get("value")
        self.click(section, panel)
        self.wait(section, lambda _: (self.state(section, panel) or {}).get("value") is not was_open)

    def choose(self, path: Path) -> None:
        """Name a file in the dialog inside the window, and open it or save to it."""
        self.type_into("File name", str(path), "dialog")
        self.wait("no file dialog", lambda p: not _find(p, "File name", "dialog", enabled=False))

    def drop(self, *paths: Path) -> None:
        """Drop files on the middle of the window."""
        left, top = self._origin()
        width, height = self.probe()["window"]["size"]
        xdnd.drop(self.screen.display, self._window_id(), left + width // 2, top + height // 2, paths)

    def wait_job(self, title: str, timeout_s: float = 300.0, state: str = "done") -> dict[str, Any]:
        """The latest job whose title contains `title`, once it has ended; fails unless it ended in `state`."""

        def ended(probe: Probe) -> bool:
            job = _job(probe, title)
            return job is not None and job["state"] in ("done", "failed", "cancelled")

        job = _job(self.wait(f"job {title!r} ended", ended, timeout_s), title)
        assert job is not None
        assert job["state"] == state, job
        return job

    def wait_toast(self, text: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """A toast that contains `text`, in whatever case."""
        probe = self.wait(f"toast {text!r}", lambda p: _toast(p, text), timeout_s)
        return _toast(probe, text) or {}

    def wait_sharp(self, timeout_s: float = 60.0) -> Probe:
        """The state once every tile in view is there."""
        return self.wait("all tiles", lambda p: p["tiles"]["wanted"] > 0 and _sharp(p), timeout_s)

    def wait_idle(self, timeout_s: float = 60.0) -> Probe:
        """The state once no frame was drawn for a second."""
        end_s = time.monotonic() + timeout_s
        probe, since_s = self.probe(), time.monotonic()
        while time.monotonic() < end_s:
            now = self.probe()
            if now["frame"] != probe["frame"]:
                probe, since_s = now, time.monotonic()
            elif time.monotonic() - since_s > 1:
                return now
            time.sleep(0.05)
        raise AssertionError(f"the window still draws after {timeout_s:g} s: {probe['toasts']} {probe['jobs']}")

    def close_by_window_manager(self) -> None:
        """Ask the window to close as the cross in its title bar does."""
        _ask_to_close(self.screen.display, self._window_id())

    def picture(self) -> NDArray[np.uint8]:
        """(h, w, 3) RGB of the window as it stands on the screen."""
        left, top = self._origin()
        width, height = self.probe()["window"]["size"]
        return self.screen.picture()[top : top + height, left : left + width]

    def still_picture(self, timeout_s: float = 30.0) -> NDArray[np.uint8]:
        """The window once two pictures of it, a moment apart, are equal."""
        end_s = time.monotonic() + timeout_s
        before = self.picture()
        while time.monotonic() < end_s:
            time.sleep(0.3)
            now = self.picture()
            if np.array_equal(now, before):
                return now
            before = now
        raise AssertionError(f"the window still changes after {timeout_s:g} s")

    def _window_id(self) -> int:
        return _find_window(self.screen.display, self.pid)[0]

    def _origin(self) -> tuple[int, int]:
        _, left, top = _find_window(self.screen.display, self.pid)
        return left, top


def rests(probe: Probe) -> bool:
    """Whether the cells on screen are a preview's, and no others are about to come."""
    return bool(probe["cellseg"]["live"] and not probe["cellseg"]["busy"])


def _find_window(display_name: str, pid: int) -> tuple[int, int, int]:
    """Id, left and top of a process's window that takes drops."""
    from Xlib import X, display

    connection = display.Display(display_name)
    try:
        pid_atom, aware = connection.intern_atom("_NET_WM_PID"), connection.intern_atom("XdndAware")
        for window in connection.screen().root.query_tree().children:
            owner = window.get_full_property(pid_atom, X.AnyPropertyType)
            if owner and owner.value[0] == pid and window.get_full_property(aware, X.AnyPropertyType):
                place = window.get_geometry()
                return window.id, place.x, place.y
    finally:
        connection.close()
    raise AssertionError(f"process {pid} has no window")


def _ask_to_close(display_name: str, window_id: int) -> None:
    """Send the message that a window manager sends when somebody closes a window."""
    from Xlib import X, display
    from Xlib.protocol import event

    connection = display.Display(display_name)
    try:
        window = connection.create_resource_object("window", window_id)
        data = [connection.intern_atom("WM_DELETE_WINDOW"), X.CurrentTime, 0, 0, 0]
        kind = connection.intern_atom("WM_PROTOCOLS")
        window.send_event(event.ClientMessage(window=window, client_type=kind, data=(32, data)))
        # Not only flushed: what the server has sent meanwhile, unread, would take the request along when this closes.
        connection.sync()
    finally:
        connection.close()


def _find(probe: Probe, label: str, panel: str | None, *, enabled: bool) -> dict[str, Any] | None:
    for control in probe.get("controls", []):
        if control["label"] == label and panel in (None, control["panel"]) and (control["enabled"] or not enabled):
            found: dict[str, Any] = control
            return found
    return None


def _job(probe: Probe, title: str) -> dict[str, Any] | None:
    jobs: Sequence[dict[str, Any]] = [j for j in probe.get("jobs", []) if title.lower() in j["title"].lower()]
    return max(jobs, key=lambda j: j["id"], default=None)


def _toast(probe: Probe, text: str) -> dict[str, Any] | None:
    return next((t for t in probe.get("toasts", []) if text.lower() in t["text"].lower()), None)


def _sharp(probe: Probe) -> bool:
    return bool(probe["tiles"]["ready"] >= probe["tiles"]["wanted"])
