"""What a person can set about a segmentation: one frozen value, checked once."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from studio.errors import ParameterError

BUILTIN_MODEL = "builtin"
"""Name of the embedded nuclear model, which needs no download."""

USUAL_FLOW_THRESHOLD = 0.4
"""Cellpose's."""
OWN_FLOW_THRESHOLDS = {BUILTIN_MODEL: 0.5}
"""Models with another usual one: chosen by `models scan` where counts are truest and F1 is the best."""

CHANNELS = (
    *("auto", "gray", "red", "green", "blue", "hematoxylin", "fluorescence"),
    *("red+green", "red+blue", "green+red", "green+blue", "blue+red", "blue+green"),
)
"""How a network's two input channels are made from RGB; see `studio.cellseg.inputs`."""

NETWORK_TILE = 256
"""Side of a network tile in working pixels while `tile` is on."""


def usual_flow_threshold(model: str) -> float:
    """The flow threshold that a model is used with unless somebody says otherwise."""
    return OWN_FLOW_THRESHOLDS.get(model, USUAL_FLOW_THRESHOLD)


@dataclass(frozen=True, slots=True)
class SegmentParams:
    """Everything that decides which cells are found, and how the work is cut up.

    The first group changes the result, and so does `overlap`; the second (`window` with `tile` on,
    `block`, `batch`, `workers`, `device`, `backend`, `memory_gb`) must not.

    >>> params = SegmentParams(diam_um=8.5, otsu=True)
    >>> params.changed(min_size=30) == SegmentParams.from_dict(params.to_dict() | {"min_size": 30})
    True
    """

    model: str = BUILTIN_MODEL
    diam_um: float = 10.0
    """Expected cell diameter in micrometres; the slide is resampled so that it spans the model's `diam_mean` pixels."""
    cellprob_threshold: float = 0.0
    flow_threshold: float = None  # type: ignore[assignment]  # until __post_init__
    """Largest mean squared flow error of a kept cell; 0 switches the check off, None is what is usual for the model."""
    min_size: int = 15
    """Smallest kept cell in working pixels."""
    niter: int = 200
    """Euler steps of the flow dynamics."""
    interp: bool = True
    """Interpolate the flow between pixels on the way; off: each step follows the pixel that it begins in."""
    channel: str = "auto"
    otsu: bool = False
    """Segment only blocks with tissue by strict Otsu on the whole slide."""
    save_flows: bool = False
    downscale: float = 1.0
    """Divides the stored masks' resolution; doesn't change which cells are found."""
    tile: bool = True
    """Cut each window into 256-px network tiles; off: one network pass per window."""
    window: int = 1024
    """Side in working pixels of what is segmented at a time."""
    overlap: int | None = None
    """Working pixels that neighbouring network tiles share (default: 32, or 64 with `tile` off)."""

    block: int | None = None
    """Overrides the engine's block side (default: `window`)."""
    batch: int = 4
    workers: int = 0
    """Compute threads; 0: one per core."""
    device: str = "auto"
    backend: str = "auto"
    memory_gb: float = 2.0

    def __post_init__(self) -> None:
        for name in ("diam_um", "cellprob_threshold", "flow_threshold", "downscale", "memory_gb"):
            value = getattr(self, name)
            if name == "flow_threshold" and value is None:
                value = usual_flow_threshold(self.model)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ParameterError(f"{name} must be a finite number, not {value!r}.")
            # So that 10 and 10.0 are one run.
            object.__setattr__(self, name, float(value))
        for name in ("min_size", "niter", "window", "batch", "workers"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ParameterError(f"{name} must be a whole number, not {value!r}.")
        if not 0.1 <= self.diam_um <= 1000:
            raise ParameterError(
                f"The cell diameter must lie between 0.1 and 1000 µm, not {self.diam_um:g}. "
                "Nuclei measure about 6-12 µm, whole cells 8-30 µm."
            )
        if self.flow_threshold < 0:
            raise ParameterError("flow_threshold must be 0 (no check) or more; 0.4 or 0.5 is usual.")
        if self.min_size < 0:
            raise ParameterError("min_size must be 0 or more working pixels; 15 is usual.")
        if self.niter < 1:
            raise ParameterError("niter must be 1 or more; 200 is usual.")
        if not 1 <= self.downscale <= 64:
            raise ParameterError("downscale must lie between 1 (full resolution) and 64.")
        for name, side in (("window", self.window), ("block", self.block)):
            if side is not None and (side % 16 or not 128 <= side <= 8192):
                raise ParameterError(f"{name} must be a multiple of 16 between 128 and 8192 px, not {side}.")
        if self.overlap is not None and (self.overlap % 2 or not 0 <= self.overlap <= self.network_px // 2):
            raise ParameterError(
                f"overlap must be an even number of pixels from 0 to {self.network_px // 2}, half a network tile, not "
                f"{self.overlap}; 32 is usual, and with none cells on the tiles' edges suffer."
            )
        if self.batch < 1 or self.workers < 0:
            raise ParameterError("batch must be 1 or more and workers 0 (one per core) or more.")
        if self.memory_gb <= 0:
            raise ParameterError("The memory budget must be more than 0 GB.")
        if self.channel not in CHANNELS:
            raise ParameterError(f"Unknown channel {self.channel!r}; choose from {', '.join(CHANNELS)}.")
        if not self.model:
            raise ParameterError("No model chosen; `python -m studio models list` shows what there is.")

    @property
    def block_px(self) -> int:
        """Side of an engine block's core in working pixels."""
        return self.block or self.window

    @property
    def network_px(self) -> int:
        """Side of one network tile in working pixels."""
        return NETWORK_TILE if self.tile else self.window

    def changed(self, **changes: Any) -> SegmentParams:
        """A copy with some fields replaced, checked again.

        With the model, a flow threshold that was usual for the old one becomes what is usual for the new one.

        >>> SegmentParams().changed(model="cyto2").flow_threshold
        0.4
        """
        if changes.get("model", self.model) != self.model and self.flow_threshold == usual_flow_threshold(self.model):
            changes = {"flow_threshold": None} | changes
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the inverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SegmentParams:
        """Parameters from JSON values; unknown keys (of a later version) are left out."""
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in values.items() if k in known})
