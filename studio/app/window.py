"""The window itself: GLFW, an OpenGL 3.3 context, and what the person does as events."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import glfw

from studio.errors import StudioError
from studio.gui.events import OUTSIDE, Char, Drop, Event, EventQueue, Focus, Key, MouseButton, MouseMove, Wheel
from studio.resources import resource

log = logging.getLogger(__name__)

TITLE = "Studio"
SIZE_MIN = (720, 480)

HEADLESS = "`python -m studio segment SLIDE -o OUT.zip` finds cells without a window."

_CURSORS = {
    "arrow": glfw.ARROW_CURSOR,
    "hand": glfw.POINTING_HAND_CURSOR,
    "text": glfw.IBEAM_CURSOR,
    "resize_h": glfw.RESIZE_EW_CURSOR,
    "resize_v": glfw.RESIZE_NS_CURSOR,
    "move": glfw.RESIZE_ALL_CURSOR,
    "crosshair": glfw.CROSSHAIR_CURSOR,
}

_GL_PLATFORMS = {glfw.PLATFORM_X11: "glx", glfw.PLATFORM_WAYLAND: "wayland", glfw.PLATFORM_NULL: "osmesa"}
"""What PyOpenGL calls the way GLFW makes its contexts; it would otherwise guess from the environment."""


@dataclass(slots=True)
class _Errors:
    """What GLFW complained about last."""

    text: str = ""

    def __call__(self, code: int, description: bytes | str) -> None:
        self.text = description.decode(errors="replace") if isinstance(description, bytes) else description
        log.info("GLFW: %s (%#x)", self.text, code)


_errors = _Errors()


class Window:
    """A window with a current GL context, as a context manager. Main thread only, except `wake`."""

    def __init__(self, size: tuple[int, int], *, visible: bool = True) -> None:
        """Open it. One that isn't `visible` needs no screen where OSMesa is installed.

        Raises StudioError, which says what is missing.
        """
        self.queue = EventQueue()
        self._woken = False
        self._exposed = True
        self._windowed: tuple[int, int, int, int] | None = None
        self._cursors: dict[str, Any] = {}
        self._cursor = "arrow"
        self._handle = _create(size, visible)
        glfw.make_context_current(self._handle)
        if visible:
            glfw.swap_interval(1)
            glfw.set_window_size_limits(self._handle, *SIZE_MIN, glfw.DONT_CARE, glfw.DONT_CARE)
            self._set_icon()
        self._listen()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in window coordinates."""
        width, height = glfw.get_window_size(self._handle)
        return width, height

    @property
    def framebuffer(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = glfw.get_framebuffer_size(self._handle)
        return width, height

    @property
    def content_scale(self) -> float:
        """How much larger than on a plain screen text should be."""
        return float(max(1.0, *glfw.get_window_content_scale(self._handle)))

    @property
    def size_unscaled(self) -> tuple[int, int]:
        """The size to open the next window with: GLFW multiplies it by the screen's scale where units are pixels."""
        (width, height), ratio = self.size, self.framebuffer[0] / max(1, self.size[0])
        factor = max(1.0, self.content_scale / max(1.0, ratio))
        return round(width / factor), round(height / factor)

    @property
    def drawable(self) -> bool:
        """Whether there is anything to draw on: not while the window is minimised."""
        return not glfw.get_window_attrib(self._handle, glfw.ICONIFIED) and min(self.framebuffer) > 0

    @property
    def resized_by_hand(self) -> bool:
        """Whether its size is the person's choice: neither fullscreen nor maximised."""
        return self._windowed is None and not glfw.get_window_attrib(self._handle, glfw.MAXIMIZED)

    @property
    def closing(self) -> bool:
        """Whether somebody asked the window to close."""
        return bool(glfw.window_should_close(self._handle))

    @property
    def fullscreen(self) -> bool:
        """Whether it fills the screen."""
        return self._windowed is not None

    @property
    def has_input(self) -> bool:
        """Whether events wait, or the system wants the window drawn anew."""
        return bool(self.queue) or self._exposed

    def take_events(self) -> list[Event]:
        """Events for the frame that begins now."""
        self._exposed = False
        return self.queue.take()

    def wait(self, timeout_s: float) -> None:
        """Take in events; return when there are some, when woken, or after the timeout."""
        if timeout_s > 0 and not self.has_input and not self._woken:
            glfw.wait_events_timeout(timeout_s)
        else:
            glfw.poll_events()

    def wake(self) -> None:
        """Make `wait` return; from any thread."""
        self._woken = True
        glfw.post_empty_event()

    def take_wake(self) -> bool:
        """Whether `wake` was called since the last time."""
        woken, self._woken = self._woken, False
        return woken

    def swap(self) -> None:
        """Show what was drawn."""
        glfw.swap_buffers(self._handle)

    def close(self) -> None:
        """Ask the window to close."""
        glfw.set_window_should_close(self._handle, True)

    def hide(self) -> None:
        """Take it off the screen, as what is left of the program needs it no more."""
        glfw.hide_window(self._handle)

    def set_title(self, title: str) -> None:
        """Change the title."""
        glfw.set_window_title(self._handle, title)

    @property
    def focused(self) -> bool:
        """Whether it has the keyboard."""
        return bool(glfw.get_window_attrib(self._handle, glfw.FOCUSED))

    def ask_for_attention(self) -> None:
        """Make its entry in the task bar blink, or its icon jump."""
        glfw.request_window_attention(self._handle)

    def set_cursor(self, name: str) -> None:
        """Show a pointer of `Gui.cursor`'s names, `move` or `crosshair`; others are arrows."""
        if name == self._cursor:
            return
        self._cursor = name
        if name not in self._cursors:
            self._cursors[name] = glfw.create_standard_cursor(_CURSORS.get(name, glfw.ARROW_CURSOR))
        glfw.set_cursor(self._handle, self._cursors[name])

    def toggle_fullscreen(self) -> None:
        """Fill the screen that the window is on, or go back to where it was."""
        if self._windowed is not None:
            x, y, width, height = self._windowed
            self._windowed = None
            no_monitor: Any = None
            glfw.set_window_monitor(self._handle, no_monitor, x, y, width, height, glfw.DONT_CARE)
            # Without a window manager nobody else gives it the keyboard back.
            glfw.focus_window(self._handle)
            return
        monitor = self._monitor()
        if monitor is None:
            return
        self._windowed = (*glfw.get_window_pos(self._handle), *self.size)
        mode = glfw.get_video_mode(monitor)
        glfw.set_window_monitor(self._handle, monitor, 0, 0, *mode.size, mode.refresh_rate)

    def get_clipboard(self) -> str:
        """Text on the clipboard; empty where there is none."""
        text: Any = glfw.get_clipboard_string(None)  # type: ignore[arg-type]  # gives bytes, whatever its stub says
        return text.decode(errors="replace") if text else ""

    def set_clipboard(self, text: str) -> None:
        """Put text on the clipboard."""
        glfw.set_clipboard_string(None, text)  # type: ignore[arg-type]  # the window is of no use to it

    def destroy(self) -> None:
        """Close it for good; the GL context goes with it."""
        for cursor in self._cursors.values():
            glfw.destroy_cursor(cursor)
        self._cursors.clear()
        glfw.destroy_window(self._handle)
        glfw.terminate()

    def __enter__(self) -> Window:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.destroy()

    def _monitor(self) -> Any:
        """The screen that shows most of the window."""
        x, y = glfw.get_window_pos(self._handle)
        width, height = self.size

        def shared(monitor: Any) -> int:
            left, top = glfw.get_monitor_pos(monitor)
            mode = glfw.get_video_mode(monitor)
            across = min(x + width, left + mode.size.width) - max(x, left)
            down = min(y + height, top + mode.size.height) - max(y, top)
            return max(0, across) * max(0, down)

        return max(glfw.get_monitors(), key=shared, default=None)

    def _set_icon(self) -> None:
        if sys.platform == "darwin":  # the dock shows the program's own
            return
        from PIL import Image

        path = resource("assets", "icon.png")
        try:
            with Image.open(path) as icon:
                sizes = [icon.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS) for side in (16, 32, 48)]
        except OSError as error:
            log.warning("No window icon: %s", error)
            return
        glfw.set_window_icon(self._handle, len(sizes), sizes)

    def _listen(self) -> None:
        window, put = self._handle, self.queue.put
        glfw.set_cursor_enter_callback(window, lambda _, inside: None if inside else put(MouseMove(*OUTSIDE)))
        glfw.set_cursor_pos_callback(window, lambda _, x, y: put(MouseMove(x, y)))
        glfw.set_mouse_button_callback(
            window, lambda _, button, action, mods: put(MouseButton(button, action == glfw.PRESS, mods))
        )
        glfw.set_scroll_callback(window, lambda _, dx, dy: put(Wheel(dx, dy)))
        glfw.set_key_callback(window, self._on_key)
        glfw.set_char_callback(window, lambda _, codepoint: put(Char(codepoint)))
        glfw.set_window_focus_callback(window, lambda _, on: put(Focus(bool(on))))
        glfw.set_drop_callback(window, self._on_drop)
        for set_callback in (
            glfw.set_window_refresh_callback,
            glfw.set_framebuffer_size_callback,
            glfw.set_window_content_scale_callback,
            glfw.set_window_iconify_callback,
        ):
            set_callback(window, self._on_change)

    def _on_key(self, _window: Any, key: int, scancode: int, action: int, mods: int) -> None:
        self.queue.put(Key(_labelled_key(key, scancode), scancode, action != glfw.RELEASE, mods, action == glfw.REPEAT))

    def _on_drop(self, _window: Any, paths: Any, *_more: Any) -> None:
        self.queue.put(Drop(tuple(Path(path) for path in paths)))

    def _on_change(self, *_values: Any) -> None:
        self._exposed = True


def _labelled_key(key: int, scancode: int) -> int:
    """GLFW names keys by where they are on a US keyboard; Ctrl+Q should be the key that says Q."""
    if glfw.KEY_A <= key <= glfw.KEY_Z or glfw.KEY_APOSTROPHE <= key <= glfw.KEY_GRAVE_ACCENT:
        name = glfw.get_key_name(key, scancode)
        if name and len(name) == 1 and name.isascii() and name.isalpha():
            return ord(name.upper())
    return key


def _create(size: tuple[int, int], visible: bool) -> Any:
    """A GLFW window with a 3.3 core context, or StudioError."""
    glfw.set_error_callback(_errors)
    if handle := _try_create(size, visible, glfw.ANY_PLATFORM):
        return handle
    why = _why_not(_errors.text)
    if visible:
        raise StudioError(f"The window can't be opened: {why}. {HEADLESS}")
    if handle := _try_create(size, visible, glfw.PLATFORM_NULL):
        return handle
    raise StudioError(
        f"The picture can't be drawn: {why}; nor without a screen: {_errors.text.rstrip('.')}. That needs OSMesa "
        "(libosmesa6 on Debian and Ubuntu, mesa-libOSMesa on Fedora)."
    )


def _try_create(size: tuple[int, int], visible: bool, platform: int) -> Any:
    _errors.text = ""
    null = platform == glfw.PLATFORM_NULL
    glfw.init_hint(glfw.PLATFORM, platform)
    if not glfw.init():
        return None
    glfw.default_window_hints()
    glfw.window_hint(glfw.CONTEXT_VERSION_MAJOR, 3)
    glfw.window_hint(glfw.CONTEXT_VERSION_MINOR, 3)
    glfw.window_hint(glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE)
    # What macOS asks for, and OSMesa refuses.
    glfw.window_hint(glfw.OPENGL_FORWARD_COMPAT, sys.platform == "darwin")
    glfw.window_hint(glfw.DEPTH_BITS, 0)
    glfw.window_hint(glfw.STENCIL_BITS, 0)
    glfw.window_hint(glfw.SCALE_TO_MONITOR, True)
    glfw.window_hint(glfw.VISIBLE, visible)
    glfw.window_hint_string(glfw.X11_CLASS_NAME, TITLE)
    glfw.window_hint_string(glfw.X11_INSTANCE_NAME, TITLE.lower())
    glfw.window_hint_string(glfw.WAYLAND_APP_ID, TITLE.lower())
    if null:
        glfw.window_hint(glfw.CONTEXT_CREATION_API, glfw.OSMESA_CONTEXT_API)
    handle = glfw.create_window(*size, TITLE, None, None)
    if not handle:
        glfw.terminate()
        return None
    if (name := _GL_PLATFORMS.get(glfw.get_platform())) is not None:
        os.environ.setdefault("PYOPENGL_PLATFORM", name)
    return handle


def _why_not(complaint: str) -> str:
    """GLFW's complaint in words that say what is missing."""
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        return "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set); start it in a desktop session"
    reason = complaint.removeprefix("X11: ").removeprefix("Wayland: ").rstrip(".") or "GLFW gave no reason"
    return f"{reason}. It needs a desktop session and a graphics driver with OpenGL 3.3"
