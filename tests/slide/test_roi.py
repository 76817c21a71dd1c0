"""Regions of interest in CSV and GeoJSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import AnnotationError, RunError, UsageError
from studio.slide import ROI, read_rois, write_rois
from studio.slide.roi import in_any

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
HOLE = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
FAR = [[100, 100], [120, 100], [110, 130]]


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties or None}


def test_slideflow_csv_with_a_marker_of_byte_order_and_rows_that_are_mixed(tmp_path: Path) -> None:
    text = "\ufeffROI_Name,X_base,Y_base\nA,0,0\nB,100,100\nA,10,0\nB,120,100\nA,10,10\nB,110,130\nA,0,10\n"
    first, second = read_rois(written(tmp_path, "roi.csv", text))
    assert (first.name, second.name) == ("A", "B")
    assert first.area == 100
    assert second.bbox == (100, 100, 20, 30)


def test_csv_with_labels_semicolons_and_other_capitals(tmp_path: Path) -> None:
    text = "roi_name;label;x_base;y_base\n1;tumor;0;0\n1;tumor;8;0\n1;tumor;0;8\n"
    (roi,) = read_rois(written(tmp_path, "roi.csv", text))
    assert (roi.name, roi.label, roi.area) == ("1", "tumor", 32)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda f: {"type": "FeatureCollection", "features": f},
        lambda f: f,
        lambda f: {"type": "GeometryCollection", "geometries": [item["geometry"] for item in f]},
    ],
    ids=["collection", "list", "geometries"],
)
def test_geojson_of_every_shape(tmp_path: Path, wrap: Any) -> None:
    features = [
        feature({"type": "Polygon", "coordinates": [SQUARE, HOLE]}, name="a", classification={"name": "Tumor"}),
        feature({"type": "MultiPolygon", "coordinates": [[SQUARE], [FAR]]}),
        feature({"type": "Point", "coordinates": [1, 1]}),
    ]
    rois = read_rois(written(tmp_path, "roi.geojson", wrap(features)))
    assert [roi.area for roi in rois] == [96, 100, 300]
    assert len(rois[0].holes) == 1


def test_names_and_classes_of_qupath(tmp_path: Path) -> None:
    named = feature({"type": "Polygon", "coordinates": [SQUARE]}, name="left", classification={"name": "Tumor"})
    derived = feature({"type": "Polygon", "coordinates": [SQUARE]}, classification={"names": ["Immune", "CD3"]})
    (roi,) = read_rois(written(tmp_path, "one.geojson", named))
    assert (roi.name, roi.label, roi.title) == ("left", "Tumor", "left · Tumor")
    (roi,) = read_rois(written(tmp_path, "one.geojson", derived))
    assert roi.label == "Immune: CD3"


def test_points_inside_respect_holes_and_concave_outlines() -> None:
    roi = ROI("u", np.array([[0, 0], [30, 0], [30, 30], [20, 30], [20, 10], [10, 10], [10, 30], [0, 30.0]]))
    holed = ROI("h", np.array(SQUARE[:-1], float), (np.array(HOLE[:-1], float),))
    points = np.array([[5, 20], [15, 20], [25, 20], [15, 5], [-1, 5], [31, 5]])
    assert roi.contains(points).tolist() == [True, False, True, True, False, False]
    assert holed.contains(np.array([[5, 5], [1, 1]])).tolist() == [False, True]
    assert in_any([holed, roi], np.array([[5, 5], [25, 20], [99, 99]])).tolist() == [True, True, False]


@pytest.mark.parametrize("name", ["roi.geojson", "roi ä.csv"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    rois = [ROI("a, b", np.array(FAR, float), label="x"), ROI("a, b", np.array(SQUARE[:-1], float))]
    write_rois(tmp_path / name, rois)
    again = read_rois(tmp_path / name)
    assert [roi.label for roi in again] == ["x", ""]
    assert len({roi.name for roi in again}) == (2 if name.endswith("csv") else 1)
    for before, after in zip(rois, again, strict=True):
        assert np.array_equal(before.outline, after.outline)


def test_holes_go_into_geojson_only(tmp_path: Path) -> None:
    holed = ROI("h", np.array(SQUARE[:-1], float), (np.array(HOLE[:-1], float),))
    write_rois(tmp_path / "h.geojson", [holed])
    assert read_rois(tmp_path / "h.geojson")[0].area == 96
    with pytest.raises(UsageError, match=r"h\.geojson"):
        write_rois(tmp_path / "h.csv", [holed])
    with pytest.raises(RunError, match="can't be written"):
        write_rois(tmp_path / "h.geojson" / "below.csv", [])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "x,y\n1,2\n", "ROI_Name"),
        ("a.csv", "", "ROI_Name"),
        ("a.csv", "ROI_Name,X_base,Y_base\n", "holds no region"),
        ("a.csv", "ROI_Name,X_base,Y_base\nA,1,2\nA,3,4\n", "three or more"),
        ("a.csv", "ROI_Name,X_base,Y_base\nA,1,2\nA,3,4\nA,x,4\n", "could not convert"),
        ("a.csv", "ROI_Name,X_base,Y_base\nA,1,2\nA,3,4\nA,inf,4\n", "finite"),
        ("a.geojson", "{", "can't be understood"),
        ("a.geojson", '{"name": 3}', "no GeoJSON"),
        ("a.geojson", {"type": "FeatureCollection", "features": []}, "holds no region"),
        ("a.geojson", {"type": "FeatureCollection"}, "features is missing"),
        ("a.geojson", feature({"type": "Polygon", "coordinates": [[[1], [2], [3]]]}), "three or more|no list"),
        ("a.geojson", feature({"type": "Polygon", "coordinates": [["a", "b", "c"]]}), "no list of x, y"),
        ("a.geojson", feature({"type": "Polygon", "coordinates": []}), "can't be understood"),
        ("a.geojson", "[" * 100_000, "can't be understood"),
    ],
)
def test_files_that_hold_none_say_why(tmp_path: Path, name: str, content: Any, said: str) -> None:
    with pytest.raises(AnnotationError, match=said):
        read_rois(written(tmp_path, name, content))


def test_a_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(AnnotationError, match="no text"):
        read_rois(tmp_path / "b.csv")
    with pytest.raises(AnnotationError, match="can't be read"):
        read_rois(tmp_path / "none.csv")
