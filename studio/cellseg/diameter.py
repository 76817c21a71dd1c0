"""The cell diameter, found by looking: Cellpose's size model where there is one, then segment, measure, rescale."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.blocks import PART
from studio.cellseg.cells import LOGIT_UNITS
from studio.cellseg.flowfield import TileInputs
from studio.cellseg.lattice import Rect, block_grid
from studio.cellseg.models import load_size_model
from studio.cellseg.networks import Network
from studio.cellseg.networks.sparing import style_sparing
from studio.cellseg.params import SegmentParams
from studio.cellseg.pipeline import Pipeline
from studio.cellseg.plan import Plan, make_plan
from studio.cellseg.rounds import Round, settled, why_not
from studio.core.jobs import Progress

if TYPE_CHECKING:
    from studio.slide import WSI
    from studio.slide.roi import ROI

SlideRect = tuple[float, float, float, float]

FIELDS, MOST_FIELDS = 6, 18
FIELD_PX = 448
"""Side of a field in working pixels: with its halo it takes nine of the network's tiles."""
STYLE_TILES = 12
ROUNDS = 4
CLOSE_ENOUGH = 0.02
"""Relative change from one round to the next at which the search ends."""
WANTED_CELLS = 300
"""After the first round as many more fields are looked at, up to MOST_FIELDS, as this takes."""
PLACE_UM = 90.0
"""Fields are chosen on a grid of this width."""
ENOUGH_CELLS = 8
"""With fewer cells than this a round says nothing."""
BINS = 24

_GUESSES = (1.0, 2.0, 0.5, 4.0)
"""Multiples of the first guess that are tried in turn while too few cells are found."""
_RANGE_UM = (1.0, 200.0)


@dataclass(frozen=True, slots=True)
class DiameterEstimate:
    """A cell diameter and what speaks for it. Diameters are those of circles of the cells' area, in µm."""

    diam_um: float
    """The median, in hundredths; the diameter asked for where nothing speaks for another."""
    quartiles_um: tuple[float, float, float]
    cells: int
    histogram: tuple[int, ...]
    """Cells in equal bins between neighbouring `edges_um`."""
    edges_um: tuple[float, ...]
    rounds_um: tuple[float, ...]
    """The diameters that were tried, in order."""
    fields: tuple[SlideRect, ...]
    """x, y, width, height in slide pixels of where was looked."""
    by_size_model: bool
    """Whether the first guess is the size model's."""
    why_default: str = ""
    """Why `diam_um` is the one asked for, as the end of a sentence; empty where it was found."""

    @property
    def found(self) -> bool:
        """Whether there were cells enough to say anything, and the network is sure of them."""
        return not self.why_default

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def estimate_diameter(
    slide: WSI,
    params: SegmentParams,
    network: Network,
    progress: Progress,
    rect_slide: SlideRect | None = None,
    rois: Sequence[ROI] | None = None,
) -> DiameterEstimate:
    """Find the diameter of the cells in a rectangle of a slide, or in fields spread over its tissue.

    Args:
        slide: an open slide with a known pixel size.
        params: the model, thresholds, and the diameter to begin with.
        network: the model's network.
        progress: told of rounds.
        rect_slide: x, y, width, height in slide pixels; None: the whole slide.
        rois: only cells inside of these are measured; None: all.
    """
    progress.start(ROUNDS, "Looking for the cell diameter")
    search = _Search(slide, params, network, progress, rect_slide, rois)
    first = search.by_size_model()
    for multiple in _GUESSES:
        search.look(_bounded((first or params.diam_um) * multiple))
        if search.last_is_best():
            search.widen()
            break
    for _ in range(ROUNDS - 1):
        progress.advance()
        if not search.last_is_best():
            break
        last = search.looks[-1]
        median = _bounded(last.said.diameter)
        if abs(median / last.tried_um - 1) < CLOSE_ENOUGH:
            break
        search.look(median)
    return search.summary(first is not None)


@dataclass(frozen=True, slots=True)
class _Look:
    """One round."""

    tried_um: float
    found_um: NDArray[np.float64]
    """Diameters of the cells, sorted."""
    fields: tuple[SlideRect, ...]
    said: Round


class _Search:
    """The rounds so far."""

    def __init__(
        self,
        slide: WSI,
        params: SegmentParams,
        network: Network,
        progress: Progress,
        rect_slide: SlideRect | None,
        rois: Sequence[ROI] | None,
    ) -> None:
        self.looks: list[_Look] = []
        self._count = FIELDS
        self._places = places_of(slide, rect_slide or (0.0, 0.0, float(slide.size[0]), float(slide.size[1])), rois)
        self._slide, self._params, self._network = slide, params, network
        self._progress, self._rect_slide, self._rois = progress, rect_slide, rois

    def by_size_model(self) -> float | None:
        """First guess in µm of the model's size model, from the styles of tiles; None where it has none."""
        plan = self._plan(self._params.diam_um)
        size_model = load_size_model(plan.model)
        if size_model is None:
            return None
        tiles = [tile for core in self._cores(plan) for tile in plan.tiles_over(core)]
        step = max(1.0, len(tiles) / STYLE_TILES)
        chosen = [tiles[int(n * step)] for n in range(min(STYLE_TILES, len(tiles)))]
        inputs = TileInputs(plan.slide, plan.grid.scale, plan.channel, plan.normalization, plan.lattice)
        style = np.zeros(0)
        for tile in chosen:
            self._progress.advance(0)
            one = style_sparing(self._network, inputs.read(tile)[None], self._tell)[0].astype(np.float64)
            style = one if not style.size else style + one
        # Cellpose adds the tiles' styles up and makes the sum a unit vector again.
        return size_model.diameter_px(style / np.linalg.norm(style)) * plan.grid.mpp

    def look(self, diam_um: float) -> None:
        """Segment with this diameter and measure what is there."""
        plan = self._plan(diam_um)
        cores = self._cores(plan)
        pipeline = Pipeline(plan, self._network)
        with contextlib.closing(pipeline.run(cores, poll=lambda: self._progress.advance(0))) as finished:
            parts = [_whole(done.block.cells, done.block.core, plan.grid.bounds) for done in finished]
        pipeline.say(self._progress)
        cells = np.concatenate(parts) if parts else np.zeros(0, PART)
        found_um = np.sort(2 * np.sqrt(cells["area"] / math.pi) * plan.grid.mpp)
        logits = cells["sum_logit"] / (cells["area"] * float(LOGIT_UNITS))
        said = Round(
            diameter=float(np.median(found_um)) if len(found_um) else 0.0,
            cells=len(found_um),
            covered=float(cells["area"].sum()) / max(1, sum(core.rows * core.cols for core in cores)),
            logit=float(np.median(logits)) if len(logits) else 0.0,
        )
        self.looks.append(_Look(diam_um, found_um, tuple(_slide_rect(core, plan) for core in cores), said))

    def last_is_best(self) -> bool:
        """Whether the last round found enough cells for sure, and not far less of them than an earlier one."""
        return self._settled() == len(self.looks) - 1

    def _settled(self) -> int | None:
        return settled([look.said for look in self.looks], ENOUGH_CELLS)

    def widen(self) -> None:
        """Look at as many fields from now on as WANTED_CELLS take."""
        self._count = min(MOST_FIELDS, max(FIELDS, math.ceil(FIELDS * WANTED_CELLS / self.looks[-1].said.cells)))

    def _cores(self, plan: Plan) -> list[Rect]:
        return fields_of(plan, self._places, self._count)

    def summary(self, by_size_model: bool) -> DiameterEstimate:
        """The estimate of the round to believe; where there is none, what the round with most cells found."""
        chosen = self._settled()
        look = max(self.looks, key=lambda one: one.said.cells) if chosen is None else self.looks[chosen]
        found = look.found_um
        quartiles = np.percentile(found, (25, 50, 75)) if len(found) else np.zeros(3)
        top = float(np.percentile(found, 99)) * 1.1 if len(found) else 1.0
        counts, edges = np.histogram(np.minimum(found, top), BINS, (0.0, top))
        return DiameterEstimate(
            diam_um=self._params.diam_um if chosen is None else _bounded(float(quartiles[1])),
            quartiles_um=(float(quartiles[0]), float(quartiles[1]), float(quartiles[2])),
            cells=len(found),
            histogram=tuple(int(count) for count in counts),
            edges_um=tuple(float(edge) for edge in edges),
            rounds_um=tuple(look.tried_um for look in self.looks),
            fields=look.fields,
            by_size_model=by_size_model,
            why_default=why_not([look.said for look in self.looks]) if chosen is None else "",
        )

    def _plan(self, diam_um: float) -> Plan:
        return make_plan(self._slide, self._params.changed(diam_um=diam_um), self._rect_slide, self._rois)

    def _tell(self, text: str) -> None:
        self._progress.emit("notice", {"text": text})


def places_of(slide: WSI, region_slide: SlideRect, rois: Sequence[ROI] | None = None) -> list[tuple[float, float]]:
    """Points (x, y in slide pixels) of a rectangle with tissue around them, PLACE_UM apart; with `rois` inside these.

    They lie where they lie whatever the diameter that is tried, so rounds look at the same cells.
    """
    x, y, width, height = region_slide
    side = min(PLACE_UM / slide.require_mpp(), max(width, height))
    tissue = slide.tissue()
    down, across = max(1, round(height / side)), max(1, round(width / side))
    points = [
        (x + (col + 0.5) * width / across, y + (row + 0.5) * height / down)
        for row in range(down)
        for col in range(across)
    ]
    if rois is not None:
        from studio.slide.roi import in_any

        inside = in_any(rois, np.asarray(points))
        # A region thinner than the grid is wide still has its rectangle.
        points = [point for point, held in zip(points, inside, strict=True) if held] or points
    share = [tissue.part(at_x - side / 2, at_y - side / 2, side, side) for at_x, at_y in points]
    for least in (0.5, 0.1):
        chosen = [point for point, part in zip(points, share, strict=True) if part >= least]
        if len(chosen) >= FIELDS:
            return chosen
    return points


def fields_of(plan: Plan, places: Sequence[tuple[float, float]], count: int) -> list[Rect]:
    """Where to look: all of a small region, else fields around `count` of the places, spread evenly over them.

    They lie on the lattice of network tiles, so that none is computed for a sliver.
    """
    region, stride = plan.region, plan.lattice.stride
    side = max(FIELD_PX, stride)
    if region.rows * region.cols <= count * side**2 or min(region.rows, region.cols) < side + stride:
        blocks = block_grid(region, 1024)
        if plan.where is not None:
            blocks = [block for block in blocks if plan.where.share_in(block)]
        return blocks[: max(1, count * side**2 // 1024**2)]
    step = max(1.0, len(places) / count)
    fields = []
    for x, y in (places[int((n + 0.5) * step)] for n in range(min(count, len(places)))):
        row, col = plan.grid.work_from_slide(x, y)
        top = _on_lattice(row - side // 2, region.top, region.bottom - side, stride)
        left = _on_lattice(col - side // 2, region.left, region.right - side, stride)
        fields.append(Rect(top, left, top + side, left + side))
    return list(dict.fromkeys(fields))


def _on_lattice(wanted: int, low: int, high: int, stride: int) -> int:
    """The middle of a tile nearest to `wanted` between `low` and `high`, which are a stride apart at least."""
    first = low + (stride // 2 - low) % stride
    last = first + (high - first) // stride * stride
    nearest = first + round((wanted - first) / stride) * stride
    return min(max(nearest, first), last)


def _slide_rect(core: Rect, plan: Plan) -> SlideRect:
    scale = plan.grid.scale
    return core.left * scale, core.top * scale, core.cols * scale, core.rows * scale


def _whole(parts: NDArray[np.void], core: Rect, bounds: Rect) -> NDArray[np.void]:
    """Cells that no edge of the field cuts (they may lie at the slide's own edge)."""
    cut = (
        ((parts["top"] == core.top) & (core.top > bounds.top))
        | ((parts["left"] == core.left) & (core.left > bounds.left))
        | ((parts["bottom"] == core.bottom) & (core.bottom < bounds.bottom))
        | ((parts["right"] == core.right) & (core.right < bounds.right))
    )
    return np.asarray(parts[~cut])


def _bounded(diam_um: float) -> float:
    return round(min(_RANGE_UM[1], max(_RANGE_UM[0], diam_um)), 2)
