"""Networks behind one interface, whatever computes them."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.models import ModelInfo, ensure_weights
from studio.cellseg.networks.choice import TILE_PX, choose_backend
from studio.cellseg.weights import read_state
from studio.core.jobs import Progress
from studio.core.worker import owned_cores
from studio.errors import ModelError, UsageError

if TYPE_CHECKING:
    from studio.cellseg.params import SegmentParams

INPUT_CHANNELS = 2
BACKENDS = ("auto", "torch", "torch-bf16", "openvino", "openvino-bf16")

__all__ = ["BACKENDS", "Network", "load_module", "load_network", "shared_network"]

_KEPT = 2
_loaded: OrderedDict[tuple[Any, ...], Network] = OrderedDict()
_loading = threading.Lock()


class Network(Protocol):
    """A network ready to run on tiles of one size. Any thread may call it."""

    backend: str
    tile_px: int
    batch: int
    at_once: int
    """Calls that keep it busy, of one tile each; where it is 1, calls of `batch` tiles one after the other do."""

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 2, T, T) to (B, 3, T, T): flow in y and x (five times unit length) and cell probability logit.

        B is at most `batch`; a tile's result never depends on its company or its number.
        """

    def style(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 2, T, T) to (B, S), the style vectors (S = 256 in Cellpose's models)."""


def load_network(
    info: ModelInfo,
    *,
    tile_px: int = 256,
    batch: int = 4,
    device: str = "auto",
    backend: str = "auto",
    threads: int = 0,
) -> Network:
    """The model's network, its weights downloaded first when they aren't here.

    Args:
        info: from `resolve_model`.
        tile_px: side of the tiles, a multiple of 16.
        batch: tiles a call.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        backend: `auto` is the fastest here that is exact enough, measured once for the model on this machine
            (`choose_backend`). The `-bf16` ones are about twice as fast and differ by about 0.6 % of the output's
            spread.
        threads: of the CPU; 0 leaves it to the back end.

    Raises:
        ModelError: weights missing or no Cellpose network.
        UsageError: a device or back end that isn't there.
    """
    if backend not in BACKENDS:
        raise UsageError(f"Unknown back end {backend!r}; choose from {', '.join(BACKENDS)}.")
    if tile_px < 16 or tile_px % 16 or batch < 1:
        raise UsageError(f"Network tiles must be a multiple of 16 px, not {tile_px}, and a batch at least 1.")
    device = _pick_device(device)

    if backend == "auto":
        ensure_weights(info)

        def load(name: str) -> Network:
            return _load(info, name, tile_px=TILE_PX, batch=1, device=device, threads=threads)

        backend = choose_backend(info, device, load)
    return _load(info, backend, tile_px=tile_px, batch=batch, device=device, threads=threads)


def _load(info: ModelInfo, backend: str, *, tile_px: int, batch: int, device: str, threads: int) -> Network:
    openvino = importlib.util.find_spec("openvino") is not None
    bf16 = backend.endswith("-bf16")
    if backend.startswith("openvino"):
        if not openvino:
            raise UsageError("OpenVINO is not installed: pip install 'studio-wsi[openvino]'.")
        if device != "cpu":
            raise UsageError(f"The back end {backend} runs on the CPU; choose torch for {device}.")
        from studio.cellseg.networks.openvino_backend import OpenVINONetwork

        try:
            return OpenVINONetwork(_weights(info), tile_px=tile_px, batch=batch, threads=threads, bf16=bf16)
        except KeyError as error:
            raise _not_ours(info) from error
    from studio.cellseg.networks.torch_backend import TorchNetwork

    module = load_module(info)
    return TorchNetwork(module, tile_px=tile_px, batch=batch, threads=threads, bf16=bf16, device=device)


def shared_network(info: ModelInfo, params: SegmentParams, progress: Progress | None = None) -> Network:
    """The network that a run with these parameters uses, kept from earlier calls where it is the same.

    Weights that aren't here are downloaded, which `progress` is told of. Raises as `load_network`.
    """
    ensure_weights(info, progress)
    threads = params.workers or owned_cores()
    key = (info.sha256, params.network_px, params.batch, params.device, params.backend, threads)
    with _loading:
        network = _loaded.pop(key, None) or load_network(
            info,
            tile_px=params.network_px,
            batch=params.batch,
            device=params.device,
            backend=params.backend,
            threads=threads,
        )
        _loaded[key] = network
        while len(_loaded) > _KEPT:
            _loaded.popitem(last=False)
    return network


def load_module(info: ModelInfo) -> Any:
    """The network in evaluation mode; reading weights can't run code (`weights_only`)."""
    import pickle

    import torch

    from studio.cellseg.networks.cpnet import load_state

    path = ensure_weights(info)
    try:
        return load_state(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, KeyError, RuntimeError, AttributeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise _not_ours(info) from error


def _not_ours(info: ModelInfo) -> ModelError:
    return ModelError(f"{info.path} is not a Cellpose 1-3 network or is damaged. Choose another model.")


def _weights(info: ModelInfo) -> dict[str, NDArray[np.float32]]:
    """The model's weights, read without torch where their format allows."""
    state = read_state(ensure_weights(info))
    if state is not None:
        return state
    from studio.cellseg.networks.cpnet import arrays_of

    return arrays_of(load_module(info))


def _gpu_driver() -> bool:
    """Whether it is worth asking torch for a GPU, which takes most of a second: without a driver there is none."""
    if sys.platform == "darwin" or Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _pick_device(device: str) -> str:
    if device == "cpu" or (device == "auto" and not _gpu_driver()):
        return "cpu"
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind = device.split(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise UsageError(f"Unknown device {device!r}; choose auto, cpu, cuda or mps.")
    missing = (kind == "cuda" and not torch.cuda.is_available()) or (
        kind == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        raise UsageError(f"This machine has no device {device}; choose auto or cpu.")
    return device


def checked(x: NDArray[np.float32], batch: int, tile_px: int) -> NDArray[np.float32]:
    """`x` as contiguous float32. ValueError when its shape isn't that of 1 to `batch` tiles."""
    if x.ndim != 4 or not 1 <= x.shape[0] <= batch or x.shape[1:] != (2, tile_px, tile_px):
        raise ValueError(f"expected (1…{batch}, 2, {tile_px}, {tile_px}), got {x.shape}")
    return np.ascontiguousarray(x, dtype=np.float32)


def padded(x: NDArray[np.float32], batch: int, tile_px: int) -> NDArray[np.float32]:
    """`x` filled up with zeros to `batch` tiles. ValueError as `checked`."""
    x = checked(x, batch, tile_px)
    if x.shape[0] == batch:
        return x
    full = np.zeros((batch, *x.shape[1:]), dtype=np.float32)
    full[: x.shape[0]] = x
    return full
