"""`--screenshot`: draws the slide and its cells where nobody looks, and ends when the picture is sharp."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.app.camera import Camera
from studio.app.window import Window
from studio.document import Document, Overlay
from studio.errors import SlideError, SlideMismatchError, StudioError, UsageError
from studio.session import files

if TYPE_CHECKING:
    from studio.app.main import WindowOptions
    from studio.render.scene import Scene

SIZE = (1280, 800)
"""Width and height of the picture where nobody says."""

SUFFIXES = (".png", ".jpg", ".jpeg")

STALL_S = 120.0
"""A slide that gives no tile for so long is on a drive that is gone."""


def take_screenshot(options: WindowOptions, out: Path) -> None:
    """Write the picture. Raises StudioError where a file can't be opened, drawn or written."""
    if not options.files:
        raise UsageError("A screenshot needs a slide: name one.")
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"A screenshot is a .png or .jpg file, not {out.name}.")
    with ExitStack() as stack:
        document = Document()
        stack.callback(document.set_slide, None)
        open_files(document, options.files, options.mpp)
        # A window nobody sees, only for its GL context.
        stack.enter_context(Window((64, 64), visible=False))
        rgb = draw_sharp(document, options.size or SIZE, options.view)
    files.write_picture(rgb, out)


def open_files(document: Document, paths: Sequence[Path], mpp: float | None) -> None:
    """Put a slide and the cells of result files into a document, the last on top. Raises StudioError."""
    from studio.slide import open_slide

    results = [path for path in paths if path.suffix.lower() == ".zip"]
    slides = [path for path in paths if path.suffix.lower() != ".zip"]
    if len(slides) > 1:
        raise UsageError(f"A screenshot shows one slide; {len(slides)} are named.")
    if slides:
        document.set_slide(open_slide(slides[0], mpp=mpp))
    for path in results:
        loaded = files.load_result_file(path, document.slide)
        if document.slide is None:
            loaded.segmentation.close()
            if loaded.slide_beside is None:
                raise SlideError(f"{path.name} holds cells of a slide that isn't beside it: name the slide as well.")
            document.set_slide(open_slide(loaded.slide_beside, mpp=mpp))
            loaded = files.load_result_file(path, document.slide)
        if loaded.mismatch is not None:
            loaded.segmentation.close()
            raise SlideMismatchError(f"{path.name} doesn't belong to that slide: {loaded.mismatch}")
        document.set_overlay(Overlay(loaded.segmentation, str(path), path=path))


def draw_sharp(
    document: Document, size: tuple[int, int], view: tuple[float, float, float, float] | None
) -> NDArray[np.uint8]:
    """RGB (h, w, 3) of the document, once every tile in view is there. Needs a current GL context."""
    from studio.render.offscreen import Offscreen
    from studio.render.scene import Scene

    camera = Camera(document)
    camera.place(size, (0, 0), size)
    camera.fit() if view is None else camera.show(view)
    with ExitStack() as stack:
        scene = Scene()
        stack.callback(scene.close)
        target = Offscreen(size)
        stack.callback(target.close)
        _load_all(scene, document)
        target.bind()
        scene.draw(document, size)
        return target.read()


def _load_all(scene: Scene, document: Document) -> None:
    """Wait for the loader threads; this thread has nothing else to do."""
    news = threading.Event()
    scene.wake = news.set
    ready, since_s = -1, time.monotonic()
    while True:
        news.clear()
        scene.update(document)
        wanted, now_ready = scene.tiles
        if wanted and now_ready >= wanted:
            return
        if now_ready != ready:
            ready, since_s = now_ready, time.monotonic()
        if time.monotonic() - since_s > STALL_S:
            raise StudioError(f"Nothing could be read for {STALL_S:.0f} s. Is the slide's drive connected?")
        news.wait(0.05)
