"""What a weights file says about itself, read without torch and without running anything in it.

PyTorch's zip format is a pickle of names and shapes beside raw numbers. Here only those few names
that a state dict needs are known to the unpickler, so a hostile file can do nothing; reading one
costs milliseconds, where importing torch costs a second.
"""

from __future__ import annotations

import importlib
import io
import math
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import ModelError

_DTYPES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "DoubleStorage": "<f8"}
_FIRST_PROJECTION = "downsample.down.res_down_0.proj.1.weight"
_MAX_NAMES_BYTES = 16 << 20
# Reading and unpickling damaged bytes fails in any of these ways; each means the same thing.
_DAMAGED = (
    zipfile.BadZipFile,
    pickle.UnpicklingError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    NotImplementedError,
)


@dataclass(frozen=True)
class WeightsHead:
    """`diam_mean` in pixels, None where the file doesn't say; channels of the network's input and its levels."""

    diam_mean: float | None
    input_channels: int
    widths: tuple[int, ...]


@dataclass(frozen=True)
class _Tensor:
    key: str
    kind: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _StateUnpickler(pickle.Unpickler):
    """Knows tensors, parameters and ordered dicts, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Tensor(
                storage[1], storage[0], int(offset), tuple(shape), tuple(strides)
            )
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, *_: data
        if module == "torch" and name.endswith("Storage"):
            return name
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a state dict")

    def persistent_load(self, pid: Any) -> Any:
        return (str(pid[1]), str(pid[2]))


def read_head(path: Path) -> WeightsHead | None:
    """What a state dict in PyTorch's zip format says; None for PyTorch's old format, which only torch reads.

    Raises:
        ModelError: unreadable, or no state dict of a Cellpose 1-3 network.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError(f"The model {path} can't be read: {error.strerror or error}.") from error
    return _read_head(path, (status.st_mtime_ns, status.st_size, status.st_ino))


@lru_cache(maxsize=64)
def _read_head(path: Path, _version: tuple[int, int, int]) -> WeightsHead | None:
    """What `read_head` says of one version of a file; asked for with each change of a threshold."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start[:2] != b"PK":
            if start[:1] == b"\x80":
                return None
            raise ModelError(f"{path} is no model: neither of PyTorch's file formats. Choose a file of weights.")
        with zipfile.ZipFile(path) as archive:
            return _head(archive)
    except OSError as error:
        raise ModelError(f"The model {path} can't be read: {error.strerror or error}.") from error
    except ModelError:
        raise
    except _DAMAGED as error:
        said = str(error) if isinstance(error, pickle.UnpicklingError) else f"{type(error).__name__}: {error}"
        raise ModelError(f"{path} is no Cellpose model ({said}). Choose a file of Cellpose 1-3 weights.") from error


def check_whole(path: Path) -> None:
    """See that all of a file of weights is as it was written: the zip format has a checksum of each of its parts.

    Raises:
        ModelError: as `read_head`, or damaged.
    """
    if read_head(path) is None:
        return
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except _DAMAGED as error:
        damaged = str(error)
    if damaged is not None:
        raise ModelError(f"{path} is damaged ({damaged}).")


def read_state(path: Path) -> dict[str, NDArray[np.float32]] | None:
    """The weights themselves as float32, counters left out; None where only torch can read them.

    Reads what `torch.save` writes for a network, contiguous tensors of plain floats in the zip format.

    Raises:
        ModelError: as `read_head`.
    """
    if read_head(path) is None:
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names, state = _names(archive)
            order = names.removesuffix("data.pkl") + "byteorder"
            if order in archive.namelist() and archive.read(order) != b"little":
                return None
            tensors = {k: v for k, v in state.items() if isinstance(v, _Tensor) and v.kind != "LongStorage"}
            if not all(t.kind in _DTYPES and _contiguous(t) for t in tensors.values()):
                return None
            return {key: _array(archive, names, tensor) for key, tensor in tensors.items()}
    except OSError as error:
        raise ModelError(f"The model {path} can't be read: {error.strerror or error}.") from error
    except _DAMAGED as error:
        raise ModelError(f"{path} is damaged ({type(error).__name__}: {error}).") from error


def _contiguous(tensor: _Tensor) -> bool:
    expected = [math.prod(tensor.shape[i + 1 :]) for i in range(len(tensor.shape))]
    # Along a side of one the stride says nothing.
    return all(s == e or n == 1 for s, e, n in zip(tensor.strides, expected, tensor.shape, strict=True))


def _array(archive: zipfile.ZipFile, names: str, tensor: _Tensor) -> NDArray[np.float32]:
    data = archive.read(names.removesuffix("data.pkl") + f"data/{tensor.key}")
    count = math.prod(tensor.shape)
    numbers = np.frombuffer(data, _DTYPES[tensor.kind])[tensor.offset : tensor.offset + count]
    return numbers.reshape(tensor.shape).astype(np.float32)


def _names(archive: zipfile.ZipFile) -> tuple[str, dict[str, Any]]:
    """Where the names lie in the archive, and the state dict with descriptions for tensors."""
    names = next(n for n in [*archive.namelist(), ""] if n.endswith("data.pkl") or not n)
    if not names or archive.getinfo(names).file_size > _MAX_NAMES_BYTES:
        raise pickle.UnpicklingError("no state dict inside")
    state = _StateUnpickler(io.BytesIO(archive.read(names))).load()
    if not isinstance(state, dict):
        raise pickle.UnpicklingError("not a state dict")
    return names, {str(key).removeprefix("module."): value for key, value in state.items()}


def _head(archive: zipfile.ZipFile) -> WeightsHead:
    names, state = _names(archive)
    if "W2" in state or any("patch_embed" in key for key in state):
        raise ModelError("This is a model of Cellpose 4 (cpsam); this program runs Cellpose 1-3 networks.")
    if not isinstance(state.get(_FIRST_PROJECTION), _Tensor):
        raise pickle.UnpicklingError("its tensors are those of another network")
    widths: list[int] = []
    while isinstance(level := state.get(_FIRST_PROJECTION.replace("down_0", f"down_{len(widths)}")), _Tensor):
        widths.append(level.shape[0])
    diam = state.get("diam_mean")
    value = _first_number(archive, names, diam) if isinstance(diam, _Tensor) else None
    return WeightsHead(value, state[_FIRST_PROJECTION].shape[1], tuple(widths))


def _first_number(archive: zipfile.ZipFile, names: str, tensor: _Tensor) -> float | None:
    dtype = _DTYPES.get(tensor.kind)
    if dtype is None:
        return None
    numbers = np.frombuffer(archive.read(names.removesuffix("data.pkl") + f"data/{tensor.key}"), dtype)
    value = float(numbers[tensor.offset])
    return value if np.isfinite(value) and value > 0 else None


@dataclass(frozen=True)
class SizeModel:
    """Cellpose's linear map from a style vector to the cell diameter."""

    slope: NDArray[np.float64]
    style_mean: NDArray[np.float64]
    log_mean: float
    diam_mean: float

    def diameter_px(self, style: NDArray[np.floating[Any]]) -> float:
        """Diameter in pixels of the image that a style (256,) comes from, never below 5 (Cellpose).

        Where the regression fails (not a number), `diam_mean`.
        """
        exponent = float(self.slope @ (np.asarray(style, np.float64).ravel() - self.style_mean)) + self.log_mean
        value = float(np.exp(min(exponent, 50.0))) * self.diam_mean
        return max(5.0, value) if np.isfinite(value) else self.diam_mean


class _ArrayUnpickler(pickle.Unpickler):
    """Knows NumPy arrays and scalars, and nothing else."""

    _KNOWN = frozenset({"_reconstruct", "scalar", "ndarray", "dtype"})

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in self._KNOWN:
            if name in ("ndarray", "dtype"):
                return getattr(np, name)
            return getattr(importlib.import_module("numpy._core.multiarray"), name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a size model")


def read_size_model(path: Path) -> SizeModel:
    """Cellpose's `size_*.npy`, a pickled dict of arrays, read by an unpickler that knows arrays only.

    Raises:
        ModelError: unreadable or something else.
    """
    try:
        with path.open("rb") as file:
            npy: Any = np.lib.format
            if npy.read_magic(file) == (1, 0):
                npy.read_array_header_1_0(file)
            else:
                npy.read_array_header_2_0(file)
            content = _ArrayUnpickler(file, encoding="latin1").load()
        values = content.item() if isinstance(content, np.ndarray) else content
        slope = np.asarray(values["A"], np.float64).ravel()
        style_mean = np.asarray(values["smean"], np.float64).ravel()
        if slope.shape != style_mean.shape:
            raise ValueError("slope and style differ in length")
        log_mean, diam = (float(np.asarray(values[name]).ravel()[0]) for name in ("ymean", "diam_mean"))
        return SizeModel(slope, style_mean, log_mean, diam)
    except (OSError, pickle.UnpicklingError, ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        raise ModelError(f"{path} is no size model of Cellpose ({error}). Set the diameter by hand.") from error
