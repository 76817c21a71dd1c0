"""What a slide needs to know of cells that were found on it; the cells themselves come from `studio.cellseg`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.errors import SlideMismatchError, UsageError
from studio.slide.roi import ROI, in_any

if TYPE_CHECKING:
    from studio.slide.wsi import WSI


class MaskPlace(Protocol):
    """Where a mask lies: pixel (r, c) begins at (offset_x + c * scale_x, offset_y + r * scale_y) on the slide."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""

    @property
    def scale_x(self) -> float:
        """Slide pixels to a mask pixel."""

    @property
    def scale_y(self) -> float:
        """Slide pixels to a mask pixel."""

    @property
    def offset_x(self) -> float:
        """Slide pixels."""

    @property
    def offset_y(self) -> float:
        """Slide pixels."""


class CellLabels(Protocol):
    """Segmented cells of a slide; `studio.cellseg.Segmentation` is one. Reads are safe from any thread."""

    @property
    def ids(self) -> NDArray[np.uint32]:
        """(N,) the cells' numbers in the mask, ascending."""

    @property
    def geometry(self) -> MaskPlace:
        """Place of the mask on the slide."""

    def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint32]:
        """Labels of a window of a level (0: the finest), 0 outside."""

    def centroids(self, wsi_dim: bool = False) -> NDArray[np.float64]:
        """(N, 2), in the order of `ids`: row, column in mask pixels; with `wsi_dim`, x, y in slide pixels."""

    def mismatch(self, slide: WSI) -> str | None:
        """Why the cells can't be of this slide, or None."""


@dataclass(frozen=True, eq=False)
class AppliedCells:
    """Cells that were checked to be of a slide."""

    source: CellLabels
    ids: NDArray[np.uint32]
    """(N,) numbers of the cells in use, ascending: all, or those whose centroid lies in a region of interest."""
    centres: NDArray[np.float64]
    """(N, 2): x, y of their centroids in slide pixels."""

    def __len__(self) -> int:
        return len(self.ids)


def apply_cells(slide: WSI, source: CellLabels, rois: tuple[ROI, ...], *, force: bool) -> AppliedCells:
    """Check that cells belong to a slide, and choose those within the regions (all, where there are none).

    Raises SlideMismatchError for cells of another slide, unless `force`, and UsageError for a path.
    """
    if isinstance(source, str | Path):
        raise UsageError(f"Load the cells first: Segmentation.load({str(source)!r}).")
    why = None if force else source.mismatch(slide)
    if why is not None:
        raise SlideMismatchError(
            f"These cells aren't of {slide.path.name}: {why} Give the slide they were found on; "
            "force=True, or --force, takes them all the same."
        )
    centres = source.centroids(wsi_dim=True)
    ids = source.ids
    kept = in_any(rois, centres) if rois else np.ones(len(ids), np.bool_)
    return AppliedCells(source, ids[kept], centres[kept])


@dataclass(frozen=True, slots=True)
class CellExtraction:
    """What an extraction of cells wrote."""

    slide: str
    cells: int
    """Cells that were to be extracted."""
    written: int
    """Records or files written, one a cell; less than `cells` only by those in `unreadable`."""
    padded: int
    """Cells so near the slide's edge that their tile was padded."""
    cut: int
    """Cells larger than the tile, of which the tile shows a part."""
    unreadable: tuple[int, ...]
    """Cells where the slide file is damaged; nothing was written for them."""
    tfrecord: Path | None
    tiles: Path | None
    seconds: float
