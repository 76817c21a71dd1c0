"""Flow fields with known cells: what a good network would say of them, with its noise."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.cellseg.blocks import FlowPiece
from studio.cellseg.lattice import Rect
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams

cellpose3 = pytest.mark.skipif(
    not importlib.metadata.version("cellpose").startswith("3."),
    reason="compares with Cellpose 3.1, another is installed",
)


def painted_cells(
    shape: tuple[int, int], count: int, seed: int, size: tuple[float, float] = (6, 16), stretch: float = 2.0
) -> NDArray[np.int32]:
    """Labels (H, W) of ellipses painted over each other, some cut by the edges, some in pieces, some ring-shaped."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    for k in range(count):
        y, x = rng.uniform(-4, shape[0] + 4), rng.uniform(-4, shape[1] + 4)
        short = rng.uniform(*size)
        long = short * rng.uniform(1, stretch)
        angle = rng.uniform(0, np.pi)
        reach = int(long) + 2
        top, left = max(0, int(y) - reach), max(0, int(x) - reach)
        rows, cols = np.mgrid[
            top : max(top, min(shape[0], int(y) + reach)), left : max(left, min(shape[1], int(x) + reach))
        ]
        dy, dx = rows - y, cols - x
        u, v = dy * np.cos(angle) + dx * np.sin(angle), dx * np.cos(angle) - dy * np.sin(angle)
        far = (u / long) ** 2 + (v / short) ** 2
        inside = far <= 1
        if k % 9 == 0:
            inside &= far > 0.1
        part = labels[top : top + rows.shape[0], left : left + rows.shape[1]]
        part[inside] = k + 1
    return labels


def network_says(labels: NDArray[np.int32], seed: int, noise: float = 0.25) -> NDArray[np.float32]:
    """(3, H, W) float32: flow in y and x (five times unit length) and cell probability of such cells, with noise."""
    from cellpose.dynamics import masks_to_flows_cpu
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    flow = masks_to_flows_cpu(labels.astype(np.int64))[0]
    out = np.empty((3, *labels.shape), np.float32)
    for n in range(2):
        out[n] = 5 * (flow[n] + noise * gaussian_filter(rng.normal(size=labels.shape), 1.0) * 3)
    out[2] = np.where(labels > 0, 4.0, -4.0) + gaussian_filter(rng.normal(size=labels.shape), 1.5) * 6
    return out


def piece_of(field: NDArray[np.float32], rect: Rect, params: SegmentParams) -> FlowPiece:
    """The flow field on a rectangle, as the engine assembles it."""
    at = (slice(rect.top, rect.bottom), slice(rect.left, rect.right))
    inside = field[2][at] > params.cellprob_threshold
    flow = np.where(inside[..., None], np.moveaxis(field[:2], 0, -1)[at] / np.float32(5), 0).astype(np.float32)
    return FlowPiece(rect, np.ascontiguousarray(flow), inside, np.ascontiguousarray(field[2][at]))


def matched(ours: NDArray[np.integer], theirs: NDArray[np.integer]) -> NDArray[np.float64]:
    """Best IoU of each cell of `theirs` with a cell of `ours`."""
    pairs, counts = np.unique(np.stack([theirs.ravel(), ours.ravel()]), axis=1, return_counts=True)
    area_theirs, area_ours = np.bincount(theirs.ravel()), np.bincount(ours.ravel())
    best = np.zeros(len(area_theirs))
    for (t, o), both in zip(pairs.T, counts, strict=True):
        if t and o:
            best[t] = max(best[t], both / (area_theirs[t] + area_ours[o] - both))
    return best[1:][area_theirs[1:] > 0]


def stand_in(x: Any) -> Any:
    """The stand-in network as Cellpose calls a torch module: (B, 2, T, T) to (output, style)."""
    import torch

    network = BlobNetwork(x.shape[-1], batch=len(x))
    return torch.from_numpy(network.forward(x.numpy())), torch.from_numpy(network.style(x.numpy()))
