"""The writer: any order, any thread, the same bytes; a file that others can read."""

from __future__ import annotations

import errno
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg.result import Segmentation
from studio.cellseg.resultwrite import ResultWriter
from studio.errors import JobCancelled
from tests.cellseg.make_cells import place, voronoi_cells
from tests.cellseg.make_zips import read_zip

LABELS = voronoi_cells(1300, 1100, 500)
FLOWS = np.random.default_rng(0).normal(size=(*LABELS.shape, 3)).astype(np.float16) * (LABELS > 0)[..., None]


def writer(path: Path, flows: bool = False, **changes: Any) -> ResultWriter:
    arguments = {
        "shape": LABELS.shape,
        "geometry": place(LABELS),
        "wsi_dim": (2200, 2600),
        "wsi_offset": (10, 20),
        "meta": {"model": {"name": "m"}},
        "workdir": path.parent / f"{path.name}.work",
    } | changes
    return ResultWriter(path, flows=flows, **arguments)


def pieces() -> list[tuple[int, int]]:
    return [(row, col) for row in range(0, 1300, 512) for col in range(0, 1100, 512)]


def test_order_and_threads_make_no_difference(tmp_path: Path) -> None:
    files = []
    for name, order in (("1.zip", pieces()), ("2.zip", pieces()[::-1])):
        target = writer(tmp_path / name, flows=True)

        def put(at: tuple[int, int], target: ResultWriter = target) -> None:
            row, col = at
            target.write_labels(row, col, LABELS[row : row + 512, col : col + 512])
            target.write_flow(row, col, FLOWS[row : row + 512, col : col + 512])

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(put, order))
        files.append(target.finish())
    assert files[0].read_bytes() == files[1].read_bytes()
    with Segmentation.load(files[0]) as loaded:
        np.testing.assert_array_equal(loaded.masks, LABELS)
        np.testing.assert_array_equal(np.asarray(loaded.flows), FLOWS)
        assert loaded.cells == LABELS.max()
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["1.zip", "2.zip"]


def test_columns_given_are_kept_and_the_others_measured(tmp_path: Path) -> None:
    target = writer(tmp_path / "x.zip")
    target.write_labels(0, 0, LABELS)
    cells = int(LABELS.max())
    centroids = np.arange(2.0 * cells).reshape(-1, 2)
    error = np.linspace(0, 1, cells, dtype=np.float32)
    target.write_cells(centroids, {"flow_error": error, "area_um2": error + 7})
    target.finish()
    with Segmentation.load(tmp_path / "x.zip") as loaded:
        np.testing.assert_array_equal(loaded.centroids(), centroids)
        table = loaded.cell_table
        np.testing.assert_array_equal(table["flow_error"], error)
        np.testing.assert_array_equal(table["area_um2"], error + 7)
        measured = Segmentation(LABELS, geometry=place(LABELS)).cell_table
        for name in ("perimeter_um", "major_um", "minor_um", "eccentricity", "bbox"):
            np.testing.assert_array_equal(table[name], measured[name])


def test_a_cell_without_pixels_keeps_its_row(tmp_path: Path) -> None:
    """In masks stored at a lower resolution a small cell may have no pixel."""
    labels = np.zeros((600, 600), np.uint32)
    labels[10:20, 10:20], labels[500:520, 500:520] = 1, 3
    target = writer(tmp_path / "x.zip", shape=labels.shape, geometry=place(labels))
    target.write_labels(0, 0, labels)
    target.write_cells(np.array([(14.5, 14.5), (50.0, 50.0), (509.5, 509.5)]), {})
    target.finish()
    with Segmentation.load(tmp_path / "x.zip") as loaded:
        assert loaded.cells == 3
        assert loaded.cell_table["area_um2"].tolist() == [25, 0, 100]
        assert [len(outline) for outline in loaded.outlines] == [4, 0, 4]
        loaded.calculate_centroids(force=True)
        assert loaded.cells == len(loaded.centroids()) == 3


def test_no_blocks_at_all_is_a_file_without_cells(tmp_path: Path) -> None:
    writer(tmp_path / "x.zip", flows=True).finish()
    with Segmentation.load(tmp_path / "x.zip") as loaded:
        assert loaded.cells == 0
        assert not loaded.masks.any()
        assert loaded.has_flows
        assert not loaded.read_flow(1, 0, 0, 100, 100).any()
    assert not [name for name in read_zip(tmp_path / "x.zip") if name.startswith("masks/0")]


@pytest.mark.parametrize(
    ("at", "shape"), [((100, 0), (512, 512)), ((0, 0), (512, 500)), ((1024, 0), (512, 512)), ((-512, 0), (512, 512))]
)
def test_blocks_off_the_grid_are_refused(at: tuple[int, int], shape: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"grid|outside"):
        writer(tmp_path / "x.zip").write_labels(*at, np.ones(shape, np.uint32))


def test_bad_columns_are_refused(tmp_path: Path) -> None:
    target = writer(tmp_path / "x.zip")
    for columns in ({"../x": np.zeros(1)}, {"a b": np.zeros(1)}, {"id": np.zeros(1)}, {"short": np.zeros(0)}):
        with pytest.raises(ValueError, match="column"):
            target.write_cells(np.zeros((1, 2)), columns)


def test_stopping_at_the_end_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"old")
    target = writer(path)
    target.write_labels(0, 0, LABELS)

    def stop() -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        target.finish(stop)
    assert path.read_bytes() == b"old"
    target.finish()
    with Segmentation.load(path) as loaded:
        assert loaded.cells == LABELS.max()


def test_coarser_levels_that_fail_beside_the_measuring_are_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.zip"
    target = writer(path)
    target.write_labels(0, 0, LABELS)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(target._masks, "build", full)
        with pytest.raises(OSError, match="No space"):
            target.finish()
    assert not path.exists()
    assert target.finish() == path


def test_attributes_follow_the_label_image_format(tmp_path: Path) -> None:
    """OME-NGFF 0.4, multiscales: axes, datasets from fine to coarse, scale before translation; a label is integer."""
    target = writer(tmp_path / "x.zip")
    target.write_labels(0, 0, LABELS)
    target.finish()
    entries = read_zip(tmp_path / "x.zip")
    attributes = json.loads(entries[".zattrs"])
    [image] = attributes["multiscales"]
    assert image["version"] == attributes["image-label"]["version"] == "0.4"
    assert [(axis["name"], axis["type"], axis["unit"]) for axis in image["axes"]] == [
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    assert [dataset["path"] for dataset in image["datasets"]] == ["masks", "pyramid/1", "pyramid/2"]
    for level, dataset in enumerate(image["datasets"]):
        scale, shift = dataset["coordinateTransformations"]
        assert scale == {"type": "scale", "scale": [0.5 * 2**level] * 2}
        assert shift == {"type": "translation", "translation": [5.0, 2.5]}
        array = json.loads(entries[f"{dataset['path']}/.zarray"])
        assert array["dtype"] == "<u4"
        assert array["dimension_separator"] == "/"
        assert array["shape"] == [-(-1300 // 2**level), -(-1100 // 2**level)]
    assert attributes["studio"]["format"] == 1
    assert attributes["studio"]["counts"]["cells"] == LABELS.max()
    for name in (".zgroup", "cells/.zgroup", "pyramid/.zgroup"):
        assert json.loads(entries[name]) == {"zarr_format": 2}
