"""What networks cost: CPU-seconds per square millimetre of tissue, side by side in one run."""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np

from studio.cellseg.models import CELLPOSE_DIAM_MEAN, resolve_model
from studio.cellseg.networks import Network, load_network
from studio.cellseg.networks.cpnet import FULL_WIDTHS, CPNet, arrays_of
from studio.cellseg.networks.torch_backend import TorchNetwork
from studio.core.jobs import NullProgress, Progress

CELLPOSE = "cyto2's architecture"
OVERLAP_PX = 32
BATCH = 1


def measure_speed(
    model: str, *, diam_um: float = 10.0, threads: int = 1, seconds: float = 4.0, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """CPU-seconds of a model's network, and of Cellpose's with random weights, on each back end that is here.

    Args:
        model: name or path.
        diam_um: cell diameter that decides the working pixel size of each: `diam_um` over its `diam_mean`.
        threads: of the CPU.
        seconds: least time for each row.
        progress: told of every row.

    Returns:
        rows with network, backend, diam_mean, working_mpp, cpu_s_per_mpx (working megapixels, the tiles'
        overlap counted) and cpu_s_per_mm2. Network alone: reading and dynamics come on top.
    """
    info, progress = resolve_model(model), progress or NullProgress()
    openvino = importlib.util.find_spec("openvino") is not None
    backends = ["torch", "torch-bf16", *(("openvino", "openvino-bf16") if openvino else ())]
    progress.start(2 * len(backends), "Measuring")
    rows = []
    for backend in backends:
        ours = load_network(info, batch=BATCH, device="cpu", backend=backend, threads=threads)
        rows.append(_row(info.name, ours, info.diam_mean, diam_um, seconds))
        progress.advance(1)
        rows.append(_row(CELLPOSE, _cellposes(backend, threads), CELLPOSE_DIAM_MEAN, diam_um, seconds))
        progress.advance(1)
    return rows


def _cellposes(backend: str, threads: int) -> Network:
    net, bf16 = CPNet(FULL_WIDTHS).eval(), backend.endswith("-bf16")
    if backend.startswith("torch"):
        return TorchNetwork(net, tile_px=256, batch=BATCH, threads=threads, bf16=bf16, device="cpu")
    from studio.cellseg.networks.openvino_backend import OpenVINONetwork

    return OpenVINONetwork(arrays_of(net), tile_px=256, batch=BATCH, threads=threads, bf16=bf16)


def network_cost(network: Network, seconds: float = 4.0) -> float:
    """CPU-seconds a working megapixel, the tiles' overlap counted, measured for at least so long."""
    tiles = np.random.default_rng(0).random((network.batch, 2, network.tile_px, network.tile_px), np.float32)
    network.forward(tiles)
    began, cpu, calls = time.perf_counter(), time.process_time(), 0
    while calls < 2 or time.perf_counter() - began < seconds:
        network.forward(tiles)
        calls += 1
    fresh_px = (network.tile_px - OVERLAP_PX) ** 2 * network.batch * calls
    return (time.process_time() - cpu) / (fresh_px / 1e6)


def _row(name: str, network: Network, diam_mean: float, diam_um: float, seconds: float) -> dict[str, Any]:
    per_mpx = network_cost(network, seconds)
    mpp = diam_um / diam_mean
    return {
        "network": name,
        "backend": network.backend,
        "diam_mean": diam_mean,
        "working_mpp": round(mpp, 4),
        "cpu_s_per_mpx": round(per_mpx, 3),
        "cpu_s_per_mm2": round(per_mpx / mpp**2, 2),
    }
