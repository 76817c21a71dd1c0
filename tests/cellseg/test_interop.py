"""Others read our files, and we read theirs."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore

from studio.cellseg.result import Segmentation
from studio.errors import ResultFileError
from tests.cellseg.make_cells import grid_cells, place, voronoi_cells
from tests.cellseg.make_zips import blosc_array, slideflow_entries, write_zip

GOLDEN = Path(__file__).parent / "data" / "slideflow-masks.zip"
"""Made with zarr 2.18 as Slideflow 3.0.2 saves: 108 disks of radius 9, centroids of all but the last, painted flows."""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = voronoi_cells(1300, 1100, 400)
    path = tmp_path_factory.mktemp("ours") / "a-masks.zip"
    Segmentation(labels, geometry=place(labels), flows=np.ones((*labels.shape, 3), np.float16)).save(path)
    return path


def test_zarr_python_reads_ours_without_our_code(ours: Path) -> None:
    labels = voronoi_cells(1300, 1100, 400)
    with ZipStore(ours, mode="r") as store:
        group = zarr.open_group(store, mode="r")
        assert group.metadata.zarr_format == 2
        np.testing.assert_array_equal(group["masks"][:], labels)
        np.testing.assert_array_equal(group["pyramid/2"][:], labels[::4, ::4])
        assert group["wsi_dim"][:].tolist() == [2200, 2600]
        assert group["wsi_offset"][:].tolist() == [10, 20]
        assert group["centroids"].shape == (labels.max(), 2)
        assert group["cells/area_um2"][:] == pytest.approx(np.bincount(labels.ravel())[1:] * 0.25)
        assert group["flow_field"][700:710, 5].tolist() == [[1.0, 1.0, 1.0]] * 10
        for dataset in group.attrs["multiscales"][0]["datasets"]:  # type: ignore[index,union-attr]
            assert group[dataset["path"]].dtype == np.uint32  # type: ignore[call-overload,index]


def test_slideflows_recipe_reads_ours(ours: Path) -> None:
    """`zarr.load` of Zarr 2 gives the arrays of the root group by name; it needs them to be just that."""
    with ZipStore(ours, mode="r") as store:
        arrays = dict(zarr.open_group(store, mode="r", zarr_format=2).arrays())
        assert set(arrays) == {"masks", "centroids", "wsi_dim", "wsi_offset", "flow_field"}
        masks, centroids = arrays["masks"][:], arrays["centroids"][:]
        assert masks.dtype == np.uint32
        assert masks.max() == len(centroids)
        np.testing.assert_array_equal(masks[tuple(np.round(centroids[200]).astype(int))], 201)
        for array in arrays.values():
            assert array.metadata.compressor is not None  # zstd, which numcodecs 0.11 and later read


def test_ome_zarr_reads_ours(ours: Path) -> None:
    reader = pytest.importorskip("ome_zarr.reader", reason="ome-zarr isn't installed")

    from ome_zarr.io import parse_url

    folder = ours.parent / "unpacked.zarr"
    with zipfile.ZipFile(ours) as archive:
        archive.extractall(folder)
    [node] = list(reader.Reader(parse_url(str(folder)))())
    assert [level.shape for level in node.data] == [(1300, 1100), (650, 550), (325, 275)]


def test_slideflows_own_file() -> None:
    with Segmentation.load(GOLDEN) as loaded:
        assert loaded.cells == 108  # not the 107 it lists
        assert loaded.masks.shape == (400, 500)
        assert loaded.wsi_ratio == 4.0
        assert loaded.wsi_dim == (2000, 1600)
        expected = np.array([np.argwhere(loaded.masks == n).mean(axis=0) for n in range(1, 109)])
        np.testing.assert_allclose(loaded.centroids(), expected)
        assert loaded.flows.dtype == np.uint8
        assert loaded.cellprob is None
        assert loaded.slide is None
        assert loaded.cell_table["area_px2"].tolist() == [253] * 108


def test_slideflows_flow_pictures_become_directions() -> None:
    with Segmentation.load(GOLDEN) as loaded:
        flow = loaded.read_flow(0, 11, 11, 19, 19).astype(float)  # the first cell; its centre is in the middle
        y, x = np.mgrid[-9:10, -9:10]
        away = np.hypot(y, x)
        ring = (away > 2) & (away < 8)
        toward = -(flow[..., 0] * y + flow[..., 1] * x) / np.maximum(away, 1)
        assert (toward[ring] > 0.98).all()
        assert not loaded.read_flow(0, 0, 0, 10, 10).any()


MASKS = grid_cells(900, 1000, seed=3)


@pytest.mark.parametrize("centroids", [False, True])
@pytest.mark.parametrize("placed", [False, True])
def test_slideflow_files_with_parts_missing(centroids: bool, placed: bool, tmp_path: Path) -> None:
    cells = int(MASKS.max())
    entries = slideflow_entries(
        MASKS,
        centroids=np.zeros((cells - 1, 2)) if centroids else None,
        wsi_dim=(4000, 3600) if placed else None,
        wsi_offset=(0, 0) if placed else None,
    )
    with Segmentation.load(write_zip(tmp_path / "s-masks.zip", entries)) as loaded:
        assert loaded.cells == cells == len(loaded.centroids())
        np.testing.assert_array_equal(loaded.masks, MASKS)
        np.testing.assert_array_equal(loaded.read_labels(1, 0, 0, 450, 500), MASKS[::2, ::2])
        assert loaded.wsi_dim == ((4000, 3600) if placed else (1000, 900))
        assert loaded.flows is None
        loaded.save(tmp_path / "ours.zip")
    with Segmentation.load(tmp_path / "ours.zip") as again:
        np.testing.assert_array_equal(again.masks, MASKS)
        assert again.info()["format"] == 1


def test_slideflow_numbers_with_gaps_stay_as_they_are(tmp_path: Path) -> None:
    masks = np.where(MASKS == 5, 0, MASKS * 3)
    path = write_zip(tmp_path / "s.zip", slideflow_entries(masks))
    with Segmentation.load(path) as loaded:
        np.testing.assert_array_equal(loaded.masks, masks)
        np.testing.assert_array_equal(loaded.ids, np.unique(masks)[1:])


def test_a_slideflow_file_without_cells(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "s.zip", slideflow_entries(MASKS * 0, wsi_dim=(10, 10), wsi_offset=(0, 0)))
    with Segmentation.load(path) as loaded:
        assert loaded.cells == 0
        assert loaded.outlines[:] == []


def test_a_zip_without_masks_says_so(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "notes.zip", {"hello.txt": b"no masks here"})
    with pytest.raises(ResultFileError, match=r"notes\.zip holds no masks"):
        Segmentation.load(path)


def test_a_newer_format_says_to_update(ours: Path, tmp_path: Path) -> None:
    entries = blosc_array("masks", MASKS) | {".zattrs": b'{"studio": {"format": 2}}'}
    with pytest.raises(ResultFileError, match="newer Studio"):
        Segmentation.load(write_zip(tmp_path / "new.zip", entries))
