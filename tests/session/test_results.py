"""Histograms written to files, and answers that come late."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.cellseg.distribution import densities, distribution
from studio.cellseg.lattice import Rect
from studio.cellseg.livesource import LiveSource
from studio.cellseg.memory import ArraySource
from studio.cellseg.searched import Searched
from studio.cellseg.source import MaskGeometry
from studio.document import Overlay
from studio.session.findings import Query, _listed, find, table_of_source
from studio.session.plots import _BAR
from studio.session.text import density_text
from studio.slide.mask import SlideMask
from studio.slide.roi import ROI
from tests.render.pictures import cell_labels
from tests.session.conftest import Bench, labels_with


def show(bench: Bench, labels: np.ndarray) -> ArraySource:
    source = ArraySource(labels, MaskGeometry(labels.shape, 2.0, 2.0, mpp=1.0))
    bench.session.document.set_overlay(Overlay(source, "preview"))
    return source


def answered(bench: Bench) -> None:
    results = bench.session.results

    def done() -> bool:
        results.follow()
        return results.found is not None and not results.busy

    bench.wait(done)


@pytest.mark.parametrize("suffix", ["", ".png", ".csv"])
def test_the_histogram_as_a_file(bench: Bench, sample_slide: Path, tmp_path: Path, suffix: str) -> None:
    bench.open(sample_slide)
    show(bench, cell_labels(500, 500))
    answered(bench)
    found = bench.session.results.found
    assert found is not None
    assert found.distribution is not None
    bench.session.results.ask_save_histogram()
    dialog = bench.session.pending_dialog
    assert dialog is not None
    assert dialog.suggested.name == "CMU-1-Small-Region-area_um2.png"
    dialog.on_path(tmp_path / f"areas{suffix}")
    bench.wait()
    assert bench.said("success", "Saved")
    if suffix == ".csv":
        lines = list(csv.DictReader((tmp_path / "areas.csv").read_text().splitlines()))
        assert tuple(int(line["cells"]) for line in lines) == found.distribution.counts
        assert float(lines[0]["area_um2_from"]) == pytest.approx(found.distribution.low, rel=1e-5)
        return
    picture = np.asarray(Image.open(tmp_path / "areas.png"))
    bars = (picture == [int(_BAR[n : n + 2], 16) for n in (1, 3, 5)]).all(axis=2)
    tall = bars.sum(axis=0)
    # The tallest bar of the picture stands where that of the counts does.
    at = int(np.argmax(found.distribution.counts)) / len(found.distribution.counts)
    left, right = np.flatnonzero(tall)[[0, -1]]
    assert (int(tall.argmax()) - left) / (right - left) == pytest.approx(at, abs=0.05)


def test_a_folder_that_is_not_there_is_said(bench: Bench, sample_slide: Path, tmp_path: Path) -> None:
    bench.open(sample_slide)
    show(bench, labels_with(5))
    answered(bench)
    bench.session.results.save_histogram(tmp_path / "none" / "a.png")
    bench.wait()
    assert bench.said("error", "none")


def test_cells_closed_while_they_are_measured_are_no_error(bench: Bench, sample_slide: Path) -> None:
    bench.open(sample_slide)
    show(bench, labels_with(5))
    bench.session.results.follow()
    show(bench, labels_with(3))
    answered(bench)
    assert bench.session.results.found is not None
    assert bench.session.results.found.cells == 3
    assert not any("error" in text for text in bench.texts)


def test_the_table_of_a_preview_is_made_without_looking_at_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = labels_with(3)
    source = ArraySource(labels, MaskGeometry(labels.shape, 1.0, 1.0), centroids=np.ones((3, 2)))
    with monkeypatch.context() as patch:
        patch.setattr("studio.cellseg.measure.measure_labels", None)
        table = table_of_source(source)
    assert table is not None
    assert table.rows == 3
    assert table["area_px2"].tolist() == [16, 16, 16]


def test_cells_of_a_run_under_way_are_counted_but_not_measured() -> None:
    source = LiveSource(MaskGeometry((100, 200), 2.0, 2.0), Rect(0, 0, 100, 200))
    found = find(source, table_of_source(source), None, (), Query())
    assert (found.cells, found.columns, len(found.rows)) == (0, (), 0)


def test_a_distribution_leaves_no_value_out() -> None:
    values = np.concatenate([np.arange(1000.0), [1e9, np.nan, np.inf]])
    spread = distribution(values)
    assert spread is not None
    assert sum(spread.counts) == spread.values == 1001
    assert spread.quartiles == pytest.approx((250, 500, 750))
    assert spread.high < 1100
    assert distribution(np.array([np.nan])) is None
    same = distribution(np.full(7, 3.0))
    assert same is not None
    assert (same.low, same.high, sum(same.counts)) == (2.5, 3.5, 7)


def test_density_of_the_tissue_in_a_preview() -> None:
    """Cells off the tissue and tissue off the preview don't count."""
    mask = np.zeros((10, 10), np.bool_)
    mask[:, :5] = True
    places = np.array([[50.0, 50.0], [450.0, 150.0], [550.0, 50.0], [990.0, 10.0]])
    whole, tissue = densities(places, 0.5, (400.0, 0.0, 600.0, 200.0), SlideMask(mask, 100.0), ())
    assert (whole.cells, whole.area_mm2) == (4, pytest.approx(0.03))
    assert (tissue.cells, tissue.area_mm2) == (2, pytest.approx(100 * 200 * 0.25e-6))
    assert tissue.per_mm2 == pytest.approx(400)
    assert densities(places, None, (0, 0, 10, 10), None, ())[0].per_mm2 is None


def test_density_where_only_regions_were_searched() -> None:
    """Nobody looked for cells elsewhere: the rest of the slide is no part of the area. Overlaps count once."""
    square = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])
    rect = (0.0, 0.0, 1000.0, 1000.0)
    searched = Searched.within([ROI("a", square), ROI("b", square + 50.0)], rect)
    tissue = SlideMask(np.tri(20, 20, -1, np.bool_).T | np.eye(20, dtype=np.bool_), 50.0)
    whole, part = densities(np.array([[25.0, 25.0], [75.0, 25.0]]), 1.0, rect, tissue, (), searched)
    assert whole.area_mm2 == pytest.approx(17_500e-6)
    assert part.area_mm2 == pytest.approx(5 * 2_500e-6)
    labels = np.zeros((500, 500), np.uint32)
    labels[0, :2] = 1, 2
    source = ArraySource(labels, MaskGeometry(labels.shape, 2.0, 2.0, mpp=2.0))
    assert density_text(source, searched) == "114 per mm²"
    assert density_text(source) == "2 per mm², glass included"


@pytest.mark.parametrize(("descending", "rows"), [(False, [3, 1, 2, 0, 4]), (True, [0, 1, 2, 3, 4])])
def test_what_is_not_known_is_listed_last_and_equals_by_number(descending: bool, rows: list[int]) -> None:
    key = np.array([7.0, 3.0, 3.0, 1.0, np.nan])
    assert _listed(key, key, Query(descending=descending)).tolist() == rows
    assert _listed(key, key, Query(span=(3.0, 7.0), descending=descending)).tolist() == [r for r in rows if r < 3]
