"""A window that nobody sees, and what is said when none can be opened."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import glfw
import pytest

from studio.app.window import Window, _labelled_key


def test_it_has_a_context_and_a_size(window: Window) -> None:
    from OpenGL import GL

    assert (GL.glGetIntegerv(GL.GL_MAJOR_VERSION), GL.glGetIntegerv(GL.GL_MINOR_VERSION)) >= (3, 3)
    assert window.size == window.framebuffer == (900, 600)
    assert window.content_scale >= 1
    assert not window.closing


def test_a_wake_from_another_thread_ends_the_wait(window: Window) -> None:
    window.take_events()
    timer = threading.Timer(0.05, window.wake)
    timer.start()
    while not window.take_wake():
        window.wait(60)
    timer.join()
    assert not window.take_wake()


def test_close_is_seen(window: Window) -> None:
    window.close()
    assert window.closing


def test_the_first_frame_is_wanted(window: Window) -> None:
    assert window.has_input
    window.take_events()
    assert not window.has_input


def test_keys_go_by_their_label(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {glfw.KEY_Q: "a", glfw.KEY_A: "ф", glfw.KEY_SEMICOLON: "m"}
    monkeypatch.setattr(glfw, "get_key_name", lambda key, _scancode: labels.get(key))
    assert _labelled_key(glfw.KEY_Q, 0) == glfw.KEY_A  # French keyboard
    assert _labelled_key(glfw.KEY_SEMICOLON, 0) == glfw.KEY_M
    assert _labelled_key(glfw.KEY_A, 0) == glfw.KEY_A  # Cyrillic keyboard: as on a US one
    assert _labelled_key(glfw.KEY_ESCAPE, 0) == glfw.KEY_ESCAPE


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
@pytest.mark.parametrize("display", [None, ":93471"])
def test_without_a_screen_the_program_says_what_works_instead(display: str | None, sample_slide: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    finished = subprocess.run(
        [sys.executable, "-m", "studio", str(sample_slide)],
        env=env if display is None else env | {"DISPLAY": display},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert "window can't be opened" in line
    assert ("no display" if display is None else display) in line
    assert "python -m studio segment" in line
