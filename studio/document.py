"""The one state object: what is open, how it is seen, what the panel asks for.

Plain values and integer versions; no windows, no threads. Whoever changes
something bumps its version, and the frame loop compares versions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from studio.cellseg.params import SegmentParams
from studio.slide.look import Look

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from studio.cellseg.cellvalues import CellValues
    from studio.cellseg.searched import Searched
    from studio.cellseg.source import LabelSource
    from studio.slide import WSI
    from studio.slide.roi import ROI

LAYERS = ("mask", "outline", "centroid", "gradxy", "cellprob")
"""Overlay layers, in drawing order and as the probe names them."""

COLORMAPS = ("Viridis", "Cividis", "Magma")
"""For values; all can be told apart by people who see few colours, and in grey."""

PLAIN_FILL = ""
FILL_BY_CELL = "#cell"
"""Kinds of fill that are no column's name."""

LINE_RGB = (1.0, 0.9, 0.0)
"""Yellow: stands out from haematoxylin, from cyan and from black."""

Rect = tuple[float, float, float, float]
"""x, y, width, height in slide pixels."""

Line = tuple[float, float, float, float]
"""x and y of the start, x and y of the end, in slide pixels."""

CompareView = Literal["b", "a", "swipe", "blink", "differences", "bare"]
"""What is shown of two segmentations: one of them, A left and B right of a divider, both in turn, what differs;
`bare` is the slide without cells left of the divider and the cells right of it."""

COMPARE_RGB = {
    "only_a": (0.90, 0.38, 0.0),
    "only_b": (0.0, 0.45, 0.85),
    "changed": (0.93, 0.84, 0.10),
    "equal": (0.55, 0.55, 0.55),
}
"""What became of cells that were compared; told apart by people who see few colours."""

_FIT_MARGIN = 1.04

_TURNS = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}

_GROWN_KEPT = 256
"""Changes of an overlay that are told apart; who missed more looks at all of it again."""


@dataclass(slots=True)
class OverlayStyle:
    """How segmented cells are drawn; toggling any of it costs one program switch."""

    mask: bool = True
    outline: bool = False
    centroid: bool = False
    gradxy: bool = False
    cellprob: bool = False
    black_bg: bool = True
    alpha: float = 1.0
    fill: str = PLAIN_FILL
    """What masks are filled by: PLAIN_FILL, FILL_BY_CELL, or a column of the cell table."""
    colormap: str = COLORMAPS[0]
    value_range: tuple[float, float] | None = None
    """Values of the map's first and last colour; None: those of `Document.values`."""
    outline_px: float = 1.75
    """Width of outlines on a screen of ordinary density."""
    outline_rgb: tuple[float, float, float] = LINE_RGB

    @property
    def layers(self) -> list[str]:
        """Names of the layers that are on."""
        return [name for name in LAYERS if getattr(self, name)]

    def show_outline(self, on: bool) -> None:
        """Turn masks into outlines and back.

        Outlines are there to be compared with the cells under them, so the
        fill and the black background give way; both can be switched on again.
        """
        self.outline = on
        self.mask = not on
        if on:
            self.black_bg = False


@dataclass(slots=True)
class View:
    """The camera: which point of the slide is in the middle, and how large a pixel is."""

    center_x: float = 0.0
    """Slide (level-0) pixel at the middle of the viewport; float64."""
    center_y: float = 0.0
    scale: float = 1.0
    """Slide pixels per viewport pixel: 1 is 1:1, larger is further out."""
    viewport: tuple[int, int] = (1280, 800)
    """Width and height in framebuffer pixels of the area the slide is drawn in."""
    offset: tuple[int, int] = (0, 0)
    """Left and top of that area in the framebuffer."""
    rotation: int = 0
    """Degrees by which the slide is turned clockwise on the screen: 0, 90, 180 or 270."""

    @property
    def span(self) -> tuple[int, int]:
        """Viewport pixels along the slide's own x and y: the viewport's sides, swapped when it lies on its side."""
        width, height = self.viewport
        return (height, width) if self.rotation % 180 else (width, height)

    @property
    def turn(self) -> tuple[int, int]:
        """Cosine and sine of the rotation."""
        return _TURNS[self.rotation]

    @property
    def rect_slide(self) -> Rect:
        """x, y, width, height in slide pixels of what is in view, however it is turned."""
        across, down = self.span
        width, height = across * self.scale, down * self.scale
        return self.center_x - width / 2, self.center_y - height / 2, width, height

    def along_slide(self, dx: float, dy: float) -> tuple[float, float]:
        """A way on the screen (viewport pixels right and down) as one on the slide (slide pixels along x and y)."""
        cos, sin = self.turn
        return (dx * cos + dy * sin) * self.scale, (dy * cos - dx * sin) * self.scale

    def slide_from_viewport(self, x: float, y: float) -> tuple[float, float]:
        """The slide point shown at a point of the viewport, in pixels from its left top corner."""
        dx, dy = self.along_slide(x - self.viewport[0] / 2, y - self.viewport[1] / 2)
        return self.center_x + dx, self.center_y + dy

    def viewport_from_slide(self, x: float, y: float) -> tuple[float, float]:
        """Where in the viewport a slide point is shown."""
        cos, sin = self.turn
        dx, dy = (x - self.center_x) / self.scale, (y - self.center_y) / self.scale
        return dx * cos - dy * sin + self.viewport[0] / 2, dx * sin + dy * cos + self.viewport[1] / 2

    def show(self, rect: Rect) -> None:
        """Bring a part of the slide into view, with a little margin."""
        x, y, width, height = rect
        self.center_x, self.center_y = x + width / 2, y + height / 2
        across, down = self.span
        self.scale = max(width / max(1, across), height / max(1, down)) * _FIT_MARGIN


@dataclass(slots=True)
class Overlay:
    """A segmentation on the slide and where it came from."""

    source: LabelSource
    origin: str
    """`preview`, `run`, or the path it was loaded from."""
    params: SegmentParams | None = None
    path: Path | None = None
    """The result file behind it; None for a preview."""
    searched: Searched | None = None
    """Regions that cells were looked for in; None: everywhere in `source`."""
    growing: bool = False
    """Whether most of it is still to come: black behind it would hide the slide for nothing."""


@dataclass(slots=True)
class Comparison:
    """A segmentation that was kept as A, to compare with what is shown later, B; and how both are looked at."""

    kept: Overlay | None = None
    """A; `Document.keep` sets it."""
    view: CompareView = "b"
    split: float = 0.5
    """Where the divider stands: share of the viewport's width."""
    blink_a: bool = False
    """Whether it is A's turn while blinking."""
    lookups: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None
    """What became of each cell of A and of B, by its number (`studio.cellseg.agreement`); None until it is known."""
    selected_a: int = 0
    """Label of the cell of A that is marked; 0 for none."""
    version: int = 0
    """Counts changes of `kept` and `lookups`."""

    @property
    def sides(self) -> tuple[str, str]:
        """What is drawn left and right of the divider: `a`, `b`, or nothing (empty)."""
        if self.view == "bare":
            return "", "b"
        if self.kept is None or self.view in ("b", "differences"):
            return "b", "b"
        if self.view == "swipe":
            return "a", "b"
        return ("a", "a") if self.view == "a" or self.blink_a else ("b", "b")

    @property
    def divided(self) -> bool:
        """Whether a divider stands in the view."""
        left, right = self.sides
        return left != right


@dataclass(slots=True)
class Document:
    """What one window shows. Main thread only."""

    slide: WSI | None = None
    overlay: Overlay | None = None
    style: OverlayStyle = field(default_factory=OverlayStyle)
    params: SegmentParams = field(default_factory=SegmentParams)
    auto_diameter: bool = False
    view: View = field(default_factory=View)
    look: Look = field(default_factory=Look)
    """How the slide's pixels are shown; stays when another slide is opened."""
    rois: list[ROI] = field(default_factory=list)
    """Regions drawn on the slide; `session.rois` changes them, everybody may read."""
    selected_roi: int | None = None
    """Index of the region that is being edited."""
    lines: list[Line] = field(default_factory=list)
    """What was measured and is still shown."""
    tool: str = ""
    """What the left mouse button does on the slide: the name of a tool of `studio.app.tools`; empty to move it."""
    comparison: Comparison = field(default_factory=Comparison)
    values: CellValues | None = None
    """What cells are coloured by, once it is there; of `overlay.source`."""
    selected_cell: int = 0
    """Label of the cell that is marked; 0 for none."""
    slide_version: int = 0
    overlay_version: int = 0
    rois_version: int = 0
    _grown: list[tuple[int, Rect]] = field(default_factory=list)

    def set_slide(self, slide: WSI | None) -> None:
        """Put another slide (or none) in the window; overlay and regions of the old one go."""
        if self.slide is not None and self.slide is not slide:
            self.slide.close()
        self.slide = slide
        self.slide_version += 1
        self.set_overlay(None)
        self.keep(None)
        self.set_rois(())
        self.lines.clear()
        self.tool = ""
        self.view.rotation = 0

    def set_rois(self, rois: Iterable[ROI], selected: int | None = None) -> None:
        """Have other regions, or others selected."""
        self.rois = list(rois)
        self.selected_roi = selected if selected is not None and 0 <= selected < len(self.rois) else None
        self.rois_version += 1

    def set_overlay(self, overlay: Overlay | None) -> None:
        """Show other cells, or none."""
        before, self.overlay = self.overlay, overlay
        self.close_unused(before)
        self.values, self.selected_cell = None, 0
        self.overlay_version += 1
        self._grown.clear()

    def take_overlay(self) -> Overlay | None:
        """Take the cells off the slide without closing them; they are the caller's now."""
        taken, self.overlay = self.overlay, None
        self.set_overlay(None)
        return taken

    def side_at(self, x: float, y: float) -> str:
        """Whose cells are seen at a point of the slide: those of `a`, of `b`, or nobody's (empty)."""
        across, _ = self.view.viewport_from_slide(x, y)
        return self.comparison.sides[across >= self.comparison.split * self.view.viewport[0]]

    def keep(self, overlay: Overlay | None) -> None:
        """Have other cells as A of the comparison, or none."""
        before, self.comparison.kept = self.comparison.kept, overlay
        self.comparison.lookups, self.comparison.selected_a = None, 0
        self.comparison.version += 1
        self.close_unused(before)

    def grow_overlay(self, rect: Rect) -> None:
        """The overlay's source has other cells in a rectangle (x, y, width, height in slide pixels) than before."""
        self.overlay_version += 1
        self._grown.append((self.overlay_version, rect))
        del self._grown[:-_GROWN_KEPT]

    def grown_since(self, version: int) -> list[Rect] | None:
        """Where the cells changed since that `overlay_version`; None where that may be anywhere."""
        grown = [rect for at, rect in self._grown if at > version]
        return grown if len(grown) == self.overlay_version - version else None

    def close_unused(self, overlay: Overlay | None) -> None:
        """Close cells that are neither shown nor kept."""
        used = [each.source for each in (self.overlay, self.comparison.kept) if each is not None]
        if overlay is not None and not any(overlay.source is source for source in used):
            overlay.source.close()
