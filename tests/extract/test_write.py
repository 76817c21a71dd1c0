"""Cells written to TFRecords and pictures."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.cellseg import Segmentation
from studio.core.jobs import NullProgress
from studio.errors import JobCancelled, RunError, SlideError, UsageError
from studio.extract import CellTiles, extract_cells, read_examples
from studio.slide import WSI
from tests.extract.conftest import MPP, cell_colour


def test_one_record_a_cell_with_number_and_place(slide: WSI, cells: Segmentation, tmp_path: Path) -> None:
    slide.apply_segmentation(cells)
    report = slide.extract_cells(tfrecord_dir=tmp_path / "tfrecords", img_format="png")
    assert report.tfrecord == tmp_path / "tfrecords" / "zwölf Zellen.tfrecords"
    assert (report.cells, report.written, report.padded, report.cut, report.unreadable) == (60, 60, 5, 1, ())
    records = list(read_examples(report.tfrecord))
    assert sorted(record["cell_id"][0] for record in records) == list(range(1, 61))
    tiles = {tile.cell_id: tile for tile in CellTiles(slide)}
    for record in records:
        tile = tiles[record["cell_id"][0]]
        assert record["slide"] == ["zwölf Zellen".encode()]
        assert record["loc_x"] == [round(tile.x)]
        assert record["loc_y"] == [round(tile.y)]
        assert record["x_um"][0] == pytest.approx(tile.x * MPP, rel=1e-6)
        assert record["y_um"][0] == pytest.approx(tile.y * MPP, rel=1e-6)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(record["image_raw"][0]))), tile.image)


def test_pictures_have_names_of_their_own_and_a_table(slide: WSI, cells: Segmentation, tmp_path: Path) -> None:
    slide.apply_segmentation(cells)
    report = slide.extract_cells(tiles_dir=tmp_path, img_format="png")
    assert report.tiles == tmp_path / "zwölf Zellen"
    files = {path.name for path in report.tiles.glob("*.png")}
    assert len(files) == 60
    with (report.tiles / "cells.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == files
    for row in rows:
        image = np.asarray(Image.open(report.tiles / row["file"]))
        assert image.shape == (48, 48, 3)
        assert (image.max(axis=(0, 1)) == cell_colour(int(row["cell_id"]))).all()
        assert float(row["x_um"]) == pytest.approx(float(row["x_px"]) * MPP, abs=0.001)


def test_jpeg_and_both_targets_at_once(slide: WSI, cells: Segmentation, tmp_path: Path) -> None:
    slide.apply_segmentation(cells)
    report = slide.extract_cells(tmp_path / "t", tmp_path / "p", apply_masks=False, normalizer="reinhard")
    assert len(list(report.tiles.glob("*.jpg"))) == 60
    records = list(read_examples(report.tfrecord))
    assert {record["image_raw"][0] for record in records} == {p.read_bytes() for p in report.tiles.glob("*.jpg")}


def test_the_same_bytes_whatever_the_number_of_workers(slide: WSI, cells: Segmentation, tmp_path: Path) -> None:
    made = []
    for workers in (1, 5):
        report = extract_cells(slide, cells, tfrecord_dir=tmp_path / str(workers), workers=workers)
        made.append(report.tfrecord.read_bytes())
    assert made[0] == made[1]


def test_a_slide_without_cells_makes_an_empty_file(slide: WSI, tmp_path: Path) -> None:
    nothing = Segmentation(np.zeros((700, 900), np.uint32), slide=slide)
    report = extract_cells(slide, nothing, tfrecord_dir=tmp_path, tiles_dir=tmp_path)
    assert report.cells == report.written == 0
    assert list(read_examples(report.tfrecord)) == []
    assert [path.name for path in report.tiles.iterdir()] == ["cells.csv"]


def test_what_exists_is_replaced_only_when_asked(slide: WSI, cells: Segmentation, tmp_path: Path) -> None:
    first = extract_cells(slide, cells, tfrecord_dir=tmp_path, tiles_dir=tmp_path)
    before = first.tfrecord.read_bytes()
    with pytest.raises(UsageError, match="overwrite"):
        extract_cells(slide, cells, tfrecord_dir=tmp_path, apply_masks=False)
    with pytest.raises(UsageError, match="overwrite"):
        extract_cells(slide, cells, tiles_dir=tmp_path)
    assert first.tfrecord.read_bytes() == before
    extract_cells(slide, cells, tfrecord_dir=tmp_path, tiles_dir=tmp_path, img_format="png", overwrite=True)
    assert first.tfrecord.read_bytes() != before
    assert len(list(first.tiles.glob("*.png"))) == 60
    assert list(first.tiles.glob("*.jpg")) == []


class Stop(NullProgress):
    """Asks to stop after the first report of progress."""

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        raise JobCancelled


def test_stopping_leaves_nothing_half_written(slide: WSI, cells: Segmentation, tmp_path: Path) -> None:
    with pytest.raises(JobCancelled):
        extract_cells(slide, cells, tfrecord_dir=tmp_path, tiles_dir=tmp_path, progress=Stop())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(
    slide: WSI, cells: Segmentation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = extract_cells(slide, cells, tfrecord_dir=tmp_path)
    before = report.tfrecord.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("studio.extract.sinks.write_record", full)
    with pytest.raises(RunError, match="disk is full"):
        extract_cells(slide, cells, tfrecord_dir=tmp_path, overwrite=True)
    assert report.tfrecord.read_bytes() == before
    assert list(tmp_path.iterdir()) == [report.tfrecord]


def test_a_target_that_can_not_be_a_folder(slide: WSI, cells: Segmentation, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="can't be written"):
        extract_cells(slide, cells, tfrecord_dir=tmp_path / "file")


def damage(slide: WSI, monkeypatch: pytest.MonkeyPatch, bad: Any) -> None:
    read = slide.read_rect

    def sometimes(x: float, y: float, *rest: Any) -> Any:
        if bad(x, y):
            raise SlideError("tile 3 can't be decoded.")
        return read(x, y, *rest)

    monkeypatch.setattr(slide, "read_rect", sometimes)


def test_damaged_places_are_named_and_the_rest_is_written(
    slide: WSI, cells: Segmentation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    damage(slide, monkeypatch, lambda x, y: y > 400)
    report = extract_cells(slide, cells, tfrecord_dir=tmp_path)
    assert 0 < report.written < 60
    assert report.written + len(report.unreadable) == 60
    written = {record["cell_id"][0] for record in read_examples(report.tfrecord)}
    assert written | set(report.unreadable) == set(range(1, 61))
    assert "can't be read" in caplog.text


def test_a_slide_of_which_nothing_can_be_read_is_an_error(
    slide: WSI, cells: Segmentation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(slide, monkeypatch, lambda x, y: True)
    with pytest.raises(SlideError, match="No cell"):
        extract_cells(slide, cells, tfrecord_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "tfrecord_dir="),
        ({"tiles_dir": "x", "img_format": "bmp"}, "jpg, png"),
        ({"tiles_dir": "x", "quality": 0}, "quality"),
        ({"tiles_dir": "x", "normalizer": "sepia"}, "sepia"),
        ({"tiles_dir": "x", "nonsense": 1}, "no argument 'nonsense'"),
    ],
)
def test_arguments_that_can_not_be_used(
    slide: WSI, cells: Segmentation, options: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        extract_cells(slide, cells, **options)
    assert list(tmp_path.iterdir()) == []


def test_arguments_of_older_scripts(slide: WSI, cells: Segmentation, tmp_path: Path) -> None:
    slide.apply_segmentation(cells)
    report = slide.extract_cells(tiles_dir=tmp_path, img_format="png", grayspace_fraction=1, report=False)
    assert report.written == 60


def test_progress_counts_every_cell(slide: WSI, cells: Segmentation, tmp_path: Path) -> None:
    class Count(NullProgress):
        total = done = 0

        def start(self, total: int, message: str = "", done: int = 0) -> None:
            self.total = total

        def advance(self, steps: int = 1, message: str | None = None) -> None:
            self.done += steps

    count = Count()
    extract_cells(slide, cells, tfrecord_dir=tmp_path, progress=count)
    assert (count.total, count.done) == (60, 60)
