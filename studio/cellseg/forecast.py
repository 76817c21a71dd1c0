"""What a run would take, found before it begins: a few fields spread over it are done and scaled up."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.blockdata import keep_block, to_bytes
from studio.cellseg.blocks import FIRST_HALO, BlockCells, FlowPiece
from studio.cellseg.estimate import COPIES, memory_mb
from studio.cellseg.journal import blocks_there
from studio.cellseg.lattice import Rect
from studio.cellseg.networks import Network
from studio.cellseg.peak import PeakMemory
from studio.cellseg.pipeline import Pipeline
from studio.cellseg.plan import Plan, make_plan
from studio.cellseg.run import Request, identity, network_for
from studio.core.jobs import NullProgress, Progress

if TYPE_CHECKING:
    from studio.slide import WSI

FIELDS = 8
FIELD_TILES = 2
"""Side of a field in steps of the tile lattice."""
LONGEST_S = 20.0
"""No further field is waited for after this; LEAST_FIELDS are, however long they take."""
LEAST_FIELDS = 2

# Two-sided 90 % points of Student's t for 1, 2, … degrees of freedom.
_T90 = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run is expected to take, from here to its end."""

    seconds: float
    memory_mb: float
    """Peak of the process."""
    disk_mb: float
    """At most, while it runs; the result is about a third of it."""
    cells: int
    cells_low: int
    cells_high: int
    """The cells lie between these with about 90 % probability, as far as the fields tell."""
    mpx: float
    """Working megapixels of what is to be done."""
    tissue_share: float
    """Part of it that is tissue (and inside the regions, where there are any)."""
    blocks: int
    blocks_skipped: int
    blocks_there: int
    """Finished ones of an earlier attempt at the same target; `seconds` leaves them out."""
    tiles: int
    """Passes of the network in all."""
    fields: int
    """How many fields were measured."""
    backend: str
    disk_free_mb: float
    measured_s: float
    """How long measuring took."""

    @property
    def fits_disk(self) -> bool:
        """Whether the disk of the target has the room."""
        return bool(self.disk_mb <= self.disk_free_mb)

    @property
    def text(self) -> str:
        """In words."""
        return (
            f"about {duration(self.seconds)}, {self.cells_low:,} to {self.cells_high:,} cells, "
            f"{self.memory_mb / 1000:.1f} GB of memory, {self.disk_mb:,.0f} MB of disk"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"fits_disk": self.fits_disk, "text": self.text}


def duration(seconds: float) -> str:
    """A time in words, to the precision that an estimate has."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def forecast(
    slide: WSI, request: Request, progress: Progress | None = None, network: Network | None = None
) -> Forecast:
    """Measure a few fields of what a run would do, and scale up. Nothing is written, no lock is taken.

    Args:
        slide: an open slide.
        request: the run.
        progress: told of fields; what its `advance` raises stops the measuring.
        network: instead of the model's own.

    Raises as `make_plan` and `load_network`, and SlideError.
    """
    began_s = time.monotonic()
    progress = progress or NullProgress()
    plan = make_plan(slide, request.params, request.region_slide, request.rois)
    network = network or network_for(plan, request, progress)
    there = blocks_there(request.out, identity(plan, network, request.rois), plan.blocks)
    left = [core for core in plan.blocks if core not in there]
    fields = _fields(plan)
    progress.start(len(fields), "Estimating")
    with PeakMemory() as peak:
        # The first call is slower than the others, and brings the network's own memory with it.
        network.forward(np.zeros((1, 2, network.tile_px, network.tile_px), np.float32))
        base_mb = peak.mb
    measured = _measure(plan, network, fields, progress)
    tissue = tissue_px(plan, plan.blocks)
    cells, spread = _scaled(measured.cells, measured.tissue_px, tissue)
    tiles = {tile for core in left for tile in plan.tiles_over(plan.piece(core, FIRST_HALO))}
    bytes_per_cell = measured.bytes / max(1, sum(measured.cells))
    return Forecast(
        seconds=measured.wall_s / max(1, measured.tiles) * len(tiles),
        memory_mb=base_mb + memory_mb(plan, len(tiles), round(cells)),
        disk_mb=(len(plan.blocks) * _EMPTY_BLOCK_BYTES + bytes_per_cell * cells) * COPIES / 1e6,
        cells=round(cells),
        cells_low=max(0, math.floor(cells - spread)),
        cells_high=math.ceil(cells + spread),
        mpx=sum(core.rows * core.cols for core in plan.blocks) / 1e6,
        tissue_share=tissue / max(1, sum(core.rows * core.cols for core in plan.blocks)),
        blocks=len(plan.blocks) + len(plan.skipped),
        blocks_skipped=len(plan.skipped),
        blocks_there=len(there),
        tiles=len(tiles),
        fields=len(measured.cells),
        backend=network.backend,
        disk_free_mb=shutil.disk_usage(_existing(request.out)).free / 1e6,
        measured_s=time.monotonic() - began_s,
    )


_EMPTY_BLOCK_BYTES = 1000
"""Of a block without cells in the journal."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """What doing the fields took; one entry a field in `cells` and `tissue_px`."""

    cells: list[int]
    tissue_px: list[float]
    bytes: int
    tiles: int
    wall_s: float


def _measure(plan: Plan, network: Network, fields: list[Rect], progress: Progress) -> _Measured:
    def keep(block: BlockCells, piece: FlowPiece) -> tuple[int, int]:
        parts = block.cells
        core = block.core
        # A cell that reaches in from beside the field has its sink there.
        own = (parts["row"] >= core.top) & (parts["row"] < core.bottom)
        own &= (parts["col"] >= core.left) & (parts["col"] < core.right)
        data = to_bytes(keep_block(block, piece, plan.grid, flows=plan.params.save_flows))
        return int(np.count_nonzero(own)), len(data)

    cells: list[int] = []
    done: list[Rect] = []
    size = 0
    pipeline = Pipeline(plan, network, harvest=keep)
    began_s = time.monotonic()
    with contextlib.closing(pipeline.run(fields, poll=lambda: progress.advance(0))) as finished:
        for item in finished:
            found, length = item.extra
            cells.append(found)
            done.append(item.block.core)
            size += length
            pipeline.say(progress)
            progress.advance(1)
            if len(done) >= LEAST_FIELDS and time.monotonic() - began_s > LONGEST_S:
                break
    wall_s = time.monotonic() - began_s
    tissue = [tissue_px(plan, (core,)) for core in done]
    return _Measured(cells, tissue, size, pipeline.times.counts["tiles"], wall_s)


def _fields(plan: Plan) -> list[Rect]:
    """Fields on the tile lattice, spread evenly over the tissue of what is to be done."""
    stride, region = plan.lattice.stride, plan.region
    side = FIELD_TILES * stride
    rows = range(region.top + (stride // 2 - region.top) % stride, region.bottom, side)
    cols = range(region.left + (stride // 2 - region.left) % stride, region.right, side)
    found = [Rect(row, col, row + side, col + side).clipped(region) for row in rows for col in cols]
    if plan.where is not None:
        found = [field for field in found if plan.where.touches_field(field)]
    if len(found) <= FIELDS:
        return list(plan.blocks)
    share = {field: tissue_px(plan, (field,)) / (field.rows * field.cols) for field in found}
    chosen = [field for field in found if share[field] >= 0.5]
    if len(chosen) < FIELDS:
        chosen = sorted(sorted(found, key=share.__getitem__, reverse=True)[:FIELDS], key=Rect.astuple)
    step = len(chosen) / FIELDS
    return [chosen[int((n + 0.5) * step)] for n in range(FIELDS)]


def tissue_px(plan: Plan, cores: Sequence[Rect]) -> float:
    """Working pixels of these blocks that are tissue and, where the run is restricted, may count."""
    tissue, scale, where = plan.slide.tissue(), plan.grid.scale, plan.where
    total = 0.0
    for core in cores:
        share = tissue.part(core.left * scale, core.top * scale, core.cols * scale, core.rows * scale)
        if where is not None:
            share *= where.share_in(core)
        total += core.rows * core.cols * share
    return total


def _scaled(cells: list[int], tissue_px: list[float], total_px: float) -> tuple[float, float]:
    """Cells in all, by their number in a pixel of tissue, and how far from it the truth may lie.

    The ratio estimator of survey sampling (Cochran 1977, *Sampling Techniques*, ch. 6).
    """
    y: NDArray[np.float64] = np.asarray(cells, np.float64)
    x: NDArray[np.float64] = np.asarray(tissue_px, np.float64)
    if x.sum() <= 0:
        return 0.0, 0.0
    ratio = float(y.sum() / x.sum())
    number = len(y)
    total = ratio * total_px
    if number < 2:
        return total, total
    seen = min(1.0, x.sum() / max(total_px, 1.0))
    deviation = math.sqrt((1 - seen) * float(((y - ratio * x) ** 2).sum()) / (number - 1) / number)
    return total, float(_T90[min(number - 1, len(_T90)) - 1] * deviation / x.mean() * total_px)


def _existing(path: Path) -> Path:
    """The nearest folder above a path that is there."""
    folder = path.absolute().parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder
