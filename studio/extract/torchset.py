"""Cells as a dataset for PyTorch, read straight from slide and result file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.extract.cells import CellTiles
from studio.extract.stain import Normalizer
from studio.slide.cells import AppliedCells

if TYPE_CHECKING:
    import torch

Transform = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True, eq=False)
class _Recipe:
    """All that another process needs to read the same cells."""

    slide: Path
    mpp: float | None
    tile_px: int | None
    tile_um: float | None
    masks: Path
    ids: NDArray[np.uint32]
    centres: NDArray[np.float64]
    apply_masks: bool
    normalizer: Normalizer | None
    background: int

    def open(self) -> CellTiles:
        from studio.cellseg.result import Segmentation
        from studio.slide import WSI

        slide = WSI(self.slide, self.tile_px, self.tile_um, mpp=self.mpp)
        slide.segmentation = AppliedCells(Segmentation.load(self.masks), self.ids, self.centres)
        return CellTiles(slide, apply_masks=self.apply_masks, normalizer=self.normalizer, background=self.background)


class TorchCells:
    """A map-style dataset of cells, for `torch.utils.data.DataLoader`.

    `dataset[i]` is a dict of `image`, uint8 (3, tile_px, tile_px), or what `transform` makes of it;
    `mask`, bool (tile_px, tile_px); `cell_id`, int64; `position_px` and
    `position_um`, float64 (2,): x, y of the centroid.

    Each process opens slide and result file for itself when it reads its first cell.
    """

    def __init__(self, recipe: _Recipe, transform: Transform | None = None) -> None:
        self._recipe = recipe
        self._transform = transform
        self._opened: tuple[int, CellTiles] | None = None

    @classmethod
    def of(cls, tiles: CellTiles, transform: Transform | None = None) -> TorchCells:
        """The cells of `tiles`, in its order."""
        from studio.cellseg.result import Segmentation

        source, slide = tiles.cells.source, tiles.slide
        if not isinstance(source, Segmentation) or source.file is None:
            raise UsageError("Save the segmentation, and load it: the dataset's workers read it from its file.")
        return cls(
            _Recipe(
                slide=slide.path.absolute(),
                mpp=slide.mpp if slide.mpp_source == "override" else None,
                tile_px=slide.tile_px,
                tile_um=slide.tile_um,
                masks=source.file.path.absolute(),
                ids=tiles.cells.ids,
                centres=tiles.cells.centres,
                apply_masks=tiles.apply_masks,
                normalizer=tiles.normalizer,
                background=tiles.background,
            ),
            transform,
        )

    def __len__(self) -> int:
        return len(self._recipe.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        import torch

        if not -len(self) <= index < len(self):
            raise IndexError(index)
        cell = self._tiles()[index]
        image = torch.from_numpy(np.ascontiguousarray(cell.image.transpose(2, 0, 1)))
        return {
            "image": image if self._transform is None else self._transform(image),
            "mask": torch.from_numpy(cell.mask),
            "cell_id": torch.tensor(cell.cell_id),
            "position_px": torch.tensor((cell.x, cell.y), dtype=torch.float64),
            "position_um": torch.tensor((cell.x_um, cell.y_um), dtype=torch.float64),
        }

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}

    def _tiles(self) -> CellTiles:
        # A forked worker must not share its parent's open files.
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), self._recipe.open())
        return self._opened[1]
