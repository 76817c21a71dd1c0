"""How densely cells lie on a slide, from random fields: a number with its interval, which narrows as fields come in."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.blocks import BlockCells, FlowPiece
from studio.cellseg.forecast import FIELD_TILES, forecast, tissue_px
from studio.cellseg.lattice import Rect
from studio.cellseg.networks import Network
from studio.cellseg.params import SegmentParams
from studio.cellseg.pipeline import Pipeline
from studio.cellseg.plan import Plan, make_plan
from studio.cellseg.run import Request, network_for
from studio.cellseg.tasks import slide_at

if TYPE_CHECKING:
    from studio.core.jobs import Progress
    from studio.slide.roi import ROI

CONFIDENCE = 0.95
PRECISION = 0.05
"""Tight enough: the interval's half width as a share of the density."""

LEAST_FIELDS = 6
"""Before which an interval means little."""

MOST_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Density:
    """What is known after some fields."""

    fields: int
    per_mm2: float
    """Cells on a mm² of tissue (inside the regions, where there are any)."""
    low: float
    high: float
    """The ends of its 95 % interval."""
    tissue_mm2: float
    """Area that it holds for."""
    seen_mm2: float
    """Tissue in the fields."""
    tight: bool
    """Whether the interval is as narrow as wanted, or all of the tissue was looked at."""

    @property
    def cells(self) -> int:
        """How many cells there are in all of it."""
        return round(self.tissue_mm2 * self.per_mm2)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        low, high = round(self.tissue_mm2 * self.low), round(self.tissue_mm2 * self.high)
        return asdict(self) | {"cells": self.cells, "cells_low": low, "cells_high": high}


def survey_task(
    progress: Progress,
    *,
    slide_path: str,
    mpp: float | None,
    params: dict[str, Any],
    out: str,
    rois: Sequence[ROI] | None = None,
    precision: float = PRECISION,
) -> dict[str, Any]:
    """What a run would take, then how densely cells lie, field by field, until that is known well enough.

    Emits `forecast` (`Forecast.to_dict`) once and `density` (`Density.to_dict`) after each field from LEAST_FIELDS on.

    Returns:
        forecast, and density (None where there is no tissue).
    """
    request = Request(SegmentParams.from_dict(params), Path(out).absolute(), None, rois)
    with slide_at(slide_path, mpp) as slide:
        plan = make_plan(slide, request.params, None, rois)
        network = network_for(plan, request, progress)
        expected = forecast(slide, request, progress, network).to_dict()
        progress.emit("forecast", expected)
        density = None
        for density in survey(plan, network, progress, precision):
            progress.emit("density", density.to_dict())
    return {"forecast": expected, "density": None if density is None else density.to_dict()}


def survey(plan: Plan, network: Network, progress: Progress, precision: float = PRECISION) -> Iterator[Density]:
    """Segment random fields one after the other; what is known after each, from the LEAST_FIELDS-th on.

    Fields are drawn without replacement, the same ones in the same order each time. Ends once the interval's half
    width is `precision` of the density or less, or MOST_FIELDS (or all there are) are done.
    """
    fields, area_px = _drawn(plan)
    progress.start(min(len(fields), MOST_FIELDS), "Counting cells in random fields")
    counts: dict[Rect, int] = {}
    pipeline = Pipeline(plan, network, harvest=_own_cells)
    with contextlib.closing(pipeline.run(fields[:MOST_FIELDS], poll=lambda: progress.advance(0))) as finished:
        known = 0
        for item in finished:
            counts[item.block.core] = item.extra
            pipeline.say(progress)
            progress.advance(1)
            # In the order drawn, so that quick fields (those with few cells) don't count for more.
            while known < len(fields) and fields[known] in counts:
                known += 1
                if known < min(LEAST_FIELDS, len(fields)):
                    continue
                seen = fields[:known]
                density = _density(
                    plan, [counts[f] for f in seen], [tissue_px(plan, (f,)) for f in seen], area_px, precision
                )
                yield density
                if density.tight:
                    return


def _own_cells(block: BlockCells, _piece: FlowPiece) -> int:
    """Cells whose sink lies in the core: those that only reach in are counted elsewhere."""
    core, parts = block.core, block.cells
    own = (parts["row"] >= core.top) & (parts["row"] < core.bottom)
    own &= (parts["col"] >= core.left) & (parts["col"] < core.right)
    return int(np.count_nonzero(own))


def _drawn(plan: Plan) -> tuple[list[Rect], float]:
    """Fields with tissue in random order, and the tissue of all of them in working pixels."""
    side, region = FIELD_TILES * plan.lattice.stride, plan.region
    fields = [
        Rect(row, col, row + side, col + side).clipped(region)
        for row in range(region.top, region.bottom, side)
        for col in range(region.left, region.right, side)
    ]
    if plan.where is not None:
        fields = [field for field in fields if plan.where.touches_field(field)]
    area = {field: tissue_px(plan, (field,)) for field in fields}
    fields = [field for field in fields if area[field] > 0]
    seed = int.from_bytes(str(plan.slide.fingerprint).encode()[-8:], "little")
    order = np.random.default_rng(seed).permutation(len(fields))
    return [fields[k] for k in order], sum(area.values())


def _density(plan: Plan, counts: list[int], areas_px: list[float], total_px: float, precision: float) -> Density:
    """The ratio estimator of survey sampling with its t interval (Cochran 1977, *Sampling Techniques*, ch. 6)."""
    from scipy.stats import t

    y: NDArray[np.float64] = np.asarray(counts, np.float64)
    x: NDArray[np.float64] = np.asarray(areas_px, np.float64)
    px_of_mm2 = (1000 / plan.grid.mpp) ** 2
    number, ratio = len(y), float(y.sum() / x.sum())
    left = max(0.0, 1 - x.sum() / total_px)
    half = 0.0
    if number > 1:
        residual = float(((y - ratio * x) ** 2).sum()) / (number - 1)
        half = float(t.ppf(0.5 + CONFIDENCE / 2, number - 1)) * math.sqrt(left * residual / number) / x.mean()
    elif left:
        half = ratio
    return Density(
        fields=number,
        per_mm2=ratio * px_of_mm2,
        low=max(0.0, ratio - half) * px_of_mm2,
        high=(ratio + half) * px_of_mm2,
        tissue_mm2=total_px / px_of_mm2,
        seen_mm2=float(x.sum()) / px_of_mm2,
        tight=(number >= LEAST_FIELDS and half <= precision * ratio) or left < 1e-9,
    )
