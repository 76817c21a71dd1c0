"""Whole pictures of masks, outlines and centroids, and pictures of single cells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.cellseg.source import MaskGeometry
    from studio.slide import WSI

_DOT_PX = 3
"""Radius of a centroid's dot in mask pixels."""

RGB = tuple[int, int, int]


class Pictures:
    """What a segmentation can be painted as; `Segmentation` is one."""

    geometry: MaskGeometry

    def read_labels(self, level: int, row: int, col: int, rows: int, cols: int) -> NDArray[np.uint32]:
        """Labels of a window."""
        raise NotImplementedError

    def occupied(self, row: int, col: int, rows: int, cols: int) -> bool:
        """Whether a window can hold cells."""
        raise NotImplementedError

    def centroids(self, wsi_dim: bool = False) -> NDArray[np.float64]:
        """The cells' centroids."""
        raise NotImplementedError

    def mask_to_image(
        self, centroid: bool = False, color: str = "cyan", centroid_color: str = "green"
    ) -> NDArray[np.uint8]:
        """All masks in one colour on black, (H, W, 3) uint8, with dots for centroids if asked for."""
        return self._painted(_rgb(color), _rgb(centroid_color) if centroid else None, outline=False)

    def outline_to_image(
        self, centroid: bool = False, color: str = "red", centroid_color: str = "green"
    ) -> NDArray[np.uint8]:
        """The cells' outermost pixels on black, (H, W, 3) uint8, with dots for centroids if asked for."""
        return self._painted(_rgb(color), _rgb(centroid_color) if centroid else None, outline=True)

    def centroid_to_image(self, color: str = "green") -> NDArray[np.uint8]:
        """A dot for each centroid on black, (H, W, 3) uint8."""
        return self._painted(None, _rgb(color), outline=False)

    def extract_centroids(self, slide: WSI | str | Path, tile_px: int = 128) -> Iterator[NDArray[np.uint8]]:
        """Images (tile_px, tile_px, 3) of the slide's full resolution, one centred on each cell in order.

        White beyond the slide's edge.
        """
        from studio.slide import WSI, open_slide

        if tile_px < 1:
            raise UsageError(f"A tile must have at least 1 pixel, not {tile_px}.")
        opened = slide if isinstance(slide, WSI) else open_slide(slide)
        try:
            for x, y in self.centroids(wsi_dim=True).tolist():
                yield opened.read_level(0, round(x - tile_px / 2), round(y - tile_px / 2), tile_px, tile_px)
        finally:
            if opened is not slide:
                opened.close()

    def _painted(self, ink: RGB | None, dots: RGB | None, *, outline: bool) -> NDArray[np.uint8]:
        from studio.cellseg.measure import windows
        from studio.cellseg.scratch import whole_array

        image = whole_array((*self.geometry.shape, 3), np.uint8, "A picture of the whole mask")
        for row, col, rows, cols in windows(self.geometry.shape) if ink else ():
            if self.occupied(row, col, rows, cols):
                labels = self.read_labels(0, row - 1, col - 1, rows + 2, cols + 2)
                here = edges(labels) if outline else labels[1:-1, 1:-1] > 0
                image[row : row + rows, col : col + cols][here] = ink
        if dots:
            points = self.centroids()
            draw_dots(image, points[:, 0], points[:, 1], dots, _DOT_PX)
        return image


def edges(labels: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Pixels of cells with another label beside, above or below; the rim of one pixel is taken off."""
    middle = labels[1:-1, 1:-1]
    other: NDArray[np.bool_] = (labels[:-2, 1:-1] != middle) | (labels[2:, 1:-1] != middle)
    other |= (labels[1:-1, :-2] != middle) | (labels[1:-1, 2:] != middle)
    other &= middle > 0
    return other


def draw_dots(
    image: NDArray[np.uint8], rows: NDArray[np.float64], cols: NDArray[np.float64], color: RGB, radius: int
) -> None:
    """Draw filled circles in place, those at the edge in part. Coordinates are of pixels' middles."""
    import cv2

    for row, col in zip(np.round(rows).astype(int).tolist(), np.round(cols).astype(int).tolist(), strict=True):
        cv2.circle(image, (col, row), radius, color, -1, cv2.LINE_8)


def _rgb(color: Any) -> RGB:
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(color)[:3]
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{color!r} is no colour. Give a name such as cyan, or #rrggbb.") from error
    return red, green, blue
