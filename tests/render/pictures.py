"""Slides that are arrays, scenes that are waited for, and the same pictures computed with NumPy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry
from studio.document import LAYERS, LINE_RGB, PLAIN_FILL, Document, Overlay, View
from studio.errors import SlideError
from studio.render.cellcolours import FILL_RGB
from studio.render.grid import TILE_PX
from studio.render.offscreen import Offscreen
from studio.render.points import RGB as DOT_RGB
from studio.render.scene import Scene
from tests.make_slides import tissue_like

Pixels = NDArray[np.uint8]

SIZE = (320, 240)
"""Of the pictures; small, because software GL pays by the pixel."""

FILL, LINE, GREEN = (np.array(rgb) * 255 for rgb in (FILL_RGB, LINE_RGB, DOT_RGB))
PAPER = 160


class ArraySlide:
    """What the renderer asks of a WSI, over arrays; can be slow, broken, or closed."""

    def __init__(self, *levels: Pixels, downsamples: tuple[float, ...] | None = None) -> None:
        self.levels = levels
        width = levels[0].shape[1]
        self.level_sizes = tuple((level.shape[1], level.shape[0]) for level in levels)
        self.level_downsamples = downsamples or tuple(width / level.shape[1] for level in levels)
        self.size = self.level_sizes[0]
        self.closed = False
        self.reads: list[tuple[int, int, int]] = []
        self.bad: set[tuple[int, int, int]] = set()
        self.gates: dict[int, threading.Event] = {}
        """Reads of a level wait until its event is set."""

    def view_tile(self, level: int, col: int, row: int) -> Pixels:
        self.reads.append((level, col, row))
        if level in self.gates:
            assert self.gates[level].wait(20)
        if self.closed:
            raise SlideError("This slide is closed. Open it again.")
        if (level, col, row) in self.bad:
            raise SlideError("This tile can't be decoded.")
        tile = self.levels[level][row * TILE_PX : (row + 1) * TILE_PX, col * TILE_PX : (col + 1) * TILE_PX]
        assert tile.size, "no such tile"
        return tile

    def close(self) -> None:
        self.closed = True
        for gate in self.gates.values():
            gate.set()


def flat_slide(height: int, width: int, *shades: int, down: int = 4) -> ArraySlide:
    """A slide whose levels are each of one gray, so that a picture tells which level it came from."""
    downs = [down**n for n in range(len(shades))]
    levels = [np.full((-(-height // d), -(-width // d), 3), n, np.uint8) for n, d in zip(shades, downs, strict=True)]
    return ArraySlide(*levels, downsamples=tuple(map(float, downs)))


def slide_of(height: int, width: int, seed: int = 0) -> ArraySlide:
    """A slide of one level."""
    return ArraySlide(texture(height, width, seed))


def texture(height: int, width: int, seed: int = 0) -> Pixels:
    """RGB in which no two tiles are alike, made faster than noise for every pixel."""
    block = tissue_like(487, 503, seed)
    return np.tile(block, (-(-height // 487), -(-width // 503), 1))[:height, :width]


@dataclass
class Stage:
    """A scene, its document and what it draws on."""

    document: Document
    scene: Scene
    target: Offscreen
    woken: list[int] = field(default_factory=list)

    def look(self, x: float, y: float, scale: float, **style: Any) -> None:
        """Put the view's middle at a slide point, and set the style: what isn't named is off."""
        view = self.document.view
        view.center_x, view.center_y, view.scale = x, y, scale
        off = dict.fromkeys((*LAYERS, "black_bg"), False)
        wanted = {**off, "alpha": 1.0, "fill": PLAIN_FILL}
        for name, value in {**wanted, **style}.items():
            setattr(self.document.style, name, value)

    def show(self, slide: Any) -> None:
        self.document.set_slide(slide)

    def overlay(self, source: Any) -> None:
        self.document.set_overlay(Overlay(source, "preview"))

    def until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Run frames until something holds."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.scene.update(self.document)
            if condition():
                return
            assert time.monotonic() < deadline, f"never got there; tiles {self.scene.tiles}"
            time.sleep(0.001)

    def sharp(self) -> Pixels:
        """The picture once all tiles in view are there."""
        self.until(lambda: self.scene.tiles[0] == self.scene.tiles[1])
        return self.picture()

    def settle(self) -> Pixels:
        """The picture once nothing is read any more, not even around the view."""
        self.sharp()
        self.until(lambda: self.scene.settled and self.scene.tiles[0] == self.scene.tiles[1])
        return self.picture()

    def picture(self) -> Pixels:
        """What is drawn now."""
        self.target.bind()
        self.scene.draw(self.document, self.target.size)
        return self.target.read()


@contextmanager
def stage(size: tuple[int, int] = SIZE) -> Iterator[Stage]:
    """A scene to draw a document in; needs a current context."""
    made = Stage(Document(view=View(viewport=size)), Scene(), Offscreen(size))
    made.scene.wake = lambda: made.woken.append(1)
    try:
        yield made
    finally:
        made.document.set_slide(None)
        made.scene.close()
        made.target.close()


def positions(view: View) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x of each column and y of each row of the picture, in slide pixels, at pixel centres."""
    width, height = view.viewport
    x = view.center_x + (np.arange(width) + 0.5 - width / 2) * view.scale
    y = view.center_y + (np.arange(height) + 0.5 - height / 2) * view.scale
    return x, y


def inside(view: View, width: float, height: float) -> NDArray[np.bool_]:
    """Which pixels of the picture lie on a slide of that size."""
    x, y = positions(view)
    return ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None, :]


def sampled(level: Pixels, down: float, view: View) -> NDArray[np.float64]:
    """A level through a linear filter that stops at each tile's edge, as float RGB."""
    x, y = (position / down for position in positions(view))
    rows, cols = _linear(y, level.shape[0]), _linear(x, level.shape[1])
    values = level.astype(np.float64)
    across = values[:, cols[0]] * (1 - cols[2])[None, :, None] + values[:, cols[1]] * cols[2][None, :, None]
    return across[rows[0]] * (1 - rows[2])[:, None, None] + across[rows[1]] * rows[2][:, None, None]


def nearest(array: NDArray[Any], pixel: tuple[float, float], origin: tuple[float, float], view: View) -> NDArray[Any]:
    """The array's element under each pixel of the picture, clamped at its edges. `pixel` and `origin` are x, y."""
    x, y = positions(view)
    cols = np.clip(np.floor((x - origin[0]) / pixel[0]).astype(int), 0, array.shape[1] - 1)
    rows = np.clip(np.floor((y - origin[1]) / pixel[1]).astype(int), 0, array.shape[0] - 1)
    return array[rows][:, cols]


def _linear(
    position: NDArray[np.float64], length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    first = np.floor(position / TILE_PX) * TILE_PX
    last = np.minimum(first + TILE_PX, length)
    centre = np.clip(position, np.minimum(first, length - 1) + 0.5, np.maximum(last - 0.5, 0.5)) - 0.5
    low = np.clip(np.floor(centre).astype(np.int64), 0, length - 1)
    return low, np.minimum(low + 1, length - 1), np.clip(centre - low, 0.0, 1.0)


def cell_labels(height: int, width: int, seed: int = 0, radius: float = 9.0) -> NDArray[np.uint32]:
    """Round and touching cells, some cut by the border."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.uint32)
    reach = int(radius) + 1
    for number in range(1, height * width // int(radius * radius * 8) + 2):
        row, col = int(rng.integers(height)), int(rng.integers(width))
        top, left = max(0, row - reach), max(0, col - reach)
        window = labels[top : row + reach, left : col + reach]
        y, x = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]]
        window[np.hypot(y - row, x - col) < rng.uniform(0.5, 1.0) * radius] = number
    return labels


def source_of(
    labels: NDArray[np.uint32],
    scale: tuple[float, float] = (1.0, 1.0),
    at: tuple[float, float] = (0.0, 0.0),
    **more: Any,
) -> ArraySource:
    """Labels laid on a slide; `scale` and `at` are x, y in slide pixels."""
    return ArraySource(labels, MaskGeometry(labels.shape, *scale, *at), **more)


def gray_slide(side: int = 1400) -> ArraySlide:
    return flat_slide(side, side, PAPER, PAPER, PAPER)


def labels_in_view(source: ArraySource, staged: Stage, level: int = 0) -> np.ndarray:
    """The label under each pixel of the picture."""
    geometry = source.geometry
    step = 1 << level
    pixel = (geometry.scale_x * step, geometry.scale_y * step)
    return nearest(source.labels[::step, ::step], pixel, (geometry.offset_x, geometry.offset_y), staged.document.view)


def assert_close(picture: np.ndarray, wanted: np.ndarray, most: float = 2.0) -> None:
    off = np.abs(picture.astype(float) - wanted).max(axis=2)
    assert off.max() <= most, f"{(off > most).sum()} pixels differ, by up to {off.max()}: {np.argwhere(off > most)[:5]}"
