"""A run's finished blocks as a source of labels: the result's cells before there is a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.cellseg.lattice import Rect
from studio.cellseg.livesource import LiveBlock, LiveSource, live_block, live_source
from studio.cellseg.memory import ArraySource
from studio.cellseg.result import Segmentation
from studio.core.jobs import NullProgress
from studio.errors import JobCancelled, ResultFileError
from tests.cellseg.conftest import RunDots


class Watcher(NullProgress):
    """Looks at a run's blocks while it is under way, as the window does."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.source: LiveSource | None = None
        self.counts: list[int] = []
        self.taken: list[tuple[float, float, float, float]] = []
        self.labels: list[NDArray[np.uint32]] = []
        self.flow: Any = None
        self.points: Any = None
        self._stop_after = stop_after

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        if kind == "plan":
            self.source = live_source(payload)
        elif kind == "block":
            assert self.source is not None
            self.taken.append(self.source.add(live_block(payload), payload["cells"]))
            rows, cols = self.source.geometry.shape
            # A run's files go when it ends: what was read last is the whole.
            self.labels = [
                self.source.read_labels(level, 0, 0, -(-rows >> level), -(-cols >> level)) for level in range(6)
            ]
            self.flow = self.source.read_flow(0, 30, 40, 200, 300)
            self.points = self.source.centroids()
            self.counts.append(self.source.cells)
            if len(self.counts) == self._stop_after:
                raise JobCancelled


def same_cells(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> bool:
    """Whether two arrays are cut into the same cells, whatever their numbers."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs) and bool((pairs[0] == 0)[0])


@pytest.mark.parametrize("changes", [{}, {"downscale": 1.7, "save_flows": True, "region_slide": (130, 90, 700, 600)}])
def test_in_the_end_its_cells_are_those_of_the_result(run_dots: RunDots, changes: dict[str, Any]) -> None:
    seen = Watcher()
    outcome, masks = run_dots(progress=seen, **changes)
    assert len(seen.counts) > 3
    # Those that reach into a region from outside are counted when the run ends.
    assert seen.counts[-1] == len(seen.points)
    assert 0.9 * outcome.cells <= seen.counts[-1] <= outcome.cells
    assert changes or seen.counts[-1] == outcome.cells
    assert seen.counts == sorted(seen.counts)
    result = ArraySource(masks, seen.source.geometry)  # type: ignore[union-attr]
    for level, labels in enumerate(seen.labels):
        assert same_cells(labels, result.read_labels(level, 0, 0, *labels.shape)), level
    # The points that flows lead to lie in their cells, almost always.
    at = np.clip(np.round(seen.points).astype(int), 0, np.array(masks.shape) - 1)
    own = masks[at[:, 0], at[:, 1]]
    assert len(np.unique(own[own > 0])) > 0.95 * seen.counts[-1]
    if changes:
        loaded = Segmentation.load(outcome.out)
        np.testing.assert_array_equal(seen.flow, loaded.read_flow(0, 30, 40, 200, 300))
        loaded.close()


def test_blocks_of_an_earlier_attempt_are_there_at_once(run_dots: RunDots) -> None:
    first = Watcher(stop_after=3)
    with pytest.raises(JobCancelled):
        run_dots(progress=first)
    again = Watcher()
    outcome, masks = run_dots(progress=again)
    assert outcome.resumed_blocks >= 3
    assert again.counts[-1] == outcome.cells
    assert same_cells(again.labels[0], masks)


def test_a_block_says_where_on_the_slide_it_lies(run_dots: RunDots) -> None:
    seen = Watcher()
    outcome, _ = run_dots(progress=seen)
    area = sum(width * height for _, _, width, height in seen.taken)
    geometry = outcome.plan.grid.geometry(outcome.plan.mask)
    assert area == pytest.approx(geometry.shape[0] * geometry.shape[1] * geometry.scale_x * geometry.scale_y)


def test_a_block_that_is_gone_is_an_error_and_not_the_end(run_dots: RunDots, tmp_path: Any) -> None:
    seen = Watcher()
    run_dots(progress=seen)
    source = LiveSource(seen.source.geometry, Rect(0, 0, *seen.source.geometry.shape))  # type: ignore[union-attr]
    source.add(LiveBlock(Rect(0, 0, 100, 100), tmp_path / "gone.block"), 3)
    with pytest.raises(ResultFileError, match="can't be read any more"):
        source.read_labels(0, 0, 0, 50, 50)
    assert not source.read_labels(0, 200, 200, 50, 50).any()
    source.close()
    with pytest.raises(ResultFileError, match="closed"):
        source.read_labels(0, 200, 200, 50, 50)
