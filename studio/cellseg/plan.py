"""All that is decided before the first block: model, grid, channels, normalisation, blocks, budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from studio.cellseg.blocks import FIRST_HALO, LEAST_HALO
from studio.cellseg.inputs import resolve_channel
from studio.cellseg.lattice import TILE_OVERLAP, WINDOW_OVERLAP, Rect, TileLattice, WorkGrid, block_grid
from studio.cellseg.models import ModelInfo, resolve_model
from studio.cellseg.normalize import Normalization, normalization_for
from studio.cellseg.params import SegmentParams
from studio.cellseg.where import Where, everywhere_or
from studio.errors import ParameterError

if TYPE_CHECKING:
    from studio.slide import WSI
    from studio.slide.roi import ROI

_LEAST_SLIDE_PX = 2
_MOST_WORK_PX = 2**20
_TILE_ROWS = 3
"""Rows of tiles that a row of blocks shares with its neighbours."""
_SHARE = 0.4
"""Of the memory budget: for finished network tiles, and as much again for blocks under way."""
TILE_BYTES_PER_PX = 15
"""Of a finished network tile: three float32 and the slide's three bytes."""
_PX_BYTES = 68
"""Peak memory of a block under way per pixel of core and halo, where all of it is foreground (usual: 20 to 40)."""
_STORED_FLOWS_BYTES = 14
"""As much more where flows are stored."""
_SLIDE_SHARE = 0.1
"""Of the memory budget: decoded tiles of the slide."""
_LEAST_SLIDE_BYTES = 16 << 20
"""Fewer of them would be decoded again for every network tile."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does, fixed before it begins; a preview and a whole-slide run differ in `region` only."""

    slide: WSI
    params: SegmentParams
    model: ModelInfo
    grid: WorkGrid
    lattice: TileLattice
    channel: str
    normalization: Normalization
    region: Rect
    """The working pixels to label."""
    blocks: tuple[Rect, ...]
    """Cores in canonical order, without skipped ones."""
    skipped: tuple[Rect, ...]
    where: Where | None
    """Where sinks count (tissue, regions of interest), or None: everywhere."""

    @property
    def mask(self) -> Rect:
        """The mask pixels of the region."""
        return self.grid.mask_rect(self.region)

    def tiles_over(self, rect: Rect) -> list[tuple[int, int]]:
        """The network tiles that the flow field on `rect` is made from; those off the field are left out."""
        tiles = self.lattice.tiles_over(rect)
        if self.where is None:
            return list(tiles)
        return [tile for tile in tiles if self.where.touches_field(self.lattice.tile_rect(tile))]

    def piece(self, core: Rect, halo: int) -> Rect:
        """The pixels to find the cells of a core on: `halo` more on all sides, as far as the slide goes.

        FIRST_HALO is what nearly all blocks can do with. Beyond the region's edge, where no other block wants the
        tiles, it is less if that saves tiles; most blocks can do with LEAST_HALO.
        """
        whole = core.grown(halo).clipped(self.grid.bounds)
        if halo != FIRST_HALO:
            return whole
        thrifty = self.lattice.without_further_tiles(core.grown(LEAST_HALO).clipped(self.grid.bounds), whole)
        region = self.region
        return Rect(
            thrifty.top if core.top == region.top else whole.top,
            thrifty.left if core.left == region.left else whole.left,
            thrifty.bottom if core.bottom == region.bottom else whole.bottom,
            thrifty.right if core.right == region.right else whole.right,
        )

    @property
    def slide_bytes(self) -> int:
        """Budget of the slide's own cache."""
        return max(_LEAST_SLIDE_BYTES, int(self.params.memory_gb * 1e9 * _SLIDE_SHARE))

    @property
    def cache_bytes(self) -> int:
        """Budget of the tile store."""
        return int(self.params.memory_gb * 1e9 * _SHARE)

    def blocks_at_once(self, wanted: int) -> int:
        """How many blocks may be under way, at most `wanted`: what the memory budget has room for, and two at least."""
        side = max((max(core.rows, core.cols) for core in self.blocks), default=1)
        return min(wanted, max(2, int(self.params.memory_gb * 1e9 * _SHARE / piece_bytes(self.params, side))))


def make_plan(
    slide: WSI,
    params: SegmentParams,
    region_slide: tuple[float, float, float, float] | None = None,
    rois: Sequence[ROI] | None = None,
    corner: tuple[int, int] | None = None,
) -> Plan:
    """Decide everything.

    Args:
        slide: an open slide with a known pixel size.
        params: what the person set.
        region_slide: x, y, width, height in slide pixels to restrict the run to; None: the whole slide.
        rois: regions that the cells' sinks must lie in; None: anywhere.
        corner: moves the grid of blocks (see `block_grid`); no effect on the cells (for tests).

    Raises:
        MissingMppError: the slide's pixel size isn't known.
        ModelError: no such model.
        ParameterError: an empty region, or a diameter that makes the slide too large or too small.
    """
    model = resolve_model(params.model)
    mpp = slide.require_mpp()
    scale = params.diam_um / model.diam_mean / mpp
    grid = WorkGrid(slide.size, scale, mpp, params.downscale)
    if params.diam_um < mpp * _LEAST_SLIDE_PX:
        raise ParameterError(
            f"A cell of {params.diam_um:g} µm would be less than {_LEAST_SLIDE_PX} pixels of this slide. "
            "Choose a larger diameter, or check the slide's pixel size."
        )
    if max(grid.shape) > _MOST_WORK_PX:
        raise ParameterError(
            f"A diameter of {params.diam_um:g} µm would enlarge this slide to {grid.shape[1]} × {grid.shape[0]} "
            "pixels. Choose a larger diameter, or check the slide's pixel size."
        )
    region = grid.bounds if region_slide is None else grid.rect_from_slide(region_slide)
    if region.empty or grid.mask_rect(region).empty:
        raise ParameterError("The region lies outside the slide. Give x, y, width, height in slide pixels.")
    lattice = TileLattice(grid.shape, params.network_px, overlap_px(params))
    channel = resolve_channel(params.channel, model, params.channel == "auto" and slide.is_fluorescence())
    where = everywhere_or(slide, grid, tissue=params.otsu, rois=rois)
    blocks, skipped = _choose_blocks(block_grid(region, block_px(params), corner), where)
    return Plan(
        slide=slide,
        params=params,
        model=model,
        grid=grid,
        lattice=lattice,
        channel=channel,
        normalization=normalization_for(slide, scale, channel),
        region=region,
        blocks=tuple(blocks),
        skipped=tuple(skipped),
        where=where,
    )


def overlap_px(params: SegmentParams) -> int:
    """Working pixels that neighbouring network tiles share."""
    if params.overlap is not None:
        return params.overlap
    return TILE_OVERLAP if params.tile else WINDOW_OVERLAP


def recut(plan: Plan, side_px: int) -> Plan:
    """The same plan in blocks of another size; the cells stay the same."""
    blocks, skipped = _choose_blocks(block_grid(plan.region, side_px), plan.where)
    return replace(plan, blocks=tuple(blocks), skipped=tuple(skipped))


def block_px(params: SegmentParams) -> int:
    """Side of a block: what was asked for, or less where not even two fit the memory budget."""
    side = params.block_px
    budget = params.memory_gb * 1e9 * _SHARE / 2
    while side > 256 and piece_bytes(params, side) > budget:
        side = max(256, side // 2 // 16 * 16)
    return side


def piece_bytes(params: SegmentParams, side_px: int) -> int:
    """The most memory that a block of this side takes while it is under way, with its halo."""
    return (side_px + 2 * FIRST_HALO) ** 2 * (_PX_BYTES + _STORED_FLOWS_BYTES * params.save_flows)


def _choose_blocks(cores: list[Rect], where: Where | None) -> tuple[list[Rect], list[Rect]]:
    if where is None:
        return cores, []
    done: list[Rect] = []
    skipped: list[Rect] = []
    for core in cores:
        (done if where.touches_field(core) else skipped).append(core)
    return done, skipped


def in_order(plan: Plan, blocks: list[Rect], focus: tuple[int, int] | None) -> list[Rect]:
    """Blocks in the order to do them in: nearest to `focus` (working row, column) first, or in strips.

    Strips are as wide as the tile store can keep the tiles that one row of blocks shares with the next.
    """
    if focus is not None:
        row, col = focus
        return sorted(
            blocks,
            key=lambda b: ((b.top + b.bottom) / 2 - row) ** 2 + ((b.left + b.right) / 2 - col) ** 2,
        )
    if not blocks:
        return []
    tile_bytes = TILE_BYTES_PER_PX * plan.lattice.tile_px**2
    across = -(-max(block.cols for block in blocks) // plan.lattice.stride) + 1
    strip = max(2, plan.cache_bytes // (tile_bytes * across * _TILE_ROWS))
    lefts = {left: n for n, left in enumerate(sorted({b.left for b in blocks}))}
    return sorted(blocks, key=lambda b: (lefts[b.left] // strip, b.top, b.left))
