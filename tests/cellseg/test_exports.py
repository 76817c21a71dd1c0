"""Exports: other programs' readers find the same cells; nothing half-written is left."""

from __future__ import annotations

import csv
import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.cellseg.exports import KINDS, export, kind_for
from studio.cellseg.exports.jsontext import _number
from studio.cellseg.memory import ArraySource
from studio.cellseg.result import Segmentation
from studio.core.jobs import NullProgress
from studio.errors import JobCancelled, ResultFileError, UsageError
from tests.cellseg.make_cells import place, voronoi_cells

LABELS = voronoi_cells(1200, 900, 500)
META = {"slide": {"name": "a", "size": [2000, 3000], "mpp": 0.25}, "diam_um": 9.0}


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("masks") / "a-masks.zip"
    return Segmentation(LABELS, geometry=place(LABELS), meta=META).save(path)


@pytest.fixture
def cells(masks: Path) -> Any:
    with Segmentation.load(masks) as loaded:
        yield loaded


def test_every_kind_is_written_whole_and_reports_its_steps(masks: Path, tmp_path: Path) -> None:
    class Steps(NullProgress):
        total = done = 0

        def start(self, total: int, message: str = "", done: int = 0) -> None:
            assert total >= 1
            assert message
            self.total, self.done = total, 0

        def advance(self, steps: int = 1, message: str | None = None) -> None:
            self.done += steps

    for kind in KINDS.values():
        steps = Steps()
        out = export(masks, kind.name, tmp_path / f"out{kind.suffixes[0]}", steps)
        assert out.exists()
        assert steps.done == steps.total
        assert out.is_dir() == kind.folder
    assert len(list(tmp_path.iterdir())) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_without_cells(kind: str, tmp_path: Path) -> None:
    none = Segmentation(np.zeros((60, 70), np.uint32), wsi_dim=(140, 120))
    assert export(none, kind, tmp_path / f"none{KINDS[kind].suffixes[0]}").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_cancelling_leaves_what_was_there(kind: str, masks: Path, tmp_path: Path) -> None:
    class Stop(NullProgress):
        def advance(self, steps: int = 1, message: str | None = None) -> None:
            raise JobCancelled

    out = tmp_path / f"out{KINDS[kind].suffixes[0]}"
    with pytest.raises(JobCancelled):
        export(masks, kind, out, Stop())
    assert list(tmp_path.iterdir()) == []
    if KINDS[kind].folder:
        out.mkdir()
        (out / "zarr.json").write_text("old")
    else:
        out.write_text("old")
    with pytest.raises(JobCancelled):
        export(masks, kind, out, Stop(), overwrite=True)
    assert (out / "zarr.json" if KINDS[kind].folder else out).read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [out.name]
    export(masks, kind, out, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_a_preview_is_exported_as_well(cells: Segmentation, tmp_path: Path) -> None:
    preview = ArraySource(LABELS, place(LABELS))
    export(preview, "geojson", tmp_path / "preview.geojson")
    assert (tmp_path / "preview.geojson").read_bytes() == export(
        cells, "geojson", tmp_path / "file.geojson"
    ).read_bytes()


def test_targets_that_cant_be(masks: Path, tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "full.zarr").mkdir()
    (tmp_path / "full.zarr" / "thesis.doc").write_text("mine")
    for kind, name, overwrite, said in (
        ("csv", "there.csv", False, "exists already"),
        ("csv", "folder.csv", True, "is a folder"),
        ("ome-zarr", "full.zarr", True, "other things"),
        ("docx", "x.docx", False, "no export format"),
    ):
        with pytest.raises(UsageError, match=said):
            export(masks, kind, tmp_path / name, overwrite=overwrite)
    with pytest.raises(ResultFileError, match="doesn't exist"):
        export(masks, "csv", tmp_path / "missing" / "x.csv")
    with pytest.raises(UsageError, match="the cells come from"):
        export(masks, "imagej-roi", masks, overwrite=True)
    with pytest.raises(UsageError, match="written whole"):
        export(masks, "tiff", tmp_path / "x.tif", rect_slide=(0, 0, 10, 10))
    with pytest.raises(UsageError, match="beside the masks"):
        export(masks, "csv", tmp_path / "x.csv", rect_slide=(5000, 0, 10, 10))
    assert (tmp_path / "full.zarr" / "thesis.doc").read_text() == "mine"
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_the_name_says_the_format() -> None:
    names = {"a.geojson": "geojson", "a.JSON.gz": "geojson", "b.csv.gz": "csv", "x.ome.zarr": "ome-zarr"}
    names |= {"x.ome.tif": "tiff", "a_seg.npy": "seg-npy", "a.h5ad": "h5ad", "t.parquet": "parquet"}
    for name, kind in names.items():
        found = kind_for(Path(name))
        assert found is not None
        assert found.name == kind
    assert kind_for(Path("a.zip")) is None
    assert kind_for(Path("a.xlsx")) is None


def read_features(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    collection = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    assert collection["type"] == "FeatureCollection"
    features: list[dict[str, Any]] = collection["features"]
    return features


def polygons_of(feature: dict[str, Any]) -> list[list[Any]]:
    geometry = feature["geometry"]
    return geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]


def test_geojson_is_what_qupath_reads(cells: Segmentation, tmp_path: Path) -> None:
    shapely = pytest.importorskip("shapely")
    features = read_features(export(cells, "geojson", tmp_path / "x.geojson"))
    assert len(features) == cells.cells
    table = cells.cell_table
    kinds = set()
    for feature in features:
        assert feature["type"] == "Feature"
        assert set(feature) == {"type", "geometry", "properties"}
        assert feature["properties"]["objectType"] == "detection"
        values = feature["properties"]["measurements"]
        row = values["Cell ID"] - 1
        assert values["Area µm^2"] == pytest.approx(float(table["area_um2"][row]), abs=1e-4)
        assert values["Eccentricity"] == pytest.approx(float(table["eccentricity"][row]), abs=1e-4)
        kinds.add(feature["geometry"]["type"])
        for polygon in polygons_of(feature):
            for ring in polygon:
                assert ring[0] == ring[-1]
                assert len(ring) >= 4
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert shape.is_valid, shapely.is_valid_reason(shape)
        # 0.5 µm a mask pixel, which is 2 slide pixels; cut corners take a little.
        assert shape.area / 16 == pytest.approx(float(table["area_um2"][row]), rel=0.01, abs=0.1)
        box = np.array(table["bbox"][row])
        expected = [10 + 2 * box[1], 20 + 2 * box[0], 10 + 2 * box[3], 20 + 2 * box[2]]
        np.testing.assert_allclose(shape.bounds, expected, atol=0.51)
    assert kinds == {"Polygon", "MultiPolygon"}


def test_geojson_packed_is_the_same_and_reproducible(cells: Segmentation, tmp_path: Path) -> None:
    plain = export(cells, "geojson", tmp_path / "x.geojson").read_bytes()
    packed = export(cells, "geojson", tmp_path / "x.geojson.gz").read_bytes()
    assert gzip.decompress(packed) == plain
    assert export(cells, "geojson", tmp_path / "y.geojson.gz").read_bytes() == packed


def test_geojson_of_a_region(cells: Segmentation, tmp_path: Path) -> None:
    features = read_features(export(cells, "geojson", tmp_path / "x.geojson", rect_slide=(410, 420, 600, 800)))
    points = cells.centroids()
    inside = ((points >= (199.5, 199.5)) & (points < (599.5, 499.5))).all(axis=1)
    assert sorted(f["properties"]["measurements"]["Cell ID"] for f in features) == (np.flatnonzero(inside) + 1).tolist()


def test_geojson_of_a_slide_of_unknown_pixel_size(tmp_path: Path) -> None:
    labels = np.zeros((40, 40), np.uint32)
    labels[3:9, 4:12] = 1
    [feature] = read_features(export(Segmentation(labels), "geojson", tmp_path / "x.geojson"))
    assert feature["geometry"]["coordinates"] == [[[4, 3], [12, 3], [12, 9], [4, 9], [4, 3]]]
    assert feature["properties"]["measurements"]["Area px^2"] == 48


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e9, 1e9), st.sampled_from([2, 4]))
def test_numbers_are_written_right(value: float, decimals: int) -> None:
    out = np.zeros(40, np.uint8)
    text = bytes(out[: _number(out, 0, value, decimals)]).decode()
    assert json.loads(text) == pytest.approx(value, abs=0.51 * 10**-decimals)
    assert not (("." in text) and text.endswith("0"))
    assert text != "-0"


def test_values_that_arent_known_are_left_out(tmp_path: Path) -> None:
    from studio.cellseg.resultwrite import ResultWriter

    labels = np.zeros((20, 20), np.uint32)
    labels[2:5, 2:5], labels[9:12, 9:12] = 1, 2
    writer = ResultWriter(
        tmp_path / "x.zip", shape=labels.shape, geometry=place(labels), wsi_dim=(40, 40), wsi_offset=(10, 20),
        meta={}, workdir=tmp_path / "work", flows=False,
    )  # fmt: skip
    writer.write_labels(0, 0, labels)
    writer.write_cells(np.array([(3.0, 3.0), (10.0, 10.0)]), {"flow_error": np.array([np.nan, 0.25], np.float32)})
    writer.finish()
    first, second = read_features(export(tmp_path / "x.zip", "geojson", tmp_path / "x.geojson"))
    assert "Flow error" not in first["properties"]["measurements"]
    assert second["properties"]["measurements"]["Flow error"] == 0.25
    lines = export(tmp_path / "x.zip", "csv", tmp_path / "x.csv").read_text().splitlines()
    column = lines[0].split(",").index("flow_error")
    assert [line.split(",")[column] for line in lines[1:]] == ["", "0.25"]


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_csv(cells: Segmentation, name: str, tmp_path: Path) -> None:
    data = export(cells, "csv", tmp_path / name).read_bytes()
    rows = list(csv.DictReader((gzip.decompress(data) if name.endswith("gz") else data).decode().splitlines()))
    flat = cells.cell_table.flat()
    assert list(rows[0]) == list(flat)
    assert len(rows) == cells.cells
    for column, values in flat.items():
        np.testing.assert_allclose([float(row[column]) for row in rows], values, rtol=1e-7)


def test_tables_of_a_region(cells: Segmentation, tmp_path: Path) -> None:
    text = export(cells, "csv", tmp_path / "x.csv", rect_slide=(410, 420, 600, 800)).read_text()
    points = cells.centroids()
    inside = ((points >= (199.5, 199.5)) & (points < (599.5, 499.5))).all(axis=1)
    assert len(text.splitlines()) - 1 == inside.sum()


def test_parquet(cells: Segmentation, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(export(cells, "parquet", tmp_path / "x.parquet"))
    for name, values in cells.cell_table.flat().items():
        np.testing.assert_array_equal(table[name].to_numpy(), values)
    assert json.loads(table.schema.metadata[b"studio"])["slide"]["name"] == "a"


def test_anndata(cells: Segmentation, tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    data = anndata.read_h5ad(export(cells, "h5ad", tmp_path / "x.h5ad"))
    assert data.shape[0] == cells.cells
    np.testing.assert_array_equal(data[:, "area_um2"].X.ravel(), cells.cell_table["area_um2"])
    np.testing.assert_allclose(data.obsm["spatial"], cells.centroids(wsi_dim=True))
    np.testing.assert_array_equal(data.obs["id"], cells.ids)
    assert data.uns["mpp"] == 0.25
    assert json.loads(data.uns["studio"])["diam_um"] == 9.0


@pytest.mark.parametrize("kind", ["parquet", "h5ad"])
def test_a_missing_package_says_how_to_install_it(
    kind: str, masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "anndata"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(UsageError, match=r'pip install "studio-wsi\[export\]"'):
        export(masks, kind, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_pandas(cells: Segmentation) -> None:
    pytest.importorskip("pandas")
    frame = cells.cell_table.to_pandas()
    assert frame.index.name == "id"
    assert frame.loc[17, "area_um2"] == cells.cell_table["area_um2"][16]


def test_ome_zarr(cells: Segmentation, tmp_path: Path) -> None:
    import zarr

    out = export(cells, "ome-zarr", tmp_path / "x.ome.zarr")
    group = zarr.open_group(out, mode="r")
    [image] = group.attrs["ome"]["multiscales"]  # type: ignore[index,misc,call-overload]
    for level, dataset in enumerate(image["datasets"]):
        array = group[dataset["path"]]
        np.testing.assert_array_equal(array[:], LABELS[:: 2**level, :: 2**level])
        scale, shift = dataset["coordinateTransformations"]
        assert scale == {"type": "scale", "scale": [0.5 * 2**level] * 2}
        assert shift == {"type": "translation", "translation": [5.0, 2.5]}
    assert group.metadata.zarr_format == 3
    assert len(image["datasets"]) == cells.level_count


def test_ome_zarr_as_its_own_tools_see_it(cells: Segmentation, tmp_path: Path) -> None:
    reader = pytest.importorskip("ome_zarr.reader")
    models = pytest.importorskip("ome_zarr_models.v05.image_label")
    import zarr
    from ome_zarr.io import parse_url

    out = export(cells, "ome-zarr", tmp_path / "x.ome.zarr")
    models.ImageLabel.from_zarr(zarr.open_group(out, mode="r"))
    [node] = list(reader.Reader(parse_url(str(out)))())
    assert [level.shape for level in node.data] == [(1200, 900), (600, 450), (300, 225)]
    np.testing.assert_array_equal(np.asarray(node.data[0]), LABELS)


def test_tiff(cells: Segmentation, tmp_path: Path) -> None:
    import tifffile

    with tifffile.TiffFile(export(cells, "tiff", tmp_path / "x.tif")) as file:
        assert file.is_bigtiff
        assert file.is_ome
        assert 'PhysicalSizeX="0.5"' in (file.ome_metadata or "")
        [series] = file.series
        assert len(series.levels) == cells.level_count
        for level, page in enumerate(series.levels):
            assert page.dtype == np.uint32
            np.testing.assert_array_equal(page.asarray(), LABELS[:: 2**level, :: 2**level])
        first = file.pages.first
        assert (first.tilewidth, first.compression.name) == (512, "ADOBE_DEFLATE")
        assert first.get_resolution("MICROMETER")[0] == pytest.approx(2.0)


def test_cellpose_npy(cells: Segmentation, tmp_path: Path) -> None:
    out = export(cells, "seg-npy", tmp_path / "x_seg.npy", rect_slide=(410, 420, 600, 800))
    content = np.load(out, allow_pickle=True).item()
    part = LABELS[200:600, 200:500]
    masks = content["masks"]
    assert masks.dtype == np.uint16
    ids = np.unique(part)[1:]
    np.testing.assert_array_equal(masks, np.searchsorted(ids, part) * (part > 0) + (part > 0))
    outlines = content["outlines"]
    assert (outlines[outlines > 0] == masks[outlines > 0]).all()
    assert 0 < (outlines > 0).sum() < (masks > 0).sum()
    assert len(content["ismanual"]) == masks.max()
    assert content["diameter"] == 18.0
    assert "img" not in content


def test_cellpose_npy_with_its_image(sample_slide: Path, tmp_path: Path) -> None:
    from studio.slide import open_slide

    with open_slide(sample_slide) as slide:
        segmentation = Segmentation(LABELS[:1000, :800], slide=slide, wsi_dim=(1600, 2000), wsi_offset=(100, 200))
        rect = (500.0, 600.0, 400.0, 300.0)
        out = export(segmentation, "seg-npy", tmp_path / "x_seg.npy", slide=slide, rect_slide=rect)
        image = np.load(out, allow_pickle=True).item()["img"]
        assert image.shape == (150, 200, 3)
        np.testing.assert_array_equal(image, slide.read_working(2.0, 300, 250, 150, 200))


def test_imagej_rois(cells: Segmentation, tmp_path: Path) -> None:
    from roifile import roiread

    rect = (410.0, 420.0, 600.0, 800.0)
    out = export(cells, "imagej-roi", tmp_path / "rois.zip", rect_slide=rect)
    rois = roiread(out)
    points = cells.centroids()
    inside = ((points >= (199.5, 199.5)) & (points < (599.5, 499.5))).all(axis=1)
    assert sorted(int(roi.name) for roi in rois) == (np.flatnonzero(inside) + 1).tolist()
    for roi in rois[:20]:
        expected = cells.outlines[int(roi.name) - 1] * 2 + (10 - 410, 20 - 420)
        np.testing.assert_allclose(roi.coordinates(), expected)
    assert zipfile.ZipFile(out).testzip() is None


def test_regions_too_large_for_a_format_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = Segmentation(np.eye(40, dtype=np.uint32), wsi_dim=(40_000, 40_000))
    with pytest.raises(UsageError, match="smaller region"):
        export(far, "imagej-roi", tmp_path / "x.zip")
    monkeypatch.setattr("studio.cellseg.exports.cellposenpy.MOST_PX", 1000)
    with pytest.raises(UsageError, match="--region"):
        export(far, "seg-npy", tmp_path / "x.npy")
    assert list(tmp_path.iterdir()) == []
