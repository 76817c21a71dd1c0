"""Where on a slide cells count: on tissue (Otsu), inside regions of interest, or everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.lattice import Rect, WorkGrid

if TYPE_CHECKING:
    from studio.slide import WSI
    from studio.slide.roi import ROI

SQUARE = 64
"""Side in working pixels of the squares that tissue is noted in."""
FIELD_SQUARES = 2
"""How many squares around those where cells count the flow field is still looked at, so that cells stay whole."""


@dataclass(frozen=True, slots=True)
class Where:
    """A cell counts where its sink lies in a square of `squares` and, with `rois`, inside one of these."""

    squares: NDArray[np.bool_]
    """(rows, columns) of the SQUARE grid; False: certainly no cell counts there."""
    field: NDArray[np.bool_]
    """The same grid: `squares`, FIELD_SQUARES wider."""
    scale: float
    """Slide pixels per working pixel."""
    rois: tuple[ROI, ...] | None = None

    def holds(self, rows: NDArray[np.int32], cols: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether cells with their sinks in these working pixels count."""
        held = np.asarray(self.squares[rows // SQUARE, cols // SQUARE])
        if self.rois is None or not held.any():
            return held
        from studio.slide.roi import in_any

        points = np.stack([(cols + 0.5) * self.scale, (rows + 0.5) * self.scale], axis=1)
        return held & in_any(self.rois, points)

    def touches_field(self, rect: Rect) -> bool:
        """Whether any of `rect` lies in the field: the squares where cells count and FIELD_SQUARES around them.

        Everything outside of the field is background by definition, whatever the network would say there. So
        what is skipped doesn't depend on how the slide is cut up, and neither do the cells.
        """
        return bool(self._part(rect).any())

    def field_mask(self, rect: Rect) -> NDArray[np.bool_] | None:
        """(rows, columns) of the pixels of `rect` that lie in the field; None where all do."""
        part = self._part(rect)
        if part.all():
            return None
        rows = (np.arange(rect.top, rect.bottom) // SQUARE) - rect.top // SQUARE
        cols = (np.arange(rect.left, rect.right) // SQUARE) - rect.left // SQUARE
        return np.asarray(part[np.ix_(rows, cols)])

    def _part(self, rect: Rect, squares: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        return (self.field if squares is None else squares)[
            max(0, rect.top) // SQUARE : -(-max(0, rect.bottom) // SQUARE),
            max(0, rect.left) // SQUARE : -(-max(0, rect.right) // SQUARE),
        ]

    def share_in(self, rect: Rect) -> float:
        """Part of the squares that `rect` touches in which cells may count, 0 to 1."""
        return float(self._part(rect, self.squares).mean())

    @property
    def share(self) -> float:
        """Part of the squares in which cells may count, 0 to 1."""
        return float(self.squares.mean())


def everywhere_or(slide: WSI, grid: WorkGrid, *, tissue: bool, rois: Sequence[ROI] | None) -> Where | None:
    """The restriction that is asked for; None for none.

    Args:
        slide: the slide, for its tissue.
        grid: its working pixels.
        tissue: only where strict Otsu on the whole slide finds tissue.
        rois: only inside these.
    """
    if not tissue and rois is None:
        return None
    shape = tuple(-(-side // SQUARE) for side in grid.shape)
    squares = np.ones(shape, np.bool_)
    if tissue:
        squares &= _tissue_squares(slide, grid, shape)
    if rois is not None:
        squares &= _roi_squares(rois, grid, shape)
    return Where(squares, _wider(squares, FIELD_SQUARES), grid.scale, None if rois is None else tuple(rois))


def _tissue_squares(slide: WSI, grid: WorkGrid, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """`tissue.covers` of every square at once: a large slide has a million."""
    tissue, side = slide.tissue(), SQUARE * grid.scale
    sums = np.pad(tissue.mask.astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    spans = []
    for count, limit in zip(shape, tissue.mask.shape, strict=True):
        first = np.arange(count) * side
        low = np.clip(np.floor(first / tissue.scale), 0, limit).astype(np.intp)
        spans.append((low, np.clip(np.ceil((first + side) / tissue.scale), 0, limit).astype(np.intp)))
    (top, bottom), (left, right) = spans
    inside = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left] + sums[top][:, left]
    return np.asarray(inside > 0)


def _roi_squares(rois: Sequence[ROI], grid: WorkGrid, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Squares that a region may touch: drawn at one pixel a square, then one square wider."""
    import cv2

    drawn = np.zeros(shape, np.uint8)
    for roi in rois:
        # The outline alone: what lies in a hole is sorted out cell by cell.
        outline = np.floor(roi.outline / (grid.scale * SQUARE))
        cv2.fillPoly(drawn, [np.clip(outline, -(2**20), 2**20).astype(np.int32)], 1)
    return _wider(drawn > 0, 1)


def _wider(squares: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    import cv2

    side = 2 * by + 1
    return np.asarray(cv2.dilate(squares.astype(np.uint8), np.ones((side, side), np.uint8)), np.bool_)
