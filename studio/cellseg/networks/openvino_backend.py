"""Networks on OpenVINO: half of torch's time on a CPU, the same masks."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray

from studio.cellseg.networks import padded
from studio.cellseg.networks.cpnet import INPUT_CHANNELS, CPNet


class OpenVINONetwork:
    """See `studio.cellseg.networks.Network`. Converted in memory; nothing is written to disk."""

    def __init__(self, net: CPNet, *, tile_px: int, batch: int, threads: int, bf16: bool) -> None:
        self.backend = "openvino-bf16" if bf16 else "openvino"
        self.tile_px, self.batch, self.nchan = tile_px, batch, INPUT_CHANNELS
        shape = (batch, INPUT_CHANNELS, tile_px, tile_px)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the tracer's remarks on shapes, which are fixed here
            model = ov.convert_model(net.eval(), example_input=torch.zeros(shape), input=[shape])
        config = {
            # Without the hint OpenVINO takes bf16 by itself where the CPU has it.
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
        }
        if threads > 0:
            config["INFERENCE_NUM_THREADS"] = str(threads)
        self._compiled = ov.Core().compile_model(model, "CPU", config)
        self._requests = threading.local()

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 2, T, T) to (B, 3, T, T)."""
        return self._run(x, 0)

    def style(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 2, T, T) to (B, S)."""
        return self._run(x, 1)

    def _run(self, x: NDArray[np.float32], output: int) -> NDArray[np.float32]:
        request = getattr(self._requests, "request", None)
        if request is None:
            request = self._requests.request = self._compiled.create_infer_request()
        request.infer([padded(x, self.batch, self.tile_px)], share_inputs=True)
        # The request's buffer is overwritten by its next call.
        return np.array(request.get_output_tensor(output).data[: len(x)], dtype=np.float32)
