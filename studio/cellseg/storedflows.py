"""What can be made of a result's stored flows without the network, and what can't. Loads nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.cellseg.params import SegmentParams
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation

THRESHOLDS = ("cellprob_threshold", "flow_threshold", "min_size", "niter")
"""Parameters that come after the network."""

STORED_FROM = "flows_cellprob_threshold"
"""Key of a result's description: flows are stored where the cell probability is over this. Without it: over the
threshold that the result was made with."""

BELOW = 2.0
"""How far below a run's threshold flows are stored (logits), so that it can be lowered later; half as much again on
the disk as without."""

_WORK = ("block", "workers", "memory_gb")


def flows_from(params: SegmentParams) -> float | None:
    """The cell probability over which a run with these parameters stores flows; None where it stores none."""
    return params.cellprob_threshold - BELOW if params.save_flows else None


def stored_from(segmentation: Segmentation) -> float:
    """The cell probability from which on flows are stored; no threshold below it can be applied.

    Raises UsageError where the result's flows can't be used again.
    """
    meta = segmentation.meta
    flows = segmentation.flows
    if flows is None:
        raise UsageError("This result has no flows. Tick Save flows (--save-flows) and segment the slide once more.")
    if flows.dtype.kind != "f" or not isinstance(meta.get("params"), dict) or "diam_mean" not in meta.get("model", {}):
        raise UsageError("The flows of this result were not stored by Studio, so its cells can't be made again.")
    params = SegmentParams.from_dict(meta["params"])
    if params.downscale != 1:
        raise UsageError(
            f"This result is stored at 1/{params.downscale:g} of the resolution that cells are found at. "
            "Segment the slide once more with downscale 1."
        )
    return float(meta.get(STORED_FROM, params.cellprob_threshold))


def changed_params(segmentation: Segmentation, changes: dict[str, Any]) -> SegmentParams:
    """Parameters of a result with other thresholds. Raises UsageError for what the stored flows can't give."""
    least = stored_from(segmentation)
    refused = sorted(set(changes) - {*THRESHOLDS, *_WORK})
    if refused:
        raise UsageError(f"{', '.join(refused)} can't be changed without the network; segment the slide once more.")
    params = SegmentParams.from_dict(segmentation.meta["params"]).changed(**changes)
    if params.cellprob_threshold < least:
        raise UsageError(
            f"Flows are stored where the cell probability is over {least:g}, so {params.cellprob_threshold:g} can't be "
            "applied to them. Segment the slide once more with the lower threshold; raising it again is quick then."
        )
    return params
