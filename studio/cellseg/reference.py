"""Cellpose's own `eval` on the same pixels with the same network, to be measured against."""

from __future__ import annotations

import importlib.metadata
import logging
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.inputs import to_channels
from studio.cellseg.lattice import Rect
from studio.cellseg.plan import Plan
from studio.errors import UsageError

TILE_PX, TILE_OVERLAP = 224, 0.1
"""Cellpose's defaults: side of its tiles, and the part of it that neighbours share at least."""
RIM_PX = 8
"""Of zeros, that Cellpose puts around an image whose sides are multiples of 16."""
STYLE_WIDTH = 256
"""Cellpose's `run_net` has room for a style of this width."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What Cellpose found."""

    masks: NDArray[np.int64]
    """(rows, columns), 0 = background."""
    seconds: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Framing:
    """An image and how `eval` shall cut it into tiles."""

    rect: Rect
    """Working pixels; may reach over the slide's edge, where all is 0."""
    tile_px: int = TILE_PX
    overlap: float = TILE_OVERLAP


def on_our_tiles(plan: Plan, rect: Rect) -> Framing | None:
    """An image around `rect` that `eval` cuts into the very tiles of the lattice that have a say in `rect`.

    Cellpose spreads its tiles evenly over whatever image it gets, so an image of the right size at the right place
    has them on the lattice. A network's answer depends on what is on its tile; on the same tiles what is left to
    compare is all the rest: blocks, dynamics, numbers. None where no overlap gives that many tiles.
    """
    lattice = plan.lattice
    tiles = list(lattice.tiles_over(rect))
    spans = []
    for axis in (0, 1):
        # One more on each side: the outermost tiles of an image get a rim of zeros.
        low = max(0, min(tile[axis] for tile in tiles) - 1)
        high = min(lattice.counts[axis] - 1, max(tile[axis] for tile in tiles) + 1)
        # With fewer than four there is no overlap that Cellpose accepts.
        while high - low < 3 and (low, high) != (0, lattice.counts[axis] - 1):
            low, high = max(0, low - 1), min(lattice.counts[axis] - 1, high + 1)
        spans.append((low, high))
    sides = [lattice.tile_px + (high - low) * lattice.stride for low, high in spans]
    for overlap in np.arange(0.05, 0.5, 0.0025):
        counts = [math.ceil((1 + 2 * overlap) * side / lattice.tile_px) for side in sides]
        if counts == [high - low + 1 for low, high in spans]:
            top, left = (low * lattice.stride - lattice.overlap_px // 2 + RIM_PX for low, _ in spans)
            image = Rect(top, left, top + sides[0] - 2 * RIM_PX, left + sides[1] - 2 * RIM_PX)
            return Framing(image, lattice.tile_px, float(overlap))
    return None


def require_cellpose() -> None:
    """UsageError where the Cellpose that is installed can't be measured against: version 4 has other networks only."""
    try:
        version = importlib.metadata.version("cellpose")
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    if not version.startswith("3."):
        raise UsageError(
            f"The comparison needs Cellpose 3.1, and {version} is installed. Leave it out with --no-cellpose, or "
            "pip install 'cellpose<4'; nothing else needs that version."
        )


def cellpose_eval(net: Any, plan: Plan, framing: Framing, *, threads: int) -> Reference:
    """Run `CellposeModel.eval` (batches of 8, its own tiling and dynamics) on working pixels of a slide.

    Args:
        net: a torch module, (B, 2, T, T) to (output, style); eager, as Cellpose runs it.
        plan: gives the pixels, the slide's normalisation and the thresholds.
        framing: the working pixels.
        threads: of torch.
    """
    import torch
    from cellpose import models

    rect = framing.rect
    there = rect.clipped(plan.grid.bounds)
    pixels = plan.slide.read_working(plan.grid.scale, there.top, there.left, there.rows, there.cols)
    image = np.zeros((rect.rows, rect.cols, 2), np.float32)
    image[there.slices(rect)] = np.moveaxis(plan.normalization.apply(to_channels(pixels, plan.channel)), 0, -1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    logging.getLogger("cellpose").setLevel(logging.ERROR)
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        masks = _model(models.CellposeModel, net, plan.model.diam_mean).eval(
            image,
            channel_axis=-1,
            normalize=False,
            rescale=1.0,
            niter=plan.params.niter,
            cellprob_threshold=plan.params.cellprob_threshold,
            flow_threshold=plan.params.flow_threshold,
            min_size=plan.params.min_size,
            bsize=framing.tile_px,
            tile_overlap=framing.overlap,
        )[0]
    finally:
        torch.set_num_threads(before)
    return Reference(np.asarray(masks, np.int64), time.perf_counter() - wall, time.process_time() - cpu)


def _model(kind: Any, net: Any, diam_mean: float) -> Any:
    """A `CellposeModel` around a network of any width; its constructor makes one of its own width only."""
    import torch

    class Widened(torch.nn.Module):
        nout, mkldnn, device = 3, False, torch.device("cpu")

        def forward(self, x: Any) -> Any:
            y, style = net(x)[:2]
            return y, torch.nn.functional.pad(style, (0, STYLE_WIDTH - style.shape[1]))

    model = kind.__new__(kind)
    model.net, model.net_ortho, model.device, model.gpu = Widened().eval(), None, torch.device("cpu"), False
    model.nchan, model.diam_mean, model.diam_labels = 2, diam_mean, diam_mean
    return model


def best_overlaps(
    cells: NDArray[np.integer[Any]], others: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ids of `cells`, and the IoU of each with the cell of `others` that fits it best."""
    ids, dense = np.unique(cells, return_inverse=True)
    other_ids, other_dense = np.unique(others, return_inverse=True)
    dense, other_dense = dense.ravel(), other_dense.ravel()
    area, other_area = np.bincount(dense), np.bincount(other_dense)
    pairs, both = np.unique(dense * len(other_ids) + other_dense, return_counts=True)
    a, b = pairs // len(other_ids), pairs % len(other_ids)
    real = (ids[a] > 0) & (other_ids[b] > 0)
    best = np.zeros(len(ids))
    np.maximum.at(best, a[real], both[real] / (area[a[real]] + other_area[b[real]] - both[real]))
    return ids[ids > 0].astype(np.int64), best[ids > 0]
