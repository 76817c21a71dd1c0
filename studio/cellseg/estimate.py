"""What a run will take: time, memory, disk and cells, from the first few blocks of it."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import asdict, dataclass
from typing import Any

from studio.cellseg.journal import Journal
from studio.cellseg.peak import PeakMemory
from studio.cellseg.plan import TILE_BYTES_PER_PX, Plan, piece_bytes
from studio.core.worker import owned_cores
from studio.errors import RunError

SAMPLE_BLOCKS = 3
"""How many blocks are measured before anything is said; the estimate is made again each time they have doubled, because
the first blocks lie side by side, at a slide's empty edge maybe."""

COPIES = 3
"""While the result is put together the journal, the Zarr folder and the zip lie on the disk side by side."""
_CELL_BYTES = 16
"""In memory for each cell while the result is put together."""


def memory_mb(plan: Plan, tiles: int, cells: int) -> float:
    """What a run takes beyond the network and the program: blocks under way, tiles kept, cells' names."""
    at_once = min(plan.blocks_at_once((plan.params.workers or owned_cores()) + 1), max(1, len(plan.blocks)))
    side = max((max(core.rows, core.cols) for core in plan.blocks), default=0)
    kept = min(plan.cache_bytes, tiles * TILE_BYTES_PER_PX * plan.lattice.tile_px**2)
    return (at_once * piece_bytes(plan.params, side) + plan.slide_bytes + kept + cells * _CELL_BYTES) / 1e6


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a whole run is expected to take."""

    blocks_measured: int
    seconds_left: float
    memory_mb: float
    disk_mb: float
    """At most, while it runs; the result is about a third of it."""
    cells: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @property
    def text(self) -> str:
        """In words, to follow the name of the job."""
        minutes = self.seconds_left / 60
        time_text = f"{minutes:.0f} min" if minutes >= 2 else f"{math.ceil(self.seconds_left)} s"
        return (
            f"about {time_text}, {self.cells:,} cells, {self.memory_mb / 1000:.1f} GB of memory, "
            f"{self.disk_mb:,.0f} MB of disk"
        )


class Estimator:
    """Fed with each finished block; knows more after SAMPLE_BLOCKS of them, and after 2, 4, 8, … times as many."""

    def __init__(self, plan: Plan, journal: Journal, peak: PeakMemory, blocks: int, resumed_cells: int) -> None:
        """`blocks`: how many are to be done now; `resumed_cells`: in blocks that are there already."""
        self._plan = plan
        self._journal = journal
        self._peak = peak
        self._base_mb = peak.mb
        self._at = SAMPLE_BLOCKS
        self._left = blocks
        self._done = 0
        self._resumed_cells = resumed_cells
        self._resumed_bytes = journal.bytes
        self._cells = 0
        self._began_s = time.monotonic()
        self.estimate: Estimate | None = None

    def add(self, cells: int) -> bool:
        """Count a finished block with so many cells; True when there is an estimate, or a better one.

        Raises:
            RunError: the disk doesn't have the room that the run will need.
        """
        self._done += 1
        self._left -= 1
        self._cells += cells
        if self._done != self._at or not self._left:
            return False
        self._at *= 2
        more = self._left / self._done
        total_cells = round(self._resumed_cells + self._cells * (1 + more))
        written = self._journal.bytes
        total_bytes = written + (written - self._resumed_bytes) * more
        # Every block brings about as many tiles as its core is large; too many is no harm, the store is bounded.
        tiles = len(self._plan.blocks) * (1 + self._plan.params.block_px // self._plan.lattice.stride) ** 2
        self.estimate = Estimate(
            blocks_measured=self._done,
            seconds_left=(time.monotonic() - self._began_s) * more,
            memory_mb=max(self._peak.mb, self._base_mb + memory_mb(self._plan, tiles, total_cells)),
            disk_mb=total_bytes * COPIES / 1e6,
            cells=total_cells,
        )
        free = shutil.disk_usage(self._journal.folder).free
        needed = total_bytes * COPIES - written
        if needed > free:
            raise RunError(
                f"This run will need about {needed / 1e6:,.0f} MB more on the disk of {self._journal.folder.parent}, "
                f"which has {free / 1e6:,.0f} MB left. Free some space, or choose another place or a larger downscale."
            )
        return True
