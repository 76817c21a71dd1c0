"""Which back end `auto` is: measured once for a model on a machine, remembered in the program's cache folder.

A result says which back end made it, and the same cells come of the same one only. So the choice doesn't follow
the load of the moment: it is made once, and leans towards one order where two are close.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.core.worker import owned_cores
from studio.settings import cache_dir

if TYPE_CHECKING:
    from studio.cellseg.models import ModelInfo
    from studio.cellseg.networks import Network

log = logging.getLogger(__name__)

FILE = "backends.json"
TILE_PX = 256
ORDER = ("openvino-bf16", "openvino", "torch-bf16", "torch")
"""Preferred first; another one must be faster by CLOSE to be taken."""
EXACT = {"openvino-bf16": "openvino", "torch-bf16": "torch"}
"""What a back end of half precision is checked against."""
CLOSE = 1.25
ROUNDS = 3
LARGEST_ERROR = 0.03
"""Root mean square error over the output's spread (0.006 is usual)."""
MOST_FLIPPED = 0.005
"""Part of the pixels that change between cell and background."""

_X86 = ("x86_64", "AMD64", "i386", "i686")
_decided: dict[str, str] = {}
_lock = threading.Lock()

Load = Callable[[str], "Network"]


def choose_backend(info: ModelInfo, device: str, load: Load) -> str:
    """The back end to run a model on.

    Args:
        info: the model, its weights at hand.
        device: `cpu`, `cuda…` or `mps`.
        load: makes the network on a back end, one tile of TILE_PX a call.
    """
    names = candidates(device)
    if len(names) == 1:
        return names[0]
    key = _key(info, device, names)
    with _lock:
        name = _decided.get(key) or _read(cache_dir() / FILE).get(key, {}).get("backend")
        if name not in names:
            found = measure(names, load)
            name = pick(found)
            log.info("back end for %s: %s of %s", info.name, name, found)
            name = _remember(cache_dir() / FILE, key, {"backend": name, "model": info.name, "measured": found})
        _decided[key] = name
    return name


def candidates(device: str) -> tuple[str, ...]:
    """The back ends worth measuring on this machine, preferred first.

    On x86 OpenVINO is ahead of torch at either precision, whatever the model (studio/cellseg/README.md), so torch is
    looked at only where there is no OpenVINO or another processor.
    """
    if device != "cpu":
        return ("torch-bf16", "torch")
    openvino = importlib.util.find_spec("openvino") is not None
    names: tuple[str, ...] = ORDER if openvino else ("torch-bf16", "torch")
    if openvino and platform.machine() in _X86:
        names = ("openvino-bf16", "openvino")
    if openvino and not _openvino_has_bf16():
        names = tuple(name for name in names if name != "openvino-bf16")
    return names


def measure(names: tuple[str, ...], load: Load) -> dict[str, dict[str, float]]:
    """Seconds a tile (the least of ROUNDS) of each back end that works here; of half-precision ones their error too."""
    tile = _tile()
    networks: dict[str, Network] = {}
    for name in names:
        try:
            networks[name] = load(name)
            networks[name].forward(tile)
        except (RuntimeError, NotImplementedError, ImportError) as error:
            log.info("back end %s doesn't work here: %s", name, error)
            networks.pop(name, None)
    found: dict[str, dict[str, float]] = {name: {"seconds": np.inf} for name in networks}
    outputs: dict[str, NDArray[np.float32]] = {}
    # In turns, so that another program's load hits all alike.
    for _ in range(ROUNDS):
        for name, network in networks.items():
            began_s = time.perf_counter()
            outputs[name] = network.forward(tile)
            found[name]["seconds"] = min(found[name]["seconds"], time.perf_counter() - began_s)
    for name, exact in EXACT.items():
        if name in outputs and exact in outputs:
            found[name] |= errors(outputs[name], outputs[exact])
    return found


def errors(output: NDArray[np.float32], exact: NDArray[np.float32]) -> dict[str, float]:
    """How far an output is off: `rms` over the spread, the worst channel's; `flipped`, part of the pixels."""
    axes = (0, 2, 3)
    spread = np.maximum(exact.std(axis=axes), 1e-6)
    rms = np.sqrt(((output - exact) ** 2).mean(axis=axes)) / spread
    return {"rms": float(rms.max()), "flipped": float(((output[:, 2] > 0) != (exact[:, 2] > 0)).mean())}


def pick(found: Mapping[str, Mapping[str, float]]) -> str:
    """The preferred of those that are close to the fastest, among those that are exact enough."""
    good = {
        name: figures["seconds"]
        for name, figures in found.items()
        if figures.get("rms", 0) <= LARGEST_ERROR and figures.get("flipped", 0) <= MOST_FLIPPED
    }
    fastest = min(good.values(), default=0.0)
    return next((name for name in ORDER if name in good and good[name] <= CLOSE * fastest), "torch")


def _tile() -> NDArray[np.float32]:
    """A tile with dark blobs of a cell's size, as normalised input is, the same every time: (1, 2, T, T)."""
    rng = np.random.default_rng(11)
    rows, cols = np.mgrid[:TILE_PX, :TILE_PX]
    tile = rng.normal(0.15, 0.05, (1, 2, TILE_PX, TILE_PX)).astype(np.float32)
    for _ in range(TILE_PX * TILE_PX // 1200):
        y, x = rng.uniform(0, TILE_PX, 2)
        near = ((rows - y) / rng.uniform(8, 13)) ** 2 + ((cols - x) / rng.uniform(8, 13)) ** 2
        tile += (rng.uniform(0.3, 0.7) * np.exp(-(near**2))).astype(np.float32)
    return tile


def _openvino_has_bf16() -> bool:
    from studio.cellseg.networks.openvino_backend import has_bf16

    return has_bf16()


def _key(info: ModelInfo, device: str, names: tuple[str, ...]) -> str:
    """A digest of all that speed and exactness depend on."""
    packages = sorted({name.removesuffix("-bf16") for name in names})
    versions = [importlib.metadata.version(package) for package in packages]
    machine = [platform.machine(), _processor(), owned_cores(), device]
    text = json.dumps([info.sha256, names, packages, versions, machine])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    # The flags say what the name of a virtual processor may not.
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in known.items() if isinstance(value, dict)} if isinstance(known, dict) else {}


def _remember(path: Path, key: str, entry: dict[str, Any]) -> str:
    """Write a choice down; where another process was first, its choice counts."""
    known = _read(path)
    if isinstance(name := known.get(key, {}).get("backend"), str):
        return name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        partial.write_text(json.dumps(known | {key: entry}, indent=1), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        log.warning("The choice of a back end can't be kept in %s: %s", path, error)
    return str(entry["backend"])
