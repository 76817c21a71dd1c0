"""Blocks through the stages: what is computed, what a failure does, what stopping leaves behind."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.cellseg.blocks import FIRST_HALO
from studio.cellseg.flowfield import TileStore
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.pipeline import Pipeline
from studio.cellseg.plan import Plan, in_order, make_plan
from studio.errors import JobCancelled, SlideError
from studio.slide import WSI, open_slide
from tests.cellseg.conftest import MPP, dotted_tissue
from tests.make_slides import write_slide


@pytest.fixture
def plan(dots: WSI, dots_params: SegmentParams) -> Plan:
    return make_plan(dots, dots_params)


class Counting(BlobNetwork):
    """Counts tiles and the sizes of batches."""

    def __init__(self, batch: int = 4) -> None:
        super().__init__(batch=batch)
        self.batches: Counter[int] = Counter()

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        self.batches[len(x)] += 1
        return super().forward(x)

    @property
    def tiles(self) -> int:
        return sum(size * count for size, count in self.batches.items())


def own_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(("studio-read", "studio-cells"))]


def test_no_tile_passes_the_network_twice(plan: Plan) -> None:
    network = Counting()
    pipeline = Pipeline(plan, network)
    done = list(pipeline.run(in_order(plan, list(plan.blocks), None)))
    assert sorted(item.block.core.astuple() for item in done) == sorted(core.astuple() for core in plan.blocks)
    assert network.tiles == plan.lattice.counts[0] * plan.lattice.counts[1]
    assert network.tiles == pipeline.times.counts["tiles"]
    assert pipeline.times.counts["tiles_again"] == 0
    assert network.batches[4] >= 4
    assert own_threads() == []


def test_several_calls_of_the_network_at_once_find_the_same_cells(plan: Plan) -> None:
    class Wide(Counting):
        """Says whether two calls were ever under way together."""

        def __init__(self) -> None:
            super().__init__()
            self.at_once, self.met = 3, False
            self._two = threading.Barrier(2)

        def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
            if not self.met:
                with contextlib.suppress(threading.BrokenBarrierError):
                    self._two.wait(timeout=10)
                    self.met = True
            return super().forward(x)

    wide = Wide()
    pipeline = Pipeline(plan, wide)
    began_s = time.perf_counter()
    found = {item.block.core: item.block for item in pipeline.run(plan.blocks)}
    assert wide.met
    assert set(wide.batches) == {1}
    assert wide.tiles == plan.lattice.counts[0] * plan.lattice.counts[1]
    # Calls side by side are counted once, not each.
    assert 0 < pipeline.times.wall_s["network"] <= time.perf_counter() - began_s
    for item in Pipeline(plan, BlobNetwork()).run(plan.blocks):
        np.testing.assert_array_equal(found[item.block.core].labels, item.block.labels)
        np.testing.assert_array_equal(found[item.block.core].cells, item.block.cells)


def test_a_tile_is_let_go_of_without_its_batch(plan: Plan) -> None:
    store = TileStore(plan.cache_bytes)
    list(Pipeline(plan, BlobNetwork(), store=store).run(plan.blocks[:1]))
    (tile, *others) = plan.tiles_over(plan.piece(plan.blocks[0], FIRST_HALO))
    assert others
    assert all(array.base is None for array in map(store.get, [tile, *others]))


def test_tiles_that_had_to_go_are_computed_again(dots: WSI, dots_params: SegmentParams) -> None:
    plan = make_plan(dots, dots_params.changed(memory_gb=0.001))
    network = Counting()
    pipeline = Pipeline(plan, network)
    assert len(list(pipeline.run(plan.blocks))) == len(plan.blocks)
    assert network.tiles > plan.lattice.counts[0] * plan.lattice.counts[1]
    assert pipeline.times.counts["tiles_again"] == network.tiles - plan.lattice.counts[0] * plan.lattice.counts[1]


def test_tiles_go_once_no_block_needs_them(dots: WSI, dots_params: SegmentParams, tmp_path: Path) -> None:
    """So a store for two rows of tiles and a bit does for a slide of ten."""
    path = write_slide(tmp_path / "wide.tiff", dotted_tissue(2600, 1900, 2500, seed=1), mpp=MPP, downsamples=(1, 4))
    with open_slide(path) as slide:
        plan = make_plan(slide, dots_params.changed(memory_gb=0.06))
        assert plan.lattice.counts == (10, 13)
        assert plan.cache_bytes < 31 * 12 * plan.lattice.tile_px**2
        pipeline = Pipeline(plan, BlobNetwork())
        assert len(list(pipeline.run(in_order(plan, list(plan.blocks), None)))) == len(plan.blocks) > 100
    assert pipeline.times.counts["tiles"] == 130
    assert pipeline.times.counts["tiles_again"] == 0


def test_what_the_harvest_makes_comes_with_the_block(plan: Plan) -> None:
    pipeline = Pipeline(plan, BlobNetwork(), harvest=lambda block, piece: (block.core, piece.rect))
    for item in pipeline.run(plan.blocks[:3]):
        core, rect = item.extra
        assert core == item.block.core
        assert rect == core.grown(item.block.halo).clipped(plan.grid.bounds)


@pytest.mark.parametrize("where", ["read", "network", "harvest"])
def test_a_failure_anywhere_reaches_the_caller_and_ends_all_threads(
    plan: Plan, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def fail(*_args: object) -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise SlideError("broken on purpose")

    network = BlobNetwork()
    real_read, real_forward = WSI.read_working, network.forward
    if where == "read":
        monkeypatch.setattr(WSI, "read_working", lambda self, *args: (fail(), real_read(self, *args))[1])
    if where == "network":
        monkeypatch.setattr(network, "forward", lambda x: (fail(), real_forward(x))[1])
    pipeline = Pipeline(plan, network, harvest=fail if where == "harvest" else None)
    with pytest.raises(SlideError, match="on purpose"):
        list(pipeline.run(plan.blocks))
    assert own_threads() == []


def test_the_caller_can_stop_while_it_waits(plan: Plan) -> None:
    release = threading.Event()

    class Stuck(BlobNetwork):
        def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
            release.wait(60)
            return super().forward(x)

    polls = 0

    def poll() -> None:
        nonlocal polls
        polls += 1
        if polls == 3:
            release.set()
            raise JobCancelled

    with pytest.raises(JobCancelled):
        list(Pipeline(plan, Stuck()).run(plan.blocks, poll=poll))
    assert own_threads() == []


def test_closing_in_the_middle_ends_all_threads(plan: Plan) -> None:
    running = Pipeline(plan, BlobNetwork()).run(plan.blocks)
    next(running)
    running.close()
    assert own_threads() == []


def test_blocks_nearest_to_the_focus_come_first(plan: Plan) -> None:
    focus = (700, 150)
    ordered = in_order(plan, list(plan.blocks), focus)
    distances = [((b.top + b.bottom) / 2 - focus[0]) ** 2 + ((b.left + b.right) / 2 - focus[1]) ** 2 for b in ordered]
    assert distances == sorted(distances)
    assert set(ordered) == set(plan.blocks)
    assert in_order(plan, [], None) == []


def test_strips_are_as_wide_as_the_tile_store_allows(dots: WSI, dots_params: SegmentParams) -> None:
    wide = make_plan(dots, dots_params)
    assert in_order(wide, list(wide.blocks), None) == list(wide.blocks)
    narrow = make_plan(dots, dots_params.changed(memory_gb=0.001))
    lefts = [block.left for block in in_order(narrow, list(narrow.blocks), None)]
    assert len(set(lefts[: len(lefts) // 3])) == 2
