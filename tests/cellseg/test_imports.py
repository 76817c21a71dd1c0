"""Other programs' cells: the same pixels come in, whatever stands around them; bad files are said."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from studio.cellseg.exports import export
from studio.cellseg.imports import is_overlay, load_overlay
from studio.cellseg.imports.fill import UNIT, count_pixels, fill_polygon
from studio.cellseg.result import Segmentation
from studio.core.jobs import NullProgress
from studio.errors import JobCancelled, ResultFileError, StudioError, UsageError
from tests.cellseg.make_cells import voronoi_cells
from tests.cellseg.test_hostile import mutated_bytes

SLIDE: Any = SimpleNamespace(name="a", size=(1800, 2400), mpp=0.25, fingerprint="f")
LABELS = voronoi_cells(1200, 900, 300)
"""The whole slide at half its resolution."""


def write_labels(path: Path, labels: np.ndarray, kind: str) -> Path:
    if kind == "tiled tiff":
        tifffile.imwrite(path, labels, tile=(256, 256), compression="zlib")
    elif kind == "stripped tiff":
        tifffile.imwrite(path, labels, rowsperstrip=100)
    elif kind == "16-bit tiff":
        tifffile.imwrite(path, labels.astype(np.uint16))
    elif kind == "16-bit png":
        Image.fromarray(labels.astype(np.uint16)).save(path)
    elif kind == "npy":
        np.save(path, labels.astype(np.int64))
    else:
        np.save(path, labels.astype(np.float32))
    return path


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("tiled tiff", "x.tif"),
        ("stripped tiff", "x.TIFF"),
        ("16-bit tiff", "x.tif"),
        ("16-bit png", "x.png"),
        ("npy", "x.npy"),
        ("npy of floats", "x.npy"),
    ],
)
def test_label_images(kind: str, name: str, tmp_path: Path) -> None:
    loaded = load_overlay(write_labels(tmp_path / name, LABELS, kind), SLIDE)
    np.testing.assert_array_equal(loaded.masks, LABELS)
    assert loaded.cells == LABELS.max()
    place = loaded.geometry
    assert (place.scale_x, place.scale_y, place.offset_x, place.offset_y, place.mpp) == (2.0, 2.0, 0.0, 0.0, 0.5)
    assert loaded.mismatch(SLIDE) is None
    assert loaded.meta["imported_from"] == name


def test_our_own_exports_come_back(tmp_path: Path) -> None:
    segmentation = Segmentation(LABELS, wsi_dim=(1800, 2400), meta={"mpp": 0.5})
    for kind, name in (("tiff", "x.tif"), ("ome-zarr", "x.ome.zarr")):
        loaded = load_overlay(export(segmentation, kind, tmp_path / name), SLIDE)
        np.testing.assert_array_equal(loaded.masks, LABELS)
        assert loaded.geometry == segmentation.geometry
    with load_overlay(segmentation.save(tmp_path / "x.zip"), SLIDE) as loaded:
        np.testing.assert_array_equal(loaded.masks, LABELS)


def test_geojson_of_ours_gives_the_same_pixels(tmp_path: Path) -> None:
    segmentation = Segmentation(LABELS, wsi_dim=(1800, 2400), meta={"mpp": 0.5})
    for name in ("x.geojson", "x.geojson.gz"):
        loaded = load_overlay(export(segmentation, "geojson", tmp_path / name), SLIDE)
        assert loaded.geometry == segmentation.geometry
        assert loaded.cells == segmentation.cells
        np.testing.assert_array_equal(loaded.masks > 0, LABELS > 0)
        # The same cells, numbered in the file's order.
        pairs = np.unique(np.stack([loaded.masks, LABELS], axis=-1).reshape(-1, 2), axis=0)
        assert len(pairs) == segmentation.cells + 1


def test_black_and_white_masks_become_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.zeros((240, 180), np.uint8)
    picture[10:20, 10:20] = picture[100:120, 50:60] = 255
    Image.fromarray(picture).save(tmp_path / "x.png")
    loaded = load_overlay(tmp_path / "x.png", SLIDE)
    assert loaded.cells == 2
    assert loaded.geometry.scale_x == 10.0
    monkeypatch.setattr("studio.cellseg.imports.settle.IN_MEMORY_BYTES", 1000)
    with pytest.raises(ResultFileError, match="black and white"):
        load_overlay(tmp_path / "x.png", SLIDE)


@pytest.mark.parametrize("kind", ["tiled tiff", "stripped tiff", "16-bit png", "npy", "zarr"])
def test_large_masks_get_a_file_of_their_own_that_goes(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.cellseg.imports.settle.IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("studio.cellseg.imports.labelimage._LAZY_BYTES", 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    if kind == "zarr":
        path = ome_zarr(tmp_path / "x.zarr", "0.5", as_image=True, axes="tczyx", labels=LABELS * 7)
    else:
        path = write_labels(tmp_path / {"npy": "x.npy", "16-bit png": "x.png"}.get(kind, "x.tif"), LABELS * 7, kind)
    slide: Any = SimpleNamespace(name="a", size=(2400, 3200), mpp=0.25, fingerprint="f")
    loaded = load_overlay(path, slide)
    assert loaded.file is not None
    assert loaded.cells == LABELS.max()
    np.testing.assert_array_equal(loaded.masks, LABELS)
    assert list((tmp_path / "scratch").iterdir()) == []
    loaded.save(tmp_path / "kept.zip")
    loaded.close()
    with Segmentation.load(tmp_path / "kept.zip") as kept:
        np.testing.assert_array_equal(kept.masks, LABELS)


def ome_zarr(path: Path, version: str, *, as_image: bool, axes: str = "yx", labels: np.ndarray = LABELS) -> Path:
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    scale = [1.0] * (len(axes) - 2) + [0.5, 0.5]
    shift = [0.0] * (len(axes) - 2) + [25.0, 50.0]
    image = {
        "axes": [{"name": a, "type": "space" if a in "zyx" else "time", "unit": "micrometer"} for a in axes],
        "datasets": [
            {"path": "s0", "coordinateTransformations": [
                {"type": "scale", "scale": scale}, {"type": "translation", "translation": shift}]}
        ],
    }  # fmt: skip
    attributes = {"multiscales": [image], "image-label": {}}
    wrap = {"ome": attributes} if version == "0.5" else attributes
    where = group
    if as_image:
        group.create_array("0", data=np.zeros((3, 1200, 900), np.uint8))
        picture = {"multiscales": [{"datasets": [{"path": "0"}], "axes": []}]}
        group.attrs.update({"ome": picture} if version == "0.5" else picture)
        inner = group.create_group("labels")
        inner.attrs.update({"ome": {"labels": ["cells"]}} if version == "0.5" else {"labels": ["cells"]})
        where = inner.create_group("cells")
    where.attrs.update(wrap)
    where.create_array("s0", data=labels.reshape((1,) * (len(axes) - 2) + labels.shape))
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("as_image", [False, True])
@pytest.mark.parametrize("axes", ["yx", "tczyx"])
def test_ome_zarr_labels(version: str, as_image: bool, axes: str, tmp_path: Path) -> None:
    slide: Any = SimpleNamespace(name="a", size=(2400, 3000), mpp=0.25, fingerprint="f")
    loaded = load_overlay(ome_zarr(tmp_path / "x.zarr", version, as_image=as_image, axes=axes), slide)
    np.testing.assert_array_equal(loaded.masks, LABELS)
    place = loaded.geometry
    assert (place.scale_x, place.scale_y, place.offset_x, place.offset_y) == (2.0, 2.0, 200.0, 100.0)


def test_a_plain_zarr_array(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "x.zarr", data=LABELS)
    np.testing.assert_array_equal(load_overlay(tmp_path / "x.zarr", SLIDE).masks, LABELS)


def square(x: float, y: float, side: float = 40) -> list[list[float]]:
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": "5c3d", "geometry": geometry, "properties": properties}


POLYGON = {"type": "Polygon", "coordinates": [square(100, 200)]}
WITH_HOLE = {"type": "Polygon", "coordinates": [square(400, 200, 100), square(420, 220, 20)]}
TWO = {"type": "MultiPolygon", "coordinates": [[square(600, 200)], [square(800, 200)]]}
POINTS = {"type": "MultiPoint", "coordinates": [[50, 60], [1000, 1200], [1500, 900]]}
CLASS = {"name": "Neoplastic", "color": [255, 0, 0]}

STRUCTURES: dict[str, tuple[Any, int]] = {
    "QuPath's collection": (
        {"type": "FeatureCollection", "features": [
            feature(POLYGON, objectType="detection", classification=CLASS, measurements={"Area": 3}),
            feature(WITH_HOLE, objectType="cell"), feature(TWO, objectType="detection")]}, 3),
    "QuPath's list": ([feature(POLYGON, objectType="detection"), feature(WITH_HOLE, objectType="annotation")], 2),
    "CellViT's cells: a list with a MultiPolygon for each class": (
        [feature(TWO, objectType="annotation", classification=CLASS), feature(TWO | {"coordinates": [
            [square(900, 900)], [square(1000, 1000)], [square(1100, 1100)]]}, objectType="annotation")], 5),
    "CellViT's detections: a MultiPoint for each class": ([feature(POINTS, classification=CLASS)], 3),
    "properties missing": ({"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": POLYGON}]}, 1),
    "properties null, geometry null": (
        {"type": "FeatureCollection", "features": [
            {"type": "Feature", "geometry": None, "properties": None},
            {"type": "Feature", "properties": None, "geometry": POLYGON}]}, 1),
    "properties before geometry": (
        [{"properties": {"objectType": "detection"}, "geometry": TWO, "type": "Feature"}], 1),
    "one feature": (feature(POLYGON), 1),
    "one geometry": (TWO, 2),
    "a list of geometries": ([POLYGON, TWO], 3),
    "a collection of geometries": (
        feature({"type": "GeometryCollection", "geometries": [POLYGON, POINTS]}), 4),
    "a point": (feature({"type": "Point", "coordinates": [300, 300]}), 1),
    "coordinates with a height": (
        {"type": "Polygon", "coordinates": [[[*point, 7] for point in square(100, 200)]]}, 1),
    "other keys around": (
        {"crs": {"type": "name", "properties": {"name": "x"}}, "type": "FeatureCollection", "bbox": [0, 0, 9, 9],
         "features": [feature(POLYGON)], "generator": [1, [2], {"features": []}]}, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("indent", [None, 2])
def test_geojson_structures(name: str, indent: int | None, tmp_path: Path) -> None:
    content, cells = STRUCTURES[name]
    (tmp_path / "x.geojson").write_text(json.dumps(content, indent=indent), encoding="utf-8")
    assert load_overlay(tmp_path / "x.geojson", SLIDE).cells == cells


def test_polygons_lie_where_they_say(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf" + json.dumps([feature(WITH_HOLE)]).encode())
    loaded = load_overlay(tmp_path / "x.json", SLIDE)
    expected = np.zeros((1200, 900), np.uint32)
    expected[100:150, 200:250] = 1
    expected[110:120, 210:220] = 0
    np.testing.assert_array_equal(loaded.masks, expected)
    assert loaded.geometry.mpp == 0.5


def test_points_become_dots_and_specks_a_pixel(tmp_path: Path) -> None:
    speck = {"type": "Polygon", "coordinates": [square(300.2, 400.2, 0.3)]}
    (tmp_path / "x.json").write_text(json.dumps([POINTS, speck]))
    loaded = load_overlay(tmp_path / "x.json", SLIDE)
    np.testing.assert_allclose(loaded.centroids(wsi_dim=True)[:3], POINTS["coordinates"], atol=1.1)
    assert loaded.cell_table["area_um2"][:3] == pytest.approx(np.pi * 2**2, rel=0.1)
    assert np.argwhere(loaded.masks == 4).tolist() == [[200, 150]]


def test_values_longer_than_a_piece_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.cellseg.imports.jsonstream.PIECE", 7)
    content, cells = STRUCTURES["QuPath's collection"]
    for indent in (None, 9):
        (tmp_path / "x.json").write_text(json.dumps(content, indent=indent))
        assert load_overlay(tmp_path / "x.json", SLIDE).cells == cells
    monkeypatch.setattr("studio.cellseg.imports.jsonstream.MOST_CHARS", 50)
    (tmp_path / "x.json").write_text(json.dumps(feature(POLYGON, note="x" * 5000)))
    with pytest.raises(ResultFileError, match="more than 50 characters"):
        load_overlay(tmp_path / "x.json", SLIDE)


def test_numbers_cut_by_a_piece_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(feature({"type": "Point", "coordinates": [1234.5678, 876.54321]}))
    for piece in range(1, 40):
        monkeypatch.setattr("studio.cellseg.imports.jsonstream.PIECE", piece)
        (tmp_path / "x.json").write_text(text)
        loaded = load_overlay(tmp_path / "x.json", SLIDE)
        np.testing.assert_allclose(loaded.centroids(wsi_dim=True), [[1234.5678, 876.54321]], atol=1.1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ends too early"),
        ("[]", "no polygons"),
        ("{}", "no polygons"),
        ('{"type": "FeatureCollection"', "too early"),
        ('[{"geometry": {"coordinates": [[[0, 0], [1', "too early"),
        ("[1, 2]", "expected"),
        ("hello", "expected"),
        ("[{}] tail", "behind its end"),
        ('{"coordinates": [[[0, 0], [9, 9]]]}', "fewer than three"),
        ('{"coordinates": [[[0, 0], [9, "x"], [3, 3]]]}', "no pair of numbers"),
        ('{"coordinates": [[[0, 0], [9], [3, 3]]]}', "no pair of numbers"),
        ('{"coordinates": [[[0, 0], [NaN, 9], [3, 3]]]}', "no number"),
        ('{"coordinates": [[[0, 0], [1e300, 9], [3, 3]]]}', "too far"),
        ('{"coordinates": [[[[[[0, 0]]]]]]}', "too deeply"),
        ("[" * 100_000, "expected"),
        ('{"properties": ' + "[" * 100_000, "too deeply"),
        ('{"geometry": ' * 100 + "1" + "}" * 100, "too deeply"),
        ('{"coordinates": [[[5000, 5000], [5010, 5000], [5000, 5010]]]}', "none of them lies on a"),
    ],
)
def test_geojson_that_cant_be(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.geojson").write_text(text)
    with pytest.raises(ResultFileError, match=said):
        load_overlay(tmp_path / "x.geojson", SLIDE)


@settings(max_examples=60, deadline=None)
@given(points=st.lists(st.tuples(st.integers(-4, 24), st.integers(-4, 24)), min_size=3, max_size=9))
def test_pixels_of_any_polygon_follow_the_even_odd_rule(points: list[tuple[int, int]]) -> None:
    from studio.cellseg.regions import _inside

    # No side through the middle of a pixel.
    ring = (np.array(points) * 257 + (7, 30)).astype(np.int32)
    starts = np.array([0, len(ring)])
    labels = np.zeros((20, 20), np.uint32)
    fill_polygon(labels, 0, 0, ring, starts, np.uint32(3))
    y, x = np.mgrid[:20, :20] + 0.5
    expected = _inside(np.stack([x.ravel(), y.ravel()], axis=1), ring / UNIT).reshape(20, 20)
    np.testing.assert_array_equal(labels == 3, expected)
    assert count_pixels(ring, starts, 20, 20) == expected.sum()
    pieces = np.zeros((20, 20), np.uint32)
    for row in range(0, 20, 7):
        for col in range(0, 20, 7):
            window = np.zeros((7, 7), np.uint32)
            fill_polygon(window, row, col, ring, starts, np.uint32(3))
            pieces[row : row + 7, col : col + 7] = window[: 20 - row, : 20 - col]
    np.testing.assert_array_equal(pieces, labels)


def test_cells_over_many_blocks_and_over_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polygons in no order; what is drawn doesn't depend on the blocks, and a later cell lies over an earlier one."""
    rng = np.random.default_rng(0)
    shapes = []
    for x, y in rng.uniform((0, 0), (1800, 2400), (300, 2)):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 12))
        ring = np.stack([x + 60 * np.cos(angle), y + 90 * np.sin(angle)], axis=1)
        shapes.append({"type": "Polygon", "coordinates": [ring.tolist()]})
    (tmp_path / "x.json").write_text(json.dumps(shapes))
    whole = load_overlay(tmp_path / "x.json", SLIDE)
    from studio.cellseg import measure

    monkeypatch.setattr(measure.windows, "__defaults__", (512,))
    pieces = load_overlay(tmp_path / "x.json", SLIDE)
    np.testing.assert_array_equal(whole.masks, pieces.masks)
    assert whole.cells == pieces.cells == 300
    last = np.array(shapes[-1]["coordinates"][0]).mean(axis=0)
    assert whole.masks[int(last[1] / 2), int(last[0] / 2)] == 300


def test_polygons_that_cover_everything_over_and_over_are_refused(tmp_path: Path) -> None:
    everything = {"type": "Polygon", "coordinates": [square(0, 0, 2400)]}
    (tmp_path / "x.json").write_text(json.dumps([everything] * 40))
    with pytest.raises(ResultFileError, match=r"x\.json holds polygons that lie over one another"):
        load_overlay(tmp_path / "x.json", SLIDE)


def test_polygons_with_too_many_sides_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zigzag = [[n % 1800, 0 if n % 2 else 2400] for n in range(40_000)]
    (tmp_path / "x.json").write_text(json.dumps({"coordinates": [zigzag]}))
    with pytest.raises(ResultFileError, match="too many sides"):
        load_overlay(tmp_path / "x.json", SLIDE)


def test_images_that_are_no_labels(tmp_path: Path) -> None:
    rgb = np.zeros((240, 180, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "colour.png")
    tifffile.imwrite(tmp_path / "colour.tif", rgb, photometric="rgb")
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 240, 180), np.uint16))
    tifffile.imwrite(tmp_path / "fractions.tif", np.full((240, 180), 0.5, np.float32))
    tifffile.imwrite(tmp_path / "negative.tif", np.full((240, 180), -1, np.int32))
    tifffile.imwrite(tmp_path / "square.tif", np.ones((500, 500), np.uint16))
    np.save(tmp_path / "three.npy", np.zeros((3, 4, 5), np.uint8))
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    zarr.create_array(tmp_path / "floats.zarr", data=np.ones((240, 180), np.float32))
    zarr.open_group(tmp_path / "empty.zarr", mode="w")
    for name, said in {
        "colour.png": "in colour", "colour.tif": "3 channels", "stack.tif": "5 planes", "fractions.tif": "fractions",
        "negative.tif": "no cell can have", "square.tif": "no reduced size of a", "three.npy": "rows and columns only",
        "text.npy": "not one whole number", "floats.zarr": "no label image", "empty.zarr": "holds no label image",
    }.items():  # fmt: skip
        with pytest.raises(ResultFileError, match=said):
            load_overlay(tmp_path / name, SLIDE)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "exploded",))

    np.save(tmp_path / "x_seg.npy", np.array({"masks": Bomb()}, dtype=object), allow_pickle=True)
    with pytest.raises(UsageError, match="pickled"):
        load_overlay(tmp_path / "x_seg.npy", SLIDE)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["x.tif", "x.png", "x.npy", "x.zarr", "x.geojson", "x.geojson.gz", "x.zip", "x.doc"])
def test_files_of_something_else(name: str, tmp_path: Path) -> None:
    with pytest.raises(ResultFileError, match="doesn't exist"):
        load_overlay(tmp_path / name, SLIDE)
    (tmp_path / name).write_bytes(b"this is something else")
    with pytest.raises(StudioError, match="x"):
        load_overlay(tmp_path / name, SLIDE)


@pytest.mark.parametrize("name", ["x.tif", "x.png", "x.npy", "x.geojson", "x.geojson.gz"])
def test_mutated_files_give_clean_errors(name: str, tmp_path: Path) -> None:
    small = LABELS[:300, :225]
    path = tmp_path / name
    if "geojson" in name:
        good = json.dumps(STRUCTURES["QuPath's collection"][0]).encode()
        good = gzip.compress(good) if name.endswith("gz") else good
    else:
        kind = {"x.tif": "tiled tiff", "x.png": "16-bit png", "x.npy": "npy"}[name]
        good = write_labels(path, small, kind).read_bytes()
    rng = random.Random(0)
    outcomes = []
    for _ in range(120):
        path.write_bytes(mutated_bytes(rng, good[:4000] + good[4000:]))
        try:
            load_overlay(path, SLIDE).close()
            outcomes.append(True)
        except StudioError:
            outcomes.append(False)
    assert not all(outcomes)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet='[]{},:"0123456789.e-coordinatesfu \n', max_size=60))
def test_any_text_gives_a_clean_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ResultFileError):
        load_overlay(tmp_path / "x.json", SLIDE)


@pytest.mark.parametrize("name", ["x.tif", "x.npy", "x.zarr", "x.geojson"])
def test_cancelling(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(NullProgress):
        def advance(self, steps: int = 1, message: str | None = None) -> None:
            raise JobCancelled

    monkeypatch.setattr("studio.cellseg.imports.polygons._CHARS_PER_STEP", 10)
    if name == "x.geojson":
        (tmp_path / name).write_text(json.dumps(STRUCTURES["QuPath's collection"][0], indent=400))
        monkeypatch.setattr("studio.cellseg.imports.jsonstream.PIECE", 50)
    elif name == "x.zarr":
        zarr.create_array(tmp_path / name, data=LABELS)
    else:
        write_labels(tmp_path / name, LABELS, "npy" if name == "x.npy" else "tiled tiff")
    with pytest.raises(JobCancelled):
        load_overlay(tmp_path / name, SLIDE, Stop())


def test_names_that_are_surely_cells() -> None:
    for name in ("a.geojson", "a.JSON", "b.geojson.gz", "c.npy", "d.zarr", "slide_masks.tif", "Labels.png"):
        assert is_overlay(Path(name))
    for name in ("a.svs", "slide.tif", "photo.png", "a.zip", "notes.txt"):
        assert not is_overlay(Path(name))
