"""Regions of the open slide: changes, undo, files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.session import Session
from studio.settings import Settings
from studio.slide import WSI

SQUARE = [(10.0, 10.0), (110.0, 10.0), (110.0, 110.0), (10.0, 110.0)]


@pytest.fixture
def session(sample_slide: Path) -> Iterator[Session]:
    session = Session(Settings())
    session.document.set_slide(WSI(sample_slide))
    yield session
    session.close()


def wait(session: Session) -> None:
    end_s = time.monotonic() + 20
    while not session.idle:
        session.update()
        assert time.monotonic() < end_s
        time.sleep(0.005)


def test_draw_name_change_delete_and_undo(session: Session) -> None:
    rois, document = session.rois, session.document
    assert rois.add(SQUARE)
    assert rois.add(np.array(SQUARE) * 2)
    assert [roi.name for roi in document.rois] == ["Region 1", "Region 2"]
    assert rois.selected is document.rois[1]
    before = document.rois_version
    rois.rename(0, "Tumour")
    rois.relabel(0, "tumor")
    rois.reshape(0, np.array(SQUARE) + 5)
    assert document.rois_version == before + 3
    assert (document.rois[0].name, document.rois[0].label, document.rois[0].bbox) == (
        "Tumour",
        "tumor",
        (15, 15, 100, 100),
    )
    rois.remove()
    assert [roi.name for roi in document.rois] == ["Tumour"]
    assert rois.undoable == "deletion of Region 2"
    rois.undo()
    assert document.selected_roi == 1
    for _ in range(4):
        rois.undo()
    assert [roi.name for roi in document.rois] == ["Region 1"]
    assert document.rois[0].bbox == (10, 10, 100, 100)
    rois.undo()
    assert document.rois == []
    assert rois.undoable is None


def test_what_is_no_area_is_no_region(session: Session) -> None:
    assert not session.rois.add(SQUARE[:2])
    assert not session.rois.add([(0, 0), (5, 5), (9, 9)])
    session.document.set_slide(None)
    assert not session.rois.add(SQUARE)


def test_an_unchanged_name_is_no_change_and_an_empty_one_is_refused(session: Session) -> None:
    session.rois.add(SQUARE)
    before = session.document.rois_version
    session.rois.rename(0, "Region 1")
    session.rois.rename(0, "  ")
    assert session.document.rois_version == before
    assert session.toasts[-1].text == "A region needs a name."


@pytest.mark.parametrize("name", ["regions.geojson", "regions.csv", "regions"])
def test_save_and_load(session: Session, tmp_path: Path, name: str) -> None:
    session.rois.add(SQUARE, "Tumour")
    session.rois.save(tmp_path / name)
    wait(session)
    session.rois.clear()
    written = tmp_path / (name if "." in name else name + ".geojson")
    session.rois.load(written)
    wait(session)
    (roi,) = session.document.rois
    assert (roi.name, roi.outline.tolist()) == ("Tumour", [list(point) for point in SQUARE])
    if written.suffix == ".geojson":
        feature = json.loads(written.read_text(encoding="utf-8"))["features"][0]
        assert feature["properties"] == {"objectType": "annotation", "name": "Tumour"}


def test_a_bad_file_is_one_message_and_loses_nothing(session: Session, tmp_path: Path) -> None:
    session.rois.add(SQUARE)
    (tmp_path / "bad.geojson").write_text('{"type": "Feature"}')
    session.rois.load(tmp_path / "bad.geojson")
    wait(session)
    assert len(session.document.rois) == 1
    assert [toast.level for toast in session.toasts] == ["error"]
    assert "bad.geojson" in session.toasts[0].text


def test_what_has_no_area_is_left_out_and_said(session: Session, tmp_path: Path) -> None:
    shapes = {"Polygon": [[*SQUARE, SQUARE[0]]], "Point": SQUARE[0], "LineString": SQUARE}
    geometries = [{"type": kind, "coordinates": coordinates} for kind, coordinates in shapes.items()]
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "GeometryCollection", "geometries": geometries}))
    session.rois.load(tmp_path / "a.geojson")
    wait(session)
    assert len(session.document.rois) == 1
    assert "LineString, Point" in session.toasts[-1].text


def test_regions_beyond_the_slide_are_pointed_out(session: Session, tmp_path: Path) -> None:
    session.rois.add(np.array(SQUARE) + 1e6, "Far")
    session.rois.save(tmp_path / "far.geojson")
    wait(session)
    session.rois.load(tmp_path / "far.geojson")
    wait(session)
    assert session.toasts[-1].level == "warning"


def test_regions_belong_to_their_slide(session: Session, sample_slide: Path) -> None:
    session.rois.add(SQUARE)
    session.document.set_slide(WSI(sample_slide))
    assert session.document.rois == []
    assert session.rois.undoable is None


def test_regions_are_there_again_when_the_slide_is_opened_again(sample_slide: Path, tmp_path: Path) -> None:
    def opened() -> Session:
        session = Session(Settings(path=tmp_path / "settings.json"))
        session.document.set_slide(WSI(sample_slide))
        session.update()
        wait(session)
        return session

    first = opened()
    first.rois.add(SQUARE, "Tumour")
    first.close()
    second = opened()
    assert [roi.name for roi in second.document.rois] == ["Tumour"]
    assert second.rois.undoable is None
    second.document.set_slide(WSI(sample_slide))
    second.rois.add(np.array(SQUARE) * 2, "Drawn before they were read")
    second.update()
    wait(second)
    assert [roi.name for roi in second.document.rois] == ["Tumour", "Drawn before they were read"]
    assert second.document.selected_roi == 1
    second.rois.clear()
    second.update()
    second.document.set_slide(WSI(sample_slide))
    second.update()
    wait(second)
    assert second.document.rois == []
    second.close()
    assert list((tmp_path / "regions").glob("*")) == []


def test_kept_regions_that_are_damaged_are_set_aside(sample_slide: Path, tmp_path: Path) -> None:
    slide = WSI(sample_slide)
    path = tmp_path / "regions" / f"{slide.fingerprint}.geojson"
    path.parent.mkdir()
    path.write_text("{")
    session = Session(Settings(path=tmp_path / "settings.json"))
    session.document.set_slide(slide)
    session.update()
    wait(session)
    assert session.document.rois == []
    assert session.toasts == []
    session.close()
    assert path.with_suffix(".damaged.geojson").read_text() == "{"
