"""Cellpose's own `eval` on the same pixels with the same network, to be measured against."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.inputs import to_channels
from studio.cellseg.lattice import Rect
from studio.cellseg.plan import Plan

STYLE_WIDTH = 256
"""Cellpose's `run_net` has room for a style of this width."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What Cellpose found."""

    masks: NDArray[np.int64]
    """(rows, columns), 0 = background."""
    seconds: float
    cpu_s: float


def cellpose_eval(net: Any, plan: Plan, rect: Rect, *, threads: int) -> Reference:
    """Run `CellposeModel.eval` (tiles of 224 px, batches of 8, its dynamics) on working pixels of a slide.

    Args:
        net: a torch module, (B, 2, T, T) to (output, style); eager, as Cellpose runs it.
        plan: gives the pixels, the slide's normalisation and the thresholds.
        rect: the working pixels.
        threads: of torch.
    """
    import torch
    from cellpose import models

    x = to_channels(plan.slide.read_working(plan.grid.scale, rect.top, rect.left, rect.rows, rect.cols), plan.channel)
    image = np.moveaxis(plan.normalization.apply(x), 0, -1)
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
