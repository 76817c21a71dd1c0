"""Mean stain of cells: against a plain computation, over windows, on a real slide."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from studio.cellseg import stains
from studio.cellseg.inputs import to_channels
from studio.cellseg.result import Segmentation
from studio.core.jobs import NullProgress
from studio.errors import UsageError
from studio.slide import WSI
from tests.cellseg.make_cells import grid_cells

LABELS = grid_cells(300, 400)


def segmentation_of(slide: WSI) -> Segmentation:
    """Cells at half the slide's resolution, from slide pixel (400, 600)."""
    return Segmentation(LABELS, slide=slide, wsi_dim=(800, 600), wsi_offset=(400, 600))


def test_haematoxylin_and_eosin(sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stains, "_SIDE", 128)
    with WSI(sample_slide) as slide:
        segmentation = segmentation_of(slide)
        segmentation.measure_stains(slide)
        table = segmentation.cell_table
        rgb = slide.read_region(400, 600, 800, 600, slide.require_mpp() * 2)
    density = -np.log10((rgb.astype(float) + 1) / 256)
    haematoxylin = to_channels(rgb, "hematoxylin")[0]
    for row in (0, 40, int(LABELS.max()) - 1):
        cell = row + 1 == LABELS
        assert table["hematoxylin_od"][row] == pytest.approx(haematoxylin[cell].mean(), abs=0.05)
        # The three densities are made of both stains and little else.
        both = table["hematoxylin_od"][row] + table["eosin_od"][row]
        assert both == pytest.approx(np.linalg.norm(density[cell].mean(axis=0)), rel=0.35, abs=0.05)
    assert table["hematoxylin_od"].std() > 0.02
    segmentation.save(tmp_path / "x.zip")
    with Segmentation.load(tmp_path / "x.zip") as loaded:
        np.testing.assert_array_equal(loaded.cell_table["eosin_od"], table["eosin_od"])
        loaded.apply_rois(1, [np.array([(400, 600), (800, 600), (800, 900), (400, 900)])])
        np.testing.assert_array_equal(loaded.cell_table["eosin_od"], table["eosin_od"][loaded.ids - 1])


def test_columns_are_added_to_those_of_a_file_and_kept_cells(sample_slide: Path, tmp_path: Path) -> None:
    with WSI(sample_slide) as slide:
        path = segmentation_of(slide).save(tmp_path / "x.zip")
        with Segmentation.load(path) as loaded:
            loaded.apply_rois(1, [np.array([(400, 600), (800, 600), (800, 900), (400, 900)])])
            loaded.measure_stains(slide)
            kept = loaded.cell_table["hematoxylin_od"]
            assert len(kept) == loaded.cells
            assert np.isfinite(kept).all()
            before = path.read_bytes()
            loaded.save(tmp_path / "y.zip")
        assert path.read_bytes() == before
    with Segmentation.load(tmp_path / "y.zip") as again:
        np.testing.assert_array_equal(again.cell_table["hematoxylin_od"], kept)
        assert "area_um2" in again.cell_table or "area_px2" in again.cell_table


def test_fluorescence_has_channels() -> None:
    rgb = np.zeros((600, 800, 3), np.uint8)
    rgb[..., 0], rgb[..., 2] = 10, 200
    slide: Any = SimpleNamespace(
        name="a", size=(800, 600), mpp=0.5, fingerprint="f", is_fluorescence=lambda: True, require_mpp=lambda: 0.5,
        read_region=lambda x, y, w, h, mpp: rgb[: round(h / 2), : round(w / 2)],
    )  # fmt: skip
    segmentation = Segmentation(LABELS, slide=slide)
    segmentation.measure_stains(slide)
    assert segmentation.cell_table["mean_blue"].tolist() == [200] * segmentation.cells
    assert segmentation.cell_table["mean_red"].tolist() == [10] * segmentation.cells


def test_only_where_cells_are_is_read(sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((1400, 1100), np.uint32)
    labels[1100:1110, 20:30] = 1
    monkeypatch.setattr(stains, "_SIDE", 512)
    reads: list[Any] = []
    with WSI(sample_slide) as slide:
        path = Segmentation(labels, slide=slide, wsi_dim=(2200, 2800)).save(tmp_path / "x.zip")
        monkeypatch.setattr(slide, "read_region", lambda *a: reads.append(a) or WSI.read_region(slide, *a))
        with Segmentation.load(path) as loaded:
            loaded.measure_stains(slide, NullProgress())
    assert len(reads) == 1


def test_another_slide_is_refused(sample_slide: Path) -> None:
    with WSI(sample_slide) as slide:
        other = Segmentation(LABELS, meta={"slide": {"name": "b", "fingerprint": "x"}})
        with pytest.raises(UsageError, match="made from b"):
            other.measure_stains(slide)
