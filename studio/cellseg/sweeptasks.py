"""One field of a slide segmented in several ways, as pictures to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studio.cellseg.flowfield import TileStore
from studio.cellseg.memory import ArraySource
from studio.cellseg.models import resolve_model
from studio.cellseg.networks import shared_network
from studio.cellseg.params import SegmentParams
from studio.cellseg.picture import overlay_picture
from studio.cellseg.plan import make_plan
from studio.cellseg.preview import segment_plan
from studio.cellseg.tasks import Rect, slide_at
from studio.core.jobs import Progress
from studio.errors import StudioError


@dataclass(slots=True)
class _Outlines:
    """How cells are drawn on the pictures; see `studio.cellseg.picture.Style`."""

    mask: bool = False
    outline: bool = True
    centroid: bool = False
    gradxy: bool = False
    black_bg: bool = False
    alpha: float = 1.0


def sweep_task(
    progress: Progress,
    *,
    slide_path: str,
    mpp: float | None,
    variants: Sequence[dict[str, Any]],
    rect_slide: Rect,
    picture_px: int,
) -> int:
    """Segment a rectangle (x, y, width, height in slide pixels) with each of several parameters.

    `emit("variant", …)` hands each over once it is done: number, cells, picture (h, w, 3) uint8 of the slide with the
    cells' outlines, its longer side `picture_px` at most, or error (in words) in place of the two.

    Returns:
        How many there were.
    """
    progress.start(len(variants), "Segmenting in several ways")
    # Variants that differ by thresholds share the network's answer.
    before: tuple[object, TileStore] | None = None
    with slide_at(slide_path, mpp) as slide:
        for number, values in enumerate(variants):
            said: dict[str, Any] = {"number": number}
            try:
                params = SegmentParams.from_dict(values)
                network = shared_network(resolve_model(params.model), params, progress)
                plan = make_plan(slide, params, rect_slide)
                seen = (plan.model.sha256, plan.grid.scale, plan.channel, plan.lattice)
                if before is None or before[0] != seen:
                    before = seen, TileStore(plan.cache_bytes)
                found = segment_plan(plan, network, _Quiet(progress), store=before[1])
                source = ArraySource(found.labels, found.geometry, centroids=found.centroids)
                picture = overlay_picture(slide, source, rect_slide, picture_px, _Outlines())
                said |= {"cells": len(found.cells), "picture": picture}
            except StudioError as error:
                # One way that can't be gone leaves the others.
                said["error"] = str(error)
            progress.emit("variant", said)
            progress.advance()
    return len(variants)


class _Quiet:
    """Passes on the wish to stop and what somebody should know of; counts nothing."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        del total, message, done

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        del steps, message
        self._progress.advance(0)

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        if kind == "notice":
            self._progress.emit(kind, payload)
