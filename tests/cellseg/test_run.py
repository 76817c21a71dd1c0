"""A run on a slide with known cells: what is in the result, and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg.lattice import WorkGrid
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.result import Segmentation
from studio.cellseg.run import Request, run_slide
from studio.cellseg.where import SQUARE, everywhere_or
from studio.core.jobs import NullProgress
from studio.errors import ParameterError, RunError, SlideError, UsageError
from studio.slide import WSI, open_slide
from studio.slide.roi import ROI
from tests.cellseg.conftest import HEIGHT, MPP, WIDTH, RunDots


class Told(NullProgress):
    """Remembers what a run says."""

    def __init__(self) -> None:
        self.stages: list[tuple[int, str, int]] = []
        self.steps = 0
        self.events: list[tuple[str, dict[str, Any]]] = []

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        self.stages.append((total, message, done))

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        self.steps += steps

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        self.events.append((kind, payload))


def test_a_result_holds_all_cells_under_numbers_without_gaps(run_dots: RunDots) -> None:
    outcome, masks = run_dots()
    assert outcome.cells > 300
    np.testing.assert_array_equal(np.unique(masks), np.arange(outcome.cells + 1))
    work = outcome.plan.grid
    assert masks.shape == outcome.shape == work.shape
    assert not outcome.out.with_name(".dots.zip.studio-run").exists()
    # Cells at the slide's edges are there, the bottom and right remainders included.
    assert min(masks[0].any(), masks[-1].any(), masks[:, 0].any()) == 1
    assert masks[-40:].any()


def test_the_cell_table_says_what_the_masks_show(run_dots: RunDots) -> None:
    outcome, masks = run_dots()
    segmentation = Segmentation.load(outcome.out)
    table = segmentation.cell_table
    areas = np.bincount(masks.ravel())[1:]
    np.testing.assert_allclose(table["area_um2"], areas * outcome.plan.grid.mpp**2, rtol=1e-5)
    rows, cols = np.indices(masks.shape)
    for at, weights in ((0, rows), (1, cols)):
        mean = np.bincount(masks.ravel(), weights.ravel())[1:] / areas
        np.testing.assert_allclose(segmentation.centroids()[:, at], mean, atol=1e-6)
    for k in (1, outcome.cells // 2, outcome.cells):
        at_row, at_col = np.nonzero(masks == k)
        box = [at_row.min(), at_col.min(), at_row.max() + 1, at_col.max() + 1]
        np.testing.assert_array_equal(table["bbox"][k - 1], box)
    assert (table["flow_error"] <= outcome.plan.params.flow_threshold).all()
    assert (table["cell_probability"] > 0).all()
    segmentation.close()


def test_what_a_result_says_about_itself(run_dots: RunDots) -> None:
    outcome, _ = run_dots()
    with zipfile.ZipFile(outcome.out) as archive:
        meta = json.loads(archive.read(".zattrs"))["studio"]
    assert meta["slide"]["name"] == "dots"
    assert meta["slide"]["size"] == [WIDTH, HEIGHT]
    assert meta["slide"]["mpp"] == pytest.approx(MPP)
    assert SegmentParams.from_dict(meta["params"]) == outcome.plan.params
    assert meta["model"]["name"] == "builtin"
    assert len(meta["model"]["sha256"]) == 64
    assert meta["counts"]["cells"] == outcome.cells
    assert meta["network"] == {"backend": "blobs", "tile_px": 256, "batch": 4}
    assert meta["channel"] == "hematoxylin"
    assert {"studio-wsi", "numpy", "numba"} <= set(meta["versions"])
    assert meta["normalization"]["low"] != meta["normalization"]["high"]


def test_the_json_of_a_run(run_dots: RunDots) -> None:
    outcome, _ = run_dots()
    said = json.loads(json.dumps(outcome.to_dict()))
    for key in ("out", "cells", "shape", "mpp", "seconds", "peak_rss_mb", "model", "diam_um", "blocks"):
        assert key in said
    assert said["blocks"] == 20
    assert said["blocks_skipped"] == said["resumed_blocks"] == 0
    assert said["peak_rss_mb"] > 50
    assert {"read", "network", "dynamics", "write"} <= set(said["stages"])


def test_a_run_says_how_far_it_is_and_what_it_will_take(run_dots: RunDots) -> None:
    told = Told()
    outcome, _ = run_dots(progress=told)
    assert (20, "Segmenting dots", 0) in told.stages
    assert told.steps >= 20
    blocks = [payload for kind, payload in told.events if kind == "block"]
    assert len(blocks) == 20
    estimate = next(payload for kind, payload in told.events if kind == "estimate")
    assert estimate["blocks_measured"] == 3
    # And again each time that twice as many are done.
    estimates = [payload for kind, payload in told.events if kind == "estimate"]
    assert [payload["blocks_measured"] for payload in estimates] == [3, 6, 12]
    assert estimates[-1]["cells"] == pytest.approx(outcome.cells, rel=0.4)
    assert estimate["cells"] > 100
    assert min(estimate["seconds_left"], estimate["memory_mb"], estimate["disk_mb"]) > 0


def test_flows_are_kept_where_there_is_foreground(run_dots: RunDots) -> None:
    outcome, masks = run_dots(save_flows=True)
    segmentation = Segmentation.load(outcome.out)
    flow = segmentation.read_flow(0, 0, 0, *masks.shape)
    length = np.hypot(flow[..., 0].astype(float), flow[..., 1].astype(float))
    assert (flow[masks > 0][:, 2] > 0).mean() > 0.99
    assert 0.5 < np.median(length[masks > 0]) < 1.1
    assert not flow[flow[..., 2] == 0][:, :2].any()
    segmentation.close()


def test_downscale_stores_coarser_masks_of_the_same_cells(run_dots: RunDots) -> None:
    full, masks = run_dots("full.zip")
    for downscale in (2.0, 3.5):
        coarse, small = run_dots(f"coarse-{downscale}.zip", downscale=downscale)
        assert coarse.cells == full.cells
        assert small.shape == tuple(round(side / downscale) for side in masks.shape)
        rows, cols = coarse.plan.grid.mask_rows(), coarse.plan.grid.mask_cols()
        np.testing.assert_array_equal(small, masks[np.ix_(rows, cols)])
        a, b = Segmentation.load(full.out), Segmentation.load(coarse.out)
        np.testing.assert_array_equal(a.cell_table["area_um2"], b.cell_table["area_um2"])
        np.testing.assert_allclose(a.centroids(wsi_dim=True), b.centroids(wsi_dim=True), atol=1e-6)
        a.close()
        b.close()


def test_otsu_skips_glass_and_says_so(run_dots: RunDots) -> None:
    everywhere, masks = run_dots("all.zip")
    outcome, only = run_dots("tissue.zip", otsu=True)
    said = outcome.to_dict()
    assert 0 < said["blocks_skipped"] < said["blocks"]
    assert 0.4 < said["tissue_share"] < 0.95
    assert 0 < outcome.cells < everywhere.cells
    # What is left are the same cells, whole.
    kept = np.unique(masks[only > 0])
    np.testing.assert_array_equal(np.isin(masks, kept[kept > 0]), only > 0)
    assert len(kept[kept > 0]) == outcome.cells
    assert outcome.times.counts["tiles"] < everywhere.times.counts["tiles"]


def test_squares_with_tissue_are_those_it_covers(dots: WSI) -> None:
    tissue = dots.tissue()
    for scale in (0.4, 0.9, 3.7):
        grid = WorkGrid(dots.size, scale, MPP)
        where = everywhere_or(dots, grid, tissue=True, rois=None)
        assert where is not None
        side = SQUARE * scale
        for (row, col), found in np.ndenumerate(where.squares):
            assert found == tissue.covers(col * side, row * side, side, side)


def test_regions_of_interest_keep_the_cells_inside_whole(run_dots: RunDots) -> None:
    _, masks = run_dots("all.zip")
    square = np.array([(150.0, 120.0), (520.0, 120.0), (520.0, 600.0), (150.0, 600.0)])
    hole = np.array([(250.0, 250.0), (400.0, 250.0), (400.0, 400.0), (250.0, 400.0)])
    outcome, inside = run_dots("rois.zip", rois=(ROI("one", square, (hole,)),))
    assert 20 < outcome.cells < 400
    assert outcome.to_dict()["blocks_skipped"] > 0
    kept = np.unique(masks[inside > 0])
    np.testing.assert_array_equal(np.isin(masks, kept[kept > 0]), inside > 0)
    segmentation = Segmentation.load(outcome.out)
    x, y = segmentation.centroids(wsi_dim=True).T
    segmentation.close()
    assert x.min() > 145
    assert x.max() < 525
    assert not ((x > 255) & (x < 395) & (y > 255) & (y < 395)).any()
    other, _ = run_dots("other.zip", rois=(ROI("one", square),))
    assert other.cells > outcome.cells


def test_a_region_is_a_window_on_the_same_cells(run_dots: RunDots) -> None:
    whole, masks = run_dots("all.zip")
    outcome, part = run_dots("part.zip", region_slide=(201.0, 99.5, 400.0, 333.0))
    mask = outcome.plan.mask
    window = masks[mask.top : mask.bottom, mask.left : mask.right]
    np.testing.assert_array_equal(part > 0, window > 0)
    pairs = np.unique(np.stack([part.ravel(), window.ravel()]), axis=1)
    assert pairs.shape[1] == outcome.cells + 1
    segmentation = Segmentation.load(outcome.out)
    scale = whole.plan.grid.scale
    assert segmentation.geometry.offset_x == pytest.approx(mask.left * scale)
    assert segmentation.geometry.offset_y == pytest.approx(mask.top * scale)
    segmentation.close()


def test_no_cells_is_a_result_too(run_dots: RunDots) -> None:
    outcome, masks = run_dots(cellprob_threshold=1000.0)
    assert outcome.cells == 0
    assert not masks.any()


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(run_dots: RunDots, tmp_path: Path) -> None:
    (tmp_path / "dots.zip").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        run_dots(overwrite=False)
    assert (tmp_path / "dots.zip").read_text() == "mine"
    outcome, _ = run_dots()
    assert outcome.cells


def test_what_cannot_be_run(run_dots: RunDots, dots: WSI, dots_params: SegmentParams, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="outside the slide"):
        run_dots(region_slide=(5000.0, 5000.0, 100.0, 100.0))
    with pytest.raises(RunError, match="folder"):
        run_slide(dots, Request(dots_params, tmp_path / "nowhere" / "x.zip"), None, BlobNetwork())
    with pytest.raises(ParameterError, match="larger diameter"):
        run_dots(diam_um=0.1)


def test_a_slide_that_vanishes_leaves_the_journal(
    dots_path: Path, dots_params: SegmentParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "dots.zip"
    slide = open_slide(dots_path)
    whole = type(slide).read_working
    reads = 0

    def flaky(self: WSI, *args: Any) -> Any:
        nonlocal reads
        reads += 1
        # The fields of the normalisation come first.
        if reads > 24:
            raise SlideError("dots.tiff can't be read any more. Is its drive connected?")
        return whole(self, *args)

    monkeypatch.setattr(WSI, "read_working", flaky)
    with pytest.raises(SlideError, match="drive"):
        run_slide(slide, Request(dots_params, out), None, BlobNetwork())
    assert not out.exists()
    assert list(out.with_name(".dots.zip.studio-run").glob("*/blocks/*.block"))
    monkeypatch.undo()
    outcome = run_slide(slide, Request(dots_params, out), None, BlobNetwork())
    assert outcome.resumed_blocks > 0
    slide.close()


def test_stains_are_measured_on_the_way(run_dots: RunDots, dots: WSI) -> None:
    """As a plain mean over each cell's pixels, whatever the blocks it lies in."""
    from studio.cellseg.inputs import OD_OF_BYTE, STAINS

    outcome, masks = run_dots()
    segmentation = Segmentation.load(outcome.out)
    table = segmentation.cell_table
    grid = outcome.plan.grid
    rgb = dots.read_working(grid.scale, 0, 0, *masks.shape)
    stains = OD_OF_BYTE[rgb].astype(np.float64) @ np.linalg.inv(STAINS)
    flat = masks.ravel()
    for k, name in enumerate(("hematoxylin_od", "eosin_od")):
        mean = np.bincount(flat, stains[..., k].ravel())[1:] / np.bincount(flat)[1:]
        np.testing.assert_allclose(table[name], mean, atol=1e-4)
    segmentation.close()
