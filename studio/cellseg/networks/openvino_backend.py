"""Networks on OpenVINO: half of torch's time on a CPU, the same masks.

The graph is put together from the weights here: `openvino.convert_model` traces, takes seven seconds
and knocks at a telemetry server; this takes a tenth of a second, and needs no torch, whose import takes most of one.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from studio.cellseg.networks import INPUT_CHANNELS, checked

_BATCH_NORM_EPS = 1e-5


@functools.cache
def _core() -> Any:
    """The process's one core, which never ends.

    A core gives the thread that first compiles with it a stack for signals, and frees that stack when it ends,
    on whatever thread that is; the next signal (Ctrl+C) then kills the process.
    """
    return ov.Core()


def has_bf16() -> bool:
    """Whether the processor computes in bfloat16; where it doesn't, OpenVINO would take float32 in silence."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVINONetwork:
    """See `studio.cellseg.networks.Network`. Built in memory; nothing is written to disk.

    Tiles pass one by one, as many at a time as there are streams, each on cores of its own: no core waits for another
    at the end of every layer, which takes a tenth less time, and a third where other threads are at work.

    `weights` are a `CPNet`'s by name. KeyError when they are those of another architecture.
    """

    def __init__(
        self, weights: Mapping[str, NDArray[np.float32]], *, tile_px: int, batch: int, threads: int, bf16: bool
    ) -> None:
        self.backend = "openvino-bf16" if bf16 else "openvino"
        self.tile_px, self.batch = tile_px, batch
        streams = max(n for n in range(1, batch + 1) if threads % n == 0) if threads > 0 else 1
        self.at_once = streams + 1 if streams > 1 else 1
        config = {
            # Without the hint OpenVINO takes bf16 by itself where the CPU has it.
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": str(streams),
        }
        if threads > 0:
            config["INFERENCE_NUM_THREADS"] = str(threads)
        try:
            model = _Graph(weights).model((1, INPUT_CHANNELS, tile_px, tile_px))
        except RuntimeError as error:
            raise KeyError(f"weights of other shapes: {error}") from error
        self._compiled = _core().compile_model(model, "CPU", config)
        self._requests = threading.local()

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 2, T, T) to (B, 3, T, T)."""
        return self._run(x, 0)

    def style(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 2, T, T) to (B, S)."""
        return self._run(x, 1)

    def _run(self, x: NDArray[np.float32], output: int) -> NDArray[np.float32]:
        x = checked(x, self.batch, self.tile_px)
        requests = self._requests.__dict__.setdefault("all", [])
        while len(requests) < len(x):
            requests.append(self._compiled.create_infer_request())
        out = np.empty((len(x), *self._compiled.output(output).shape[1:]), np.float32)
        for n, request in enumerate(requests[: len(x)]):
            request.start_async([x[n : n + 1]], share_inputs=True)
        for n, request in enumerate(requests[: len(x)]):
            request.wait()
            # The request's buffer is overwritten by its next call.
            out[n] = request.get_output_tensor(output).data[0]
        return out


class _Graph:
    """`CPNet.forward` in OpenVINO's operations; names are keys of its state dict."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._weights = weights
        self._used = {"diam_mean", "diam_labels"}
        self._levels = 0
        while f"downsample.down.res_down_{self._levels}.proj.1.weight" in weights:
            self._levels += 1

    def model(self, shape: tuple[int, int, int, int]) -> Any:
        x = entry = op.parameter(list(shape), np.float32, name="x")
        levels: list[Any] = []
        for i in range(self._levels):
            if levels:
                x = op.max_pool(levels[-1], [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
            levels.append(self._down(f"downsample.down.res_down_{i}", x))
        style = op.reduce_mean(levels[-1], op.constant([2, 3]), keep_dims=False)
        norm = op.sqrt(op.reduce_sum(op.multiply(style, style), op.constant([1]), keep_dims=True))
        style = op.divide(style, norm)
        x = levels[-1]
        for i in range(self._levels - 1, -1, -1):
            if i < self._levels - 1:
                x = _doubled(x)
            x = self._up(f"upsample.up.res_up_{i}", x, levels[i], style)
        model = ov.Model([self._conv("output", x), style], [entry], "cpnet")
        if strange := sorted(set(self._weights) - self._used):
            raise KeyError(strange[0])
        return model

    def _down(self, name: str, x: Any) -> Any:
        first = self._conv(f"{name}.conv.conv_1", self._conv(f"{name}.conv.conv_0", x))
        x = op.add(self._projection(f"{name}.proj", x), first)
        return op.add(x, self._conv(f"{name}.conv.conv_3", self._conv(f"{name}.conv.conv_2", x)))

    def _up(self, name: str, x: Any, skip: Any, style: Any) -> Any:
        first = op.add(self._conv(f"{name}.conv.conv_0", x), skip)
        x = op.add(self._projection(f"{name}.proj", x), self._styled(f"{name}.conv.conv_1", style, first))
        return op.add(x, self._styled(f"{name}.conv.conv_3", style, self._styled(f"{name}.conv.conv_2", style, x)))

    def _styled(self, name: str, style: Any, x: Any) -> Any:
        weight, bias = self._take(f"{name}.full.weight"), self._take(f"{name}.full.bias")
        if not weight.any() and weight.shape == (len(bias), style.get_output_partial_shape(0)[1].get_length()):
            # Trained without style: what is left of it is the same for all tiles.
            return self._conv(f"{name}.conv", x, bias)
        feature = op.add(op.matmul(style, op.constant(weight), False, True), op.constant(bias))
        return self._conv(f"{name}.conv", op.add(x, op.unsqueeze(feature, op.constant([2, 3]))))

    def _conv(self, name: str, x: Any, moved: Any = 0) -> Any:
        return self._convolution(f"{name}.2", op.relu(self._norm(f"{name}.0", x, moved)))

    def _projection(self, name: str, x: Any) -> Any:
        return self._convolution(f"{name}.1", self._norm(f"{name}.0", x))

    def _norm(self, name: str, x: Any, moved: Any = 0) -> Any:
        """Of `x` + `moved`, a number or one for each channel."""
        w = self._take
        scale = w(f"{name}.weight") / np.sqrt(w(f"{name}.running_var") + _BATCH_NORM_EPS)
        shift = w(f"{name}.bias") + (moved - w(f"{name}.running_mean")) * scale
        return op.add(op.multiply(x, _channelwise(scale)), _channelwise(shift))

    def _convolution(self, name: str, x: Any) -> Any:
        kernel = self._take(f"{name}.weight")
        pad = [kernel.shape[2] // 2] * 2
        y = op.convolution(x, op.constant(kernel), [1, 1], pad, pad, [1, 1])
        return op.add(y, _channelwise(self._take(f"{name}.bias")))

    def _take(self, name: str) -> NDArray[np.float32]:
        self._used.add(name)
        return self._weights[name]


def _channelwise(values: NDArray[np.float32]) -> Any:
    return op.constant(np.asarray(values, np.float32).reshape(1, -1, 1, 1))


def _doubled(x: Any) -> Any:
    return op.interpolate(
        x,
        op.constant(np.array([2.0, 2.0], np.float32)),
        mode="nearest",
        shape_calculation_mode="scales",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        axes=op.constant([2, 3]),
    )
