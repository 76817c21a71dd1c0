"""One window's parts in concert: what happens in a frame, and between frames."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio.app.attention import Attention
from studio.app.camera import Camera
from studio.app.chrome import Chrome
from studio.app.commands import build_commands
from studio.app.hold import Hold
from studio.app.host import PanelHost
from studio.app.loop import FRAME_S, FrameClock
from studio.app.native_dialog import NativeDialogs
from studio.app.picture import Extras, draw_extras
from studio.app.probe import FrameState, ProbeFile, snapshot
from studio.app.shortcuts import Shortcuts
from studio.app.statusbar import magnification_text, position_text
from studio.app.toolbox import build_tools
from studio.app.viewer_input import ViewerInput
from studio.app.window import TITLE, Window
from studio.gui.events import Char, Drop, Event, Key
from studio.gui.gui import Gui
from studio.logs import log_path
from studio.render.offscreen import Offscreen
from studio.render.scene import Scene
from studio.session import Session

if TYPE_CHECKING:
    from studio.app.main import WindowOptions

log = logging.getLogger(__name__)

Rect = tuple[float, float, float, float]

CELLSEG = "cellseg"
"""The panel that `--cellpose` switches on and opens."""

POLL_S = 0.05
"""How often jobs under way are asked for news."""


class WindowStage:
    """What the loop drives: takes events apart, draws the frame, keeps the probe up to date."""

    def __init__(self, window: Window, session: Session, options: WindowOptions) -> None:
        """The window's GL context is current, here and in every call."""
        self._window = window
        self._session = session
        self._camera = Camera(session.document, options.view)
        self._tools = build_tools(session, self._camera)
        self._viewer = ViewerInput(self._camera, self._tools)
        self._native = NativeDialogs()
        self._probe = ProbeFile(options.probe) if options.probe is not None else None
        self._remember_size = options.size is None
        settings = session.settings
        self._gui = Gui(
            theme=settings.theme,
            ui_scale=settings.ui_scale,
            content_scale=window.content_scale,
            get_clipboard=window.get_clipboard,
            set_clipboard=window.set_clipboard,
        )
        self._scene = Scene()
        self._scene.wake = window.wake
        commands = build_commands(session, self._camera, self)
        self._shortcuts = Shortcuts(commands)
        host = PanelHost(session)
        if options.cellpose:
            settings.lend_extension(CELLSEG)
            host.open(CELLSEG)
        self._chrome = Chrome(session, host, commands, self._camera)
        self._hold = Hold()
        self._area: Rect = (0.0, 0.0, 0.0, 0.0)
        self._picture: tuple[Path, bool] | None = None
        self._title = ""
        self._attention = Attention(window)
        self._frames = 0
        self._began_s = time.monotonic()
        self._clock, self._cpu_clock = FrameClock(), FrameClock()

    @property
    def closing(self) -> bool:
        """Whether the window was closed."""
        return self._window.closing

    @property
    def has_input(self) -> bool:
        """Whether events wait."""
        return self._window.has_input

    @property
    def poll_s(self) -> float:
        """Jobs and file dialogs are looked at often; the probe file, and what the session waits for, when it is due."""
        busy = not self._session.idle or self._native.open
        probe_s = self._probe.wait_s(time.monotonic()) if self._probe is not None else math.inf
        return min(FRAME_S if self.loading else math.inf, POLL_S if busy else math.inf, self._session.due_s, probe_s)

    def wait(self, timeout_s: float) -> None:
        """Take in input."""
        self._window.wait(timeout_s)

    def take_wake(self) -> bool:
        """Whether tiles that came in change the picture."""
        woken, before = self._window.take_wake(), self._scene.tiles
        if not (woken or self.loading):
            return False
        # Uploads are bounded, so some may be left over that nobody wakes us for again.
        changed = self._scene.update(self._session.document)
        return changed and (woken or self._scene.tiles != before)

    @property
    def loading(self) -> bool:
        """Whether tiles of the view are still to come."""
        wanted, ready = self._scene.tiles
        return ready < wanted

    def update(self) -> bool:
        """Look after jobs, dialogs, settings and the probe."""
        changed = self._session.update()
        self._retitle()
        if (news := self._session.take_attention()) is not None:
            self._attention.tell(TITLE, news)
        changed |= self._native.update(self._session)
        now_s = time.monotonic()
        if self._probe is not None and self._probe.wait_s(now_s) <= 0:
            self._probe.write(snapshot(self._state(), self._session), now_s)
        return changed

    def draw(self) -> float | None:
        """Draw a frame of everything."""
        window, gui = self._window, self._gui
        events = window.take_events()
        if not window.drawable:
            return None
        began_s, cpu_s = time.monotonic(), time.thread_time()
        size, pixels = window.size, window.framebuffer
        settings = self._session.settings
        gui.set_look(settings.theme, settings.ui_scale, window.content_scale)
        # One that is asked for in this frame, by a dialog that it still shows, is of the next.
        picture, self._picture = self._picture, None
        # A dialog or menu of the last frame still has the keys: Esc closes it, and nothing else.
        gui_has_keys = gui.wants_keyboard
        gui.begin(events, size, pixels, began_s - self._began_s)
        gui_has_keys |= gui.wants_keyboard
        self._began_s = began_s
        self._camera.pixel_ratio, self._camera.unit = pixels[0] / size[0], gui.state.scale
        self._scene.pixel_ratio = window.content_scale
        self._react(events, began_s, gui_has_keys)
        # Tiles of a view that moved are read while the gui is made.
        self._scene.follow(self._session.document)
        self._area = self._chrome.draw(gui, self._minimap(), self._viewer.pointer)
        self._place(pixels)
        if self._session.document.slide is not None:
            with gui.chrome.under.clipped(self._area):
                self._tools.draw(gui.chrome.under, self._camera.window_from_slide)
        gui.end()
        self._scene.update(self._session.document)
        self._wait_for_tiles()
        self._paint(pixels)
        if picture is not None:
            self._take_picture(*picture, pixels)
        window.set_cursor(self._cursor(gui.cursor))
        self._show()
        if not self.loading:
            self._session.live.drawn()
        self._after(began_s, cpu_s)
        return gui.next_frame_s

    def failed(self, error: Exception) -> None:
        """Begin anew after a frame that raised, and say so."""
        self._gui.abort_frame()
        self._session.notify("error", f"Drawing failed ({type(error).__name__}: {error}). Details are in {log_path()}.")

    def close(self) -> None:
        """Free what the parts hold; the session is somebody else's."""
        self._native.close()
        self._attention.close()
        if self._probe is not None:
            self._probe.close()
        self._scene.close()
        self._gui.close()

    def quit(self) -> None:
        """End the program."""
        self._window.close()

    def toggle_fullscreen(self) -> None:
        """Fill the screen, or go back to a window."""
        self._window.toggle_fullscreen()

    def escape(self) -> None:
        """Close the help, leave fullscreen, or stop a preview: whichever comes first."""
        if self._chrome.escape():
            return
        if self._window.fullscreen:
            self._window.toggle_fullscreen()
            return
        for job in self._session.active_jobs:
            if job.title == "Preview":
                self._session.cancel(job)

    def toggle_help(self) -> None:
        """Show or hide the page of shortcuts."""
        self._chrome.toggle_help()

    def save_picture(self, path: Path, *, whole_window: bool) -> None:
        """Write a picture once the next frame is drawn."""
        self._picture = (path, whole_window)
        self._gui.draw_again()

    def copy_position(self) -> None:
        """Put where the pointer is, or else the view's middle, on the clipboard."""
        document, view = self._session.document, self._camera.view
        if document.slide is None:
            return
        x, y = self._viewer.position_slide or (view.center_x, view.center_y)
        words = [document.slide.path.name, position_text(x, y, document.slide.mpp)]
        words.append(magnification_text(view.scale, self._camera.mpp))
        text = ", ".join(" ".join(word.split()) for word in words)
        self._window.set_clipboard(text)
        self._session.notify("info", f"Copied: {text}")

    def _react(self, events: Sequence[Event], now_s: float, gui_has_keys: bool) -> None:
        """Do what events ask for that the gui leaves alone; before it draws, so that it shows the outcome."""
        for event in events:
            if isinstance(event, Drop):
                self._chrome.drop(event.paths)
        if not gui_has_keys:
            for event in events:
                key = isinstance(event, Key | Char)
                if self._gui.takes(event):
                    continue
                if not (key and self._tools.on_event(event, self._viewer.position_slide)):
                    self._shortcuts.run(event)
        self._viewer.handle(events, self._area, gui_has_mouse=self._gui.wants_mouse, now_s=now_s)

    def _cursor(self, wanted: str) -> str:
        if self._viewer.dragging:
            return "move"
        return "crosshair" if self._tools.active is not None and self._viewer.pointer is not None else wanted

    def _minimap(self) -> tuple[int, tuple[int, int]] | None:
        texture = self._scene.minimap(self._session.document)
        return None if texture is None else (texture, self._scene.minimap_size)

    def _place(self, pixels: tuple[int, int]) -> None:
        """Give the slide the area that the chrome left over."""
        ratio = self._camera.pixel_ratio
        x, y, width, height = (round(value * ratio) for value in self._area)
        self._camera.place((width, height), (x, y), pixels)

    def _paint(self, pixels: tuple[int, int]) -> None:
        self._scene.draw(self._session.document, pixels)
        self._gui.paint()

    def _show(self) -> None:
        self._window.swap()
        self._hold.drawn(time.monotonic())

    def _wait_for_tiles(self) -> None:
        """After a jump or a threshold's change, where the tiles will be there before anyone sees that they aren't."""
        rect, changed = self._camera.view.rect_slide, self._session.live.undrawn
        self._scene.take_in(self._hold.seconds(rect, time.monotonic(), self._scene.forecast_s(), changed=changed))

    def _take_picture(self, path: Path, whole_window: bool, pixels: tuple[int, int]) -> None:
        """Draw once more where it can be read, and let the session write the file."""
        view = self._session.document.view
        target = Offscreen(pixels if whole_window else view.viewport)
        offset = view.offset
        try:
            target.bind()
            if whole_window:
                self._paint(pixels)
            else:
                view.offset = (0, 0)
                self._scene.draw(self._session.document, view.viewport)
            rgb = target.read()
            if not whole_window:
                settings = self._session.settings
                extras = Extras(settings.picture_scale_bar, settings.picture_regions)
                ratio = self._window.content_scale * settings.ui_scale
                rgb = draw_extras(rgb, self._session.document, ratio, extras)
            self._session.save_picture(rgb, path)
        finally:
            view.offset = offset
            target.close()

    def _retitle(self) -> None:
        """Slide and progress in the title: the task bar shows it of a window that is out of sight."""
        slide = self._session.document.slide
        parts = (self._session.progress_text, slide.path.name if slide is not None else None, TITLE)
        title = " – ".join(part for part in parts if part)
        if title != self._title:
            self._title = title
            self._window.set_title(title)

    def _after(self, began_s: float, cpu_s: float) -> None:
        self._frames += 1
        self._clock.add(time.monotonic() - began_s)
        self._cpu_clock.add(time.thread_time() - cpu_s)
        settings = self._session.settings
        if self._remember_size and self._window.resized_by_hand:
            size = self._window.size_unscaled
            if size != tuple(settings.window_size):
                settings.window_size = size
                settings.changed()
        if self._probe is not None:
            self._probe.changed()

    def _state(self) -> FrameState:
        return FrameState(
            number=self._frames,
            size=self._window.size,
            pixels=self._window.framebuffer,
            title=self._title,
            area=self._area,
            controls=self._gui.controls,
            focus=self._gui.focus,
            tiles=self._scene.tiles,
            times=self._clock.times,
            cpu_times=self._cpu_clock.times,
        )
