"""Opens the window: makes its parts, runs the loop, ends everything in order."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from studio.errors import UsageError

log = logging.getLogger(__name__)

Rect = tuple[float, float, float, float]

EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """What the command line says about the window."""

    files: tuple[Path, ...] = ()
    """Slides and result files to open."""
    cellpose: bool = False
    """Show the Cell Segmentation panel, whatever the settings say."""
    mpp: float | None = None
    """Micrometres per slide pixel of the slide among `files`."""
    probe: Path | None = None
    screenshot: Path | None = None
    size: tuple[int, int] | None = None
    """Of the window or the picture; None: as large as last time."""
    view: Rect | None = None
    """Slide rectangle to begin with, in level-0 pixels."""


def run_window(options: WindowOptions) -> int:
    """Open the window, or take the screenshot; the exit code. Raises StudioError where neither is possible."""
    if options.mpp is not None and all(path.suffix.lower() == ".zip" for path in options.files):
        raise UsageError("--mpp says how large a slide's pixels are: name the slide as well.")
    if options.screenshot is not None:
        from studio.app.screenshot import take_screenshot

        take_screenshot(options, options.screenshot)
        return 0
    return _run(options)


def _run(options: WindowOptions) -> int:
    from studio.app import loop
    from studio.app.window import Window
    from studio.session import Session
    from studio.settings import Settings

    settings = Settings.load()
    with ExitStack() as stack:
        window = stack.enter_context(Window(options.size or settings.window_size))
        # From here on a GL context is current; these import OpenGL. The first switches off its checks of each call.
        import studio.render.gl  # noqa: F401
        from studio.app.stage import WindowStage

        session = Session(settings)
        stack.callback(session.close)
        stage = WindowStage(window, session, options)
        stack.callback(stage.close)
        stack.callback(window.hide)
        signals = stack.enter_context(_ended_by_signals(window.close))
        if options.files:
            session.open_many(options.files, mpp=options.mpp)
        loop.run(stage)
    return EXIT_INTERRUPTED if signal.SIGINT in signals else 0


@contextmanager
def _ended_by_signals(close: Callable[[], None]) -> Iterator[list[int]]:
    """Call `close` on SIGINT and SIGTERM; a second one does what it does to any program. Yields those that came."""
    came: list[int] = []
    before: dict[signal.Signals, Any] = {}

    def end(number: int, _frame: FrameType | None) -> None:
        log.info("Ended by signal %d", number)
        came.append(number)
        close()
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    for each in (signal.SIGINT, signal.SIGTERM):
        before[each] = signal.signal(each, end)
    try:
        yield came
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
