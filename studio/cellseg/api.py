"""`segment_slide`: the engine as one call from Python, with the arguments that users of the known system have."""

from __future__ import annotations

import logging
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cellseg.models import resolve_model
from studio.cellseg.params import SegmentParams
from studio.cellseg.result import Segmentation
from studio.cellseg.run import Request, run_slide
from studio.core.jobs import Progress
from studio.core.shown import Callback, shown
from studio.errors import ParameterError, UsageError
from studio.slide import WSI, open_slide

if TYPE_CHECKING:
    from studio.slide.roi import ROI

log = logging.getLogger(__name__)

_SAME = {"cp_thresh": "cellprob_threshold", "save_flow": "save_flows", "window_size": "window", "batch_size": "batch"}
"""Arguments of the known system and the parameters they are."""
_WITHOUT_EFFECT = frozenset({"spawn_workers", "verbose", "pb", "pb_tasks"})
"""Accepted so that old scripts run: worker processes, printing and foreign progress bars are ours to arrange."""


def segment_slide(
    slide: WSI | str | Path,
    model: str | None = None,
    *,
    diam_um: float | None = None,
    out: str | Path | None = None,
    params: SegmentParams | None = None,
    mpp: float | None = None,
    region: tuple[float, float, float, float] | None = None,
    rois: Sequence[ROI] | None = None,
    overwrite: bool = True,
    progress: Progress | Callback | None = None,
    show_progress: bool | None = None,
    diam_mean: float | None = None,
    gpus: int | Sequence[int] | None = None,
    device: Any = None,
    **settings: Any,
) -> Segmentation:
    """Segment the cells of a slide.

    Args:
        slide: a slide or its path.
        model: name or weights file of a model; `cyto2` where its weights are on this machine, else the
            embedded one.
        diam_um: cell diameter in µm; 10 by default.
        out: the result file to write; it is left there, and an unfinished run beside it is gone on with. None:
            a temporary file that goes with the returned object.
        params: all parameters at once; what is given besides overrides them.
        mpp: µm per slide pixel, for a slide that doesn't say or says it wrong.
        region: x, y, width, height in slide pixels to restrict the run to.
        rois: count only cells inside of these (`studio.slide.roi.read_rois`).
        overwrite: whether a file at `out` may be replaced.
        progress: told of blocks, or a function called with (done, total, message); what it raises stops the run,
            which stays resumable.
        show_progress: a bar on stderr; None: where that is a terminal.
        diam_mean: pixels across a cell that the network expects, if not the model's own number.
        gpus: number(s) of CUDA devices, of which the first is used if this machine has any.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`, or a torch device.
        **settings: fields of `SegmentParams` (`cellprob_threshold`, `flow_threshold`, `min_size`, `niter`,
            `interp`, `channel`, `otsu`, `save_flows`, `downscale`, `tile`, `window`, `overlap`, `batch`, `workers`,
            `backend`, `memory_gb`), or their older names `cp_thresh`, `save_flow`, `window_size`, `batch_size`.
            `downscale=None` and `window_size=None` are the defaults. `spawn_workers`, `verbose`,
            `pb`, `pb_tasks` are accepted and have no effect.

    Raises:
        StudioError: the slide, a parameter, the model or the target can't be used; the message says what to do.

    >>> from studio.resources import resource
    >>> sample = resource("assets", "samples", "CMU-1-Small-Region.svs")
    >>> with segment_slide(sample, model="builtin", diam_um=9.5, region=(900, 1350, 300, 200)) as cells:
    ...     cells.masks.dtype, cells.cells > 5, cells.meta["model"]["name"]
    (dtype('uint32'), True, 'builtin')
    """
    chosen = parameters_from(settings, params, model, diam_um, diam_mean, gpus, device)
    opened = slide if isinstance(slide, WSI) else open_slide(slide, mpp=mpp)
    try:
        if opened is slide and mpp is not None and mpp != opened.mpp:
            raise UsageError("The slide is open already: set its pixel size with slide.set_mpp, not with mpp=.")
        with shown(progress, show_progress) as told:
            if out is not None:
                request = Request(chosen, Path(out).expanduser().absolute(), region, rois, None, overwrite)
                return Segmentation.load(run_slide(opened, request, told).out)
            return _into_scratch(opened, chosen, region, rois, told)
    finally:
        if opened is not slide:
            opened.close()


def parameters_from(
    settings: dict[str, Any],
    params: SegmentParams | None = None,
    model: str | None = None,
    diam_um: float | None = None,
    diam_mean: float | None = None,
    gpus: int | Sequence[int] | None = None,
    device: Any = None,
) -> SegmentParams:
    """The parameters that arguments of `segment_slide` stand for. Raises ParameterError, ModelError."""
    from studio.cellseg.models import default_model

    changes: dict[str, Any] = {}
    for name, value in settings.items():
        if name in _WITHOUT_EFFECT:
            log.debug("segment_slide: %s has no effect here", name)
        elif name in _SAME or name in SegmentParams.__dataclass_fields__:
            # None stood for "the default" in the known system.
            if value is not None:
                changes[_SAME.get(name, name)] = value
        else:
            raise ParameterError(f"segment_slide has no argument {name!r}. See help(studio.cellseg.segment_slide).")
    if model is not None:
        changes["model"] = str(model)
    elif params is None:
        changes["model"] = default_model()
    if diam_um is not None:
        changes["diam_um"] = diam_um
    if (chosen := _device(device, gpus)) is not None:
        changes["device"] = chosen
    result = params.changed(**changes) if params is not None else SegmentParams(**changes)
    if diam_mean is None:
        return result
    if not diam_mean > 0:
        raise ParameterError(f"diam_mean must be a number of pixels above 0, not {diam_mean!r}.")
    # The slide is resampled to diam_um / diam_mean: another diam_mean is another diameter by the same ratio.
    return result.changed(diam_um=result.diam_um * resolve_model(result.model).diam_mean / diam_mean)


def _device(device: Any, gpus: int | Sequence[int] | None) -> str | None:
    if device is not None:
        return str(device)
    numbers = [gpus] if isinstance(gpus, int) else list(gpus or ())
    if not numbers:
        return None
    import torch

    return f"cuda:{numbers[0]}" if torch.cuda.is_available() else None


def _into_scratch(
    slide: WSI,
    params: SegmentParams,
    region: tuple[float, float, float, float] | None,
    rois: Sequence[ROI] | None,
    progress: Progress,
) -> Segmentation:
    folder = tempfile.TemporaryDirectory(prefix="studio-segmentation-")
    try:
        request = Request(params, Path(folder.name) / f"{slide.name}-masks.zip", region, rois)
        segmentation = Segmentation.load(run_slide(slide, request, progress).out)
    except BaseException:
        folder.cleanup()
        raise
    weakref.finalize(segmentation, folder.cleanup)
    return segmentation
