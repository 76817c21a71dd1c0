"""Images of single cells, each read when it is asked for: straight from slide and segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.extract.stain import Normalizer, normalizer_for
from studio.slide.cells import AppliedCells, CellLabels, apply_cells

if TYPE_CHECKING:
    from studio.extract.torchset import TorchCells
    from studio.slide import WSI
    from studio.slide.tiles import Patch

_NEIGHBOURHOOD_PX = 2048
"""Cells are read square by square of this many slide pixels, so that a slide's tiles are decoded once."""

_WHITE, _BLACK = 255, 0


@dataclass(frozen=True, slots=True, eq=False)
class CellTile:
    """One cell: its image and where it lies."""

    cell_id: int
    image: NDArray[np.uint8]
    """RGB (tile_px, tile_px, 3)."""
    mask: NDArray[np.bool_]
    """(tile_px, tile_px): the cell itself."""
    x: float
    """Its centroid in slide pixels."""
    y: float
    x_um: float
    """Its centroid in µm from the slide's top left."""
    y_um: float
    padded: bool
    """The tile reaches beyond the slide."""

    @property
    def cut(self) -> bool:
        """The cell reaches the tile's border: it is larger than the tile."""
        edges = (self.mask[0], self.mask[-1], self.mask[:, 0], self.mask[:, -1])
        return any(bool(edge.any()) for edge in edges)


class CellTiles:
    """A sequence of `CellTile`s: `tiles[i]`, `len(tiles)`, iteration. Reads are safe from any thread.

    A tile is `slide.tile_px` pixels and `slide.tile_um` µm a side and lies
    around the cell's centroid, moved by half a slide pixel at most. It is
    padded beyond the slide, white (black for fluorescence), so no cell is left out.

    Args:
        slide: opened with `tile_px` and `tile_um`.
        cells: a segmentation, or None for the cells that `slide.apply_segmentation` was given.
        apply_masks: paint over all but the cell itself, other cells included.
        normalizer: `macenko`, `reinhard`, or a function from RGB to RGB; applied before the mask.
        background: brightness of what is painted over, 0 to 255.

    Raises:
        UsageError: no tile size, no cells, an unknown normalizer.
        MissingMppError: the slide's pixel size isn't known.
        SlideMismatchError: cells of another slide.

    >>> from studio import WSI, Segmentation
    >>> from studio.resources import resource
    >>> masks = np.zeros((2967, 2220), np.uint32)
    >>> masks[1000:1020, 800:830] = 1
    >>> with WSI(resource("assets", "samples", "CMU-1-Small-Region.svs"), tile_px=64, tile_um="20x") as slide:
    ...     cell = CellTiles(slide, Segmentation(masks, slide=slide))[0]
    >>> cell.cell_id, cell.x, cell.y, cell.image.shape, int(cell.mask.sum())
    (1, 815.0, 1010.0, (64, 64, 3), 600)
    """

    def __init__(
        self,
        slide: WSI,
        cells: CellLabels | None = None,
        *,
        apply_masks: bool = True,
        normalizer: str | Normalizer | None = None,
        background: int = _BLACK,
    ) -> None:
        if cells is None and slide.segmentation is None:
            raise UsageError("There are no cells to extract. Call slide.apply_segmentation(segmentation) first.")
        check_background(background)
        slide.patch(0, 0)
        self.slide = slide
        self.cells: AppliedCells = slide.segmentation if cells is None else apply_cells(slide, cells, (), force=False)  # type: ignore[assignment]
        self.apply_masks = apply_masks
        self.background = background
        self.normalizer = normalizer_for(slide, normalizer) if len(self.cells) else None
        self._outside = _BLACK if slide.is_fluorescence() else _WHITE

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, index: int) -> CellTile:
        """Cell `cells.ids[index]`. Raises SlideError where the slide can't be read there."""
        cells = self.cells
        cell_id = int(cells.ids[index])
        x, y = (float(value) for value in cells.centres[index])
        patch = self.slide.patch(x, y)
        image = self.slide.read_rect(patch.left, patch.top, patch.scale, patch.px, patch.px, self._outside)
        if self.normalizer is not None:
            image = self.normalizer(image)
        mask = cell_mask(cells.source, cell_id, patch)
        if self.apply_masks:
            image[~mask] = self.background
        mpp = self.slide.require_mpp()
        return CellTile(cell_id, image, mask, x, y, x * mpp, y * mpp, not patch.within(self.slide.size))

    def __iter__(self) -> Iterator[CellTile]:
        """All cells in the order of `reading_order`."""
        return (self[index] for index in self.reading_order().tolist())

    def reading_order(self) -> NDArray[np.intp]:
        """Indices of all cells, neighbours together: the order that reads the slide fastest. Always the same.

        >>> CellTiles(slide, segmentation).reading_order().tolist()
        [0, 1]
        """
        column, row = (self.cells.centres // _NEIGHBOURHOOD_PX).T
        order: NDArray[np.intp] = np.lexsort((self.cells.ids, column, row))
        return order

    def to_torch(self, transform: Any = None) -> TorchCells:
        """A dataset for `torch.utils.data.DataLoader`, also with several workers; see `TorchCells`.

        Raises UsageError for a segmentation that was never saved: workers read it from its file.

        >>> from tempfile import TemporaryDirectory
        >>> from studio import Segmentation
        >>> with TemporaryDirectory() as folder:
        ...     saved = Segmentation.load(segmentation.save(f"{folder}/masks.zip"))
        ...     cell = CellTiles(slide, saved).to_torch()[0]
        >>> cell["image"].shape, cell["image"].dtype, int(cell["mask"].sum()), int(cell["cell_id"])
        (torch.Size([3, 96, 96]), torch.uint8, 2400, 1)
        """
        from studio.extract.torchset import TorchCells

        return TorchCells.of(self, transform)


def check_background(background: int) -> None:
    """Raise UsageError for what is no brightness."""
    if not 0 <= background <= 255:
        raise UsageError(f"background must be a brightness from 0 to 255, not {background!r}.")


def cell_mask(source: CellLabels, cell_id: int, patch: Patch) -> NDArray[np.bool_]:
    """Where a patch (px, px) shows a cell: at each pixel's centre, the nearest label.

    A cell smaller than the pixels between the centres still gets the pixel it lies in.

    >>> int(cell_mask(segmentation, 1, slide.patch(815, 1010)).sum())
    2400
    """
    place = source.geometry
    centres = (np.arange(patch.px) + 0.5) * patch.scale
    cols = np.floor((patch.left + centres - place.offset_x) / place.scale_x).astype(np.int64)
    rows = np.floor((patch.top + centres - place.offset_y) / place.scale_y).astype(np.int64)
    top, left = int(rows[0]), int(cols[0])
    window = source.read_labels(0, top, left, int(rows[-1]) - top + 1, int(cols[-1]) - left + 1) == cell_id
    mask: NDArray[np.bool_] = window[np.ix_(rows - top, cols - left)]
    if not mask.any():
        at_row, at_col = np.nonzero(window)
        x = place.offset_x + (at_col + left + 0.5) * place.scale_x - patch.left
        y = place.offset_y + (at_row + top + 0.5) * place.scale_y - patch.top
        mask[_pixel(y, patch), _pixel(x, patch)] = True
    return mask


def _pixel(offset: NDArray[np.float64], patch: Patch) -> NDArray[np.int64]:
    pixel: NDArray[np.int64] = np.clip(np.floor(offset / patch.scale), 0, patch.px - 1).astype(np.int64)
    return pixel
