"""Mean stain of every cell, from the slide's pixels under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg.inputs import OD_OF_BYTE, STAINS
from studio.cellseg.measure import distinct, place_in, windows
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress
    from studio.slide import WSI

BRIGHTFIELD = ("hematoxylin_od", "eosin_od")
"""Optical densities after colour deconvolution (Ruifrok & Johnston 2001)."""

FLUORESCENCE = ("mean_red", "mean_green", "mean_blue")
"""0 to 255."""

UNITS = dict.fromkeys(BRIGHTFIELD, 65536.0) | dict.fromkeys(FLUORESCENCE, 1.0)
"""Fractions of 1 that a run counts in."""

_MIX = np.linalg.inv(STAINS)[:, :2]
"""(3, 2): haematoxylin and eosin density of the optical densities of red, green and blue."""

STAIN_COLUMNS = (*BRIGHTFIELD, *FLUORESCENCE)
"""Names that such columns have in cell tables."""

_SIDE = 1024


def stain_columns(segmentation: Segmentation, slide: WSI, progress: Progress) -> dict[str, NDArray[np.float32]]:
    """A mean over each cell's pixels, at the masks' resolution: stains, or channels for fluorescence.

    NaN for a cell without pixels. Only the parts of the slide that hold cells are read. Raises MissingMppError
    without a pixel size, UsageError for cells of another slide.
    """
    if (why := segmentation.mismatch(slide)) is not None:
        raise UsageError(f"Stains can't be measured: {why}")
    names = FLUORESCENCE if slide.is_fluorescence() else BRIGHTFIELD
    mix = None if names is FLUORESCENCE else _MIX
    place = segmentation.geometry
    mpp = slide.require_mpp() * place.scale_x
    ids = segmentation.ids
    total, count = np.zeros((len(ids), len(names))), np.zeros(len(ids), np.int64)
    parts = list(windows(place.shape, _SIDE))
    progress.start(len(parts), "Measuring stains")
    for row, col, rows, cols in parts:
        if segmentation.occupied(row, col, rows, cols):
            labels = segmentation.read_labels(0, row, col, rows, cols)
            found = distinct(labels)
            if len(found):
                x, y = place.offset_x + col * place.scale_x, place.offset_y + row * place.scale_y
                rgb = _fitted(slide.read_region(x, y, cols * place.scale_x, rows * place.scale_y, mpp), (rows, cols))
                sums, pixels = _sum(labels, found, _values(rgb, mix))
                at = np.searchsorted(ids, found)
                total[at] += sums
                count[at] += pixels
        progress.advance()
    means = np.full(total.shape, np.nan)
    np.divide(total, count[:, None], out=means, where=count[:, None] > 0)
    return {name: means[:, k].astype(np.float32) for k, name in enumerate(names)}


def _values(rgb: NDArray[np.uint8], mix: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """What is averaged, (h, w, k) float32."""
    if mix is None:
        return rgb.astype(np.float32)
    return np.asarray(OD_OF_BYTE[rgb] @ mix.astype(np.float32), np.float32)


def _fitted(rgb: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[Any]:
    """Pixels for each mask pixel, where the masks' pixels aren't square or the last one was rounded away."""
    if rgb.shape[:2] == shape:
        return rgb
    import cv2

    return np.asarray(cv2.resize(rgb, shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)


@dataclass(frozen=True, slots=True)
class StainSums:
    """Adds up, while a run goes on, what its means are made from: whole numbers, so that any cut gives the same."""

    names: tuple[str, ...]
    table: NDArray[np.int32]
    """(3, 256, k): what a red, green or blue of that value adds to each of k sums, in units of 1 / UNITS[name]."""

    @classmethod
    def of(cls, slide: WSI) -> StainSums:
        """Stains, or channels for fluorescence."""
        names = FLUORESCENCE if slide.is_fluorescence() else BRIGHTFIELD
        parts: NDArray[Any]
        if names is FLUORESCENCE:
            parts = np.eye(3)[:, None, :] * np.arange(256)[None, :, None]
        else:
            parts = _MIX[:, None, :] * OD_OF_BYTE[None, :, None]
        return cls(names, np.rint(parts * [UNITS[name] for name in names]).astype(np.int32))

    def add_to(self, parts: NDArray[np.void], labels: NDArray[np.int32], rgb: NDArray[np.uint8]) -> NDArray[np.void]:
        """Parts of cells (row k is label k + 1) with one more field for each sum over their pixels."""
        sums = _stain_sums(labels, rgb, self.table, len(parts))
        out = np.zeros(len(parts), np.dtype([*parts.dtype.descr, *((name, "<i8") for name in self.names)]))
        for name in parts.dtype.names or ():
            out[name] = parts[name]
        for k, name in enumerate(self.names):
            out[name] = sums[:, k]
        return out


@njit(cache=True, nogil=True)
def _stain_sums(labels, rgb, table, cells):  # type: ignore[no-untyped-def]
    sums = np.zeros((cells, table.shape[2]), np.int64)
    for v in range(labels.shape[0]):
        for u in range(labels.shape[1]):
            row = labels[v, u] - 1
            if row >= 0:
                for c in range(table.shape[2]):
                    sums[row, c] += table[0, rgb[v, u, 0], c] + table[1, rgb[v, u, 1], c] + table[2, rgb[v, u, 2], c]
    return sums


@njit(cache=True, nogil=True)
def _sum(labels, ids, values):  # type: ignore[no-untyped-def]
    """Sum of each value over the pixels of each cell, (n, k), and how many pixels there are, (n,)."""
    sums = np.zeros((ids.size, values.shape[2]), np.float64)
    count = np.zeros(ids.size, np.int64)
    last = np.uint32(0)
    k = 0
    for v in range(labels.shape[0]):
        for u in range(labels.shape[1]):
            label = labels[v, u]
            if label == 0:
                continue
            if label != last:
                last = label
                k = place_in(ids, label)
            count[k] += 1
            for c in range(values.shape[2]):
                sums[k, c] += values[v, u, c]
    return sums, count
