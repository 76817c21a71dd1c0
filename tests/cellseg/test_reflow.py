"""Other thresholds from stored flows: the cells of a fresh run, no network, resumable, refused where it can't be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.reflow import reflow, reflow_task
from studio.cellseg.result import Segmentation
from studio.cellseg.run import Request, run_slide
from studio.core.jobs import NullProgress
from studio.errors import JobCancelled, UsageError
from studio.slide import WSI, open_slide

LOWER = {"cellprob_threshold": -1.5}
OTHER = {"cellprob_threshold": 1.5, "flow_threshold": 0.1, "min_size": 120}


@pytest.fixture(scope="module")
def with_flows(dots_path: Path, dots_params: SegmentParams, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over tissue with its flows."""
    out = tmp_path_factory.mktemp("flows") / "dots.zip"
    with open_slide(dots_path) as slide:
        run_slide(slide, Request(dots_params.changed(save_flows=True, otsu=True), out), None, BlobNetwork())
    return out


def agreement(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> float:
    """Share of all cells that have a partner with an IoU of 0.9 or more."""
    pairs, overlap = np.unique(a.ravel().astype(np.int64) << 32 | b.ravel(), return_counts=True)
    areas_a, areas_b = np.bincount(a.ravel()), np.bincount(b.ravel())
    left, right = pairs >> 32, pairs & 0xFFFFFFFF
    cells = (left > 0) & (right > 0)
    union = areas_a[left] + areas_b[right] - overlap
    matched = int((cells & (overlap >= 0.9 * union)).sum())
    return 2 * matched / (int(a.max()) + int(b.max()))


def masks_of(path: Path) -> NDArray[np.uint32]:
    with Segmentation.load(path) as loaded:
        return np.array(loaded.masks)


@pytest.mark.parametrize("changes", [OTHER, LOWER])
def test_the_cells_are_those_of_a_fresh_run(
    changes: dict[str, Any], dots: WSI, dots_params: SegmentParams, with_flows: Path, tmp_path: Path
) -> None:
    with Segmentation.load(with_flows) as source:
        found = reflow(dots, source, changes | {"block": 320}, tmp_path / "a.zip")
    fresh = dots_params.changed(save_flows=True, otsu=True, **changes)
    run_slide(dots, Request(fresh, tmp_path / "b.zip"), None, BlobNetwork())
    a, b = masks_of(tmp_path / "a.zip"), masks_of(tmp_path / "b.zip")
    assert found["cells"] == int(a.max())
    before = masks_of(with_flows)
    assert a.max() > 100
    assert (np.count_nonzero(a) > np.count_nonzero(before)) == (changes is LOWER)
    assert agreement(a, b) > 0.995
    with Segmentation.load(tmp_path / "a.zip") as made, Segmentation.load(tmp_path / "b.zip") as expected:
        assert SegmentParams.from_dict(made.meta["params"]).changed(block=256) == fresh
        assert set(made.cell_table) == set(expected.cell_table)
        assert made.mismatch(dots) is None
        both = min(made.cells, expected.cells) // 2
        assert made.cell_table["hematoxylin_od"][both] == pytest.approx(
            expected.cell_table["hematoxylin_od"][both], abs=0.05
        )


def test_thresholds_go_up_and_down_again_without_loss(dots: WSI, with_flows: Path, tmp_path: Path) -> None:
    with Segmentation.load(with_flows) as source:
        reflow(dots, source, OTHER, tmp_path / "up.zip")
        reflow(dots, source, {"block": 320}, tmp_path / "same.zip")
        flows = np.asarray(source.flows)
    with Segmentation.load(tmp_path / "up.zip") as up:
        np.testing.assert_array_equal(np.asarray(up.flows), flows)
        back = {"cellprob_threshold": 0.0, "flow_threshold": 0.5, "min_size": 15}
        reflow(dots, up, back, tmp_path / "down.zip")
        with pytest.raises(UsageError, match=r"over -2, so -2\.5"):
            reflow(dots, up, {"cellprob_threshold": -2.5}, tmp_path / "x.zip")
    down = masks_of(tmp_path / "down.zip")
    # Blocks of another size: the cut still makes no difference.
    np.testing.assert_array_equal(down, masks_of(tmp_path / "same.zip"))
    assert agreement(down, masks_of(with_flows)) > 0.995


def test_stopped_it_goes_on_and_ends_in_the_same_bytes(dots_path: Path, with_flows: Path, tmp_path: Path) -> None:
    class Stop(NullProgress):
        left = 3

        def advance(self, steps: int = 1, message: str | None = None) -> None:
            self.left -= steps
            if self.left < 0:
                raise JobCancelled

    arguments: dict[str, Any] = {"slide_path": str(dots_path), "mpp": None, "masks": str(with_flows), "changes": OTHER}
    with pytest.raises(JobCancelled):
        reflow_task(Stop(), **arguments, out=str(tmp_path / "a.zip"))
    assert not (tmp_path / "a.zip").exists()
    result = reflow_task(NullProgress(), **arguments, out=str(tmp_path / "a.zip"))
    assert result["resumed_blocks"] >= 3
    reflow_task(NullProgress(), **arguments, out=str(tmp_path / "b.zip"))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_what_cant_be_is_refused(
    dots: WSI, with_flows: Path, dots_params: SegmentParams, sample_slide: Path, tmp_path: Path
) -> None:
    with Segmentation.load(with_flows) as source:
        with pytest.raises(UsageError, match="diam_um can't be changed"):
            reflow(dots, source, {"diam_um": 12.0}, tmp_path / "x.zip")
        with pytest.raises(UsageError, match="come from"):
            reflow(dots, source, OTHER, with_flows)
        with WSI(sample_slide) as other, pytest.raises(UsageError, match="made from"):
            reflow(other, source, OTHER, tmp_path / "x.zip")
        (tmp_path / "there.zip").write_bytes(b"x")
        with pytest.raises(UsageError, match="exists already"):
            reflow(dots, source, OTHER, tmp_path / "there.zip", overwrite=False)
    foreign = Segmentation(
        np.ones((20, 20), np.uint32), slide="dots", wsi_dim=dots.size, flows=np.zeros((20, 20, 3), np.float16)
    )
    with pytest.raises(UsageError, match="not stored by Studio"):
        reflow(dots, foreign, OTHER, tmp_path / "x.zip")
    with pytest.raises(UsageError, match="no flows"):
        reflow(dots, Segmentation(np.ones((20, 20), np.uint32)), OTHER, tmp_path / "x.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["there.zip"]
