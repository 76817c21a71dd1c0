"""Cells on screen in other programs' formats."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from studio.cellseg.exports import KINDS, Kind
from studio.core.jobs import JobState


@pytest.fixture
def shown(bench: Any, sample_slide: Path) -> Any:
    """A session with the cells of a preview on screen."""
    bench.open(sample_slide)
    bench.session.preview()
    bench.finish(bench.interactive.calls[-1][0], bench.preview_result(5))
    return bench


def test_every_format_is_offered(shown: Any) -> None:
    choices = shown.session.export_choices()
    assert [choice.kind for choice in choices] == list(KINDS)
    assert all(choice.about for choice in choices)


def test_a_missing_package_is_named(shown: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Kind("parquet", "Table as Parquet", (".parquet",), "x:y", "About.", requires=("no_such_package",))
    monkeypatch.setitem(KINDS, "parquet", kind)
    [why] = [choice.why_not for choice in shown.session.export_choices() if choice.why_not]
    assert "no_such_package" in why
    assert "pip install" in why
    shown.session.export_as("parquet", tmp_path / "x.parquet")
    assert shown.said("warning", "pip install")
    assert shown.exporter.calls == []


def test_a_preview_becomes_a_table_with_stains(shown: Any, tmp_path: Path) -> None:
    shown.session.ask_export_path("csv")
    dialog = shown.session.pending_dialog
    assert (dialog.kind, dialog.suffixes, dialog.suggested.name) == ("save", (".csv",), "CMU-1-Small-Region-cells.csv")
    dialog.on_path(tmp_path / "cells")
    shown.wait(lambda: bool(shown.exporter.calls))
    assert shown.session.why_not_export() == "An export is under way."
    masks = Path(shown.exporter.calls[-1][2]["masks"])
    shown.work(shown.exporter)
    rows = list(csv.DictReader((tmp_path / "cells.csv").read_text().splitlines()))
    assert len(rows) == 5
    assert all(float(row["hematoxylin_od"]) >= 0 for row in rows)
    assert shown.said("success", "5 cells", "cells.csv")
    assert shown.session.settings.last_folder == str(tmp_path)
    shown.wait()
    assert not masks.exists()


def test_cells_of_a_file_are_read_from_there(shown: Any, tmp_path: Path) -> None:
    shown.session.export(tmp_path / "five.zip")
    shown.wait()
    shown.session.load_result(tmp_path / "five.zip")
    shown.wait()
    shown.session.export_as("geojson", tmp_path / "five.geojson")
    assert shown.exporter.calls[-1][2]["masks"] == str(tmp_path / "five.zip")
    shown.work(shown.exporter)
    assert len(json.loads((tmp_path / "five.geojson").read_text())["features"]) == 5


def test_formats_for_a_part_take_what_is_in_view(shown: Any, tmp_path: Path) -> None:
    view = shown.session.document.view
    # The upper left 32 x 32 px of the preview's masks: 16 cells' places, of which 5 are taken in one row of 8.
    view.viewport, view.scale, view.center_x, view.center_y = (64, 64), 1.0, 42.0, 52.0
    shown.session.export_as("imagej-roi", tmp_path / "rois.zip")
    shown.wait(lambda: bool(shown.exporter.calls))
    assert shown.exporter.calls[-1][2]["rect_slide"] == (10.0, 20.0, 64.0, 64.0)
    shown.work(shown.exporter)
    import roifile

    assert len(roifile.roiread(tmp_path / "rois.zip")) == 4
    view.center_x = -1e6
    shown.session.export_as("seg-npy", tmp_path / "x_seg.npy")
    assert shown.said("warning", "out of view")


def test_cancelling_tidies_up(shown: Any, tmp_path: Path) -> None:
    shown.session.export_as("tiff", tmp_path / "labels.tif")
    shown.wait(lambda: bool(shown.exporter.calls))
    job, _, kwargs = shown.exporter.calls[-1]
    assert (job.title, job.message) == ("Export", "Exporting labels.tif")
    shown.session.cancel(job)
    shown.wait()
    assert job.state is JobState.CANCELLED
    assert not Path(kwargs["masks"]).exists()
    assert shown.said("info", "nothing was written")
    assert shown.session.why_not_export() is None
