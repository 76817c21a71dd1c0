"""A segmentation in memory and from a file: same cells, same numbers, whatever way they are asked for."""

from __future__ import annotations

import json
import os
import pickle
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import studio.cellseg.scratch
from studio.cellseg.result import Segmentation
from studio.cellseg.resultfile import file_info
from studio.core.jobs import NullProgress
from studio.errors import JobCancelled, ResultFileError, UsageError
from tests.cellseg.make_cells import place, voronoi_cells

META = {
    "slide": {"name": "a", "size": [2000, 1500], "mpp": 0.25, "fingerprint": "f1"},
    "params": {"diam_um": 10.0},
    "diam_um": 10.0,
    "model": {"name": "builtin", "sha256": "00"},
}


def flows_of(labels: np.ndarray) -> np.ndarray:
    flows = np.random.default_rng(2).normal(size=(*labels.shape, 3)).astype(np.float16)
    return flows * (labels > 0)[..., None]


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return voronoi_cells(1100, 1300, 700)


@pytest.fixture
def saved(labels: np.ndarray, tmp_path: Path) -> Path:
    segmentation = Segmentation(labels, flows=flows_of(labels), geometry=place(labels), meta=META)
    return segmentation.save(tmp_path / "a-masks.zip")


def test_a_file_gives_back_what_was_saved(labels: np.ndarray, saved: Path) -> None:
    with Segmentation.load(saved) as loaded:
        assert loaded.cells == labels.max()
        assert loaded.geometry == place(labels)
        assert loaded.wsi_offset == (10, 20)
        assert loaded.wsi_dim == (2600, 2200)
        assert loaded.wsi_ratio == 2.0
        assert loaded.slide == "a"
        assert {k: loaded.meta[k] for k in META} == META
        masks = loaded.masks
        assert type(masks) is np.ndarray
        assert masks.dtype == np.uint32
        np.testing.assert_array_equal(masks, labels)
        np.testing.assert_array_equal(np.asarray(loaded.flows), flows_of(labels))
        np.testing.assert_array_equal(np.asarray(loaded.cellprob), flows_of(labels)[..., 2])
        np.testing.assert_array_equal(loaded.cellprob[5:50, 7], flows_of(labels)[5:50, 7, 2])
        with pytest.raises(ValueError, match="read-only"):
            masks[0, 0] = 1


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), slice(None)),
        (slice(500, 530), slice(1000, 1400)),
        (7, slice(None, None, -3)),
        (slice(1099, 0, -100), -1),
        (Ellipsis, 3),
        (3, 4),
        17,
        slice(2000, 3000),
    ],
)
def test_lazy_labels_index_as_numpy_does(labels: np.ndarray, saved: Path, key: Any) -> None:
    with Segmentation.load(saved) as loaded:
        np.testing.assert_array_equal(loaded.labels[key], labels[key])


def test_lazy_labels_refuse_what_they_cant_do(saved: Path) -> None:
    with Segmentation.load(saved) as loaded:
        for key in ([1, 2], None, (1, 2, 3), "x"):
            with pytest.raises(IndexError):
                loaded.labels[key]
        with pytest.raises(IndexError, match="out of bounds"):
            loaded.labels[99999, 0]


def test_levels_in_file_and_memory_agree(labels: np.ndarray, saved: Path) -> None:
    in_memory = Segmentation(labels, geometry=place(labels), flows=flows_of(labels))
    with Segmentation.load(saved) as loaded:
        assert loaded.level_count == in_memory.level_count == 3
        for level in range(3):
            for window in ((0, 0, 600, 700), (100, -3, 40, 900), (200, 250, 500, 500)):
                np.testing.assert_array_equal(loaded.read_labels(level, *window), in_memory.read_labels(level, *window))
                np.testing.assert_array_equal(loaded.read_flow(level, *window), in_memory.read_flow(level, *window))


def test_centroids_and_table_are_right(labels: np.ndarray, saved: Path) -> None:
    expected = np.array([np.argwhere(labels == n).mean(axis=0) for n in range(1, labels.max() + 1)])
    area = np.bincount(labels.ravel())[1:] * 0.25
    for segmentation in (Segmentation.load(saved), Segmentation(labels, geometry=place(labels))):
        np.testing.assert_allclose(segmentation.centroids(), expected)
        table = segmentation.cell_table
        assert table.rows == labels.max()
        np.testing.assert_array_equal(table["id"], np.arange(1, labels.max() + 1))
        np.testing.assert_allclose(table["x"], 11 + 2 * expected[:, 1])
        np.testing.assert_allclose(table["y_um"], (21 + 2 * expected[:, 0]) * 0.25)
        np.testing.assert_allclose(table["area_um2"], area, rtol=1e-6)
        for n in (0, 17, 300):
            where = np.argwhere(labels == n + 1)
            assert table["bbox"][n].tolist() == [*where.min(axis=0), *(where.max(axis=0) + 1)]
        assert set(table.flat()) >= {"bbox_top", "bbox_right", "eccentricity"}
        segmentation.close()


def test_shape_measures_of_a_disk_and_an_ellipse() -> None:
    y, x = np.mgrid[:400, :400]
    labels = np.zeros((400, 400), np.uint32)
    labels[(y - 100) ** 2 + (x - 100) ** 2 <= 60**2] = 1
    labels[((y - 300) / 30) ** 2 + ((x - 200) / 90) ** 2 <= 1] = 2
    table = Segmentation(labels).cell_table
    assert table["area_px2"] == pytest.approx([np.pi * 3600, np.pi * 2700], rel=0.01)
    assert table["perimeter_px"][0] == pytest.approx(2 * np.pi * 60, rel=0.02)
    assert table["major_px"] == pytest.approx([120, 180], rel=0.01)
    assert table["minor_px"] == pytest.approx([120, 60], rel=0.01)
    assert table["eccentricity"][0] < 0.1
    assert table["eccentricity"][1] == pytest.approx(np.sqrt(1 - 1 / 9), rel=0.01)


def test_measures_dont_depend_on_the_windows(labels: np.ndarray) -> None:
    from studio.cellseg.measure import measure_labels
    from studio.cellseg.memory import ArraySource

    read = ArraySource(labels, place(labels)).read_labels
    whole, pieces = (measure_labels(read, labels.shape, side=side) for side in (4096, 97))
    for name in ("ids", "centroids", "bbox", "area", "perimeter", "major", "minor"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name), err_msg=name)


@pytest.mark.parametrize("cells", [0, 1])
def test_no_cell_and_one_cell(cells: int, tmp_path: Path) -> None:
    masks = np.zeros((40, 50), np.uint32)
    masks[10:20, 30:36] = cells
    for segmentation in (
        Segmentation(masks, wsi_dim=(100, 80)),
        Segmentation.load(Segmentation(masks, wsi_dim=(100, 80)).save(tmp_path / "few.zip")),
    ):
        assert segmentation.cells == len(segmentation.ids) == len(segmentation.centroids()) == cells
        assert segmentation.centroids(wsi_dim=True).shape == (cells, 2)
        assert len(segmentation.outlines) == cells
        assert all(len(column) == cells for column in segmentation.cell_table.values())
        assert segmentation.mask_to_image(centroid=True).any() == bool(cells)
        assert segmentation.outline_to_image().any() == bool(cells)
        np.testing.assert_array_equal(segmentation.masks, masks)
        segmentation.apply_rois(1.0, [np.array([(0, 0), (10, 0), (10, 10)])])
        assert segmentation.cells == 0
        segmentation.close()


def test_numbers_with_gaps_are_kept_in_memory_and_closed_in_the_file(tmp_path: Path) -> None:
    masks = np.zeros((700, 700), np.uint32)
    masks[10:20, 10:20], masks[600:640, 600:640], masks[300, 300] = 4_000_000_000, 7, 500
    segmentation = Segmentation(masks)
    assert segmentation.ids.tolist() == [7, 500, 4_000_000_000]
    assert segmentation.centroids()[2].tolist() == [14.5, 14.5]
    loaded = Segmentation.load(segmentation.save(tmp_path / "gaps.zip"))
    assert np.unique(loaded.masks).tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(loaded.masks == 3, masks == 4_000_000_000)
    np.testing.assert_allclose(loaded.centroids(), segmentation.centroids())


def test_save_without_centroids_and_flows(labels: np.ndarray, saved: Path, tmp_path: Path) -> None:
    with Segmentation.load(saved) as loaded:
        loaded.save(tmp_path / "bare.zip", centroids=False, flows=False)
        expected = loaded.centroids()
    with Segmentation.load(tmp_path / "bare.zip") as bare:
        assert bare.file is not None
        assert not bare.file.has_centroids
        assert not bare.has_flows
        assert bare.flows is None
        assert bare.cellprob is None
        assert bare.cells == labels.max()
        np.testing.assert_allclose(bare.centroids(), expected)
        np.testing.assert_array_equal(bare.masks, labels)


def test_saving_unchanged_copies_and_saving_again_gives_the_same_bytes(
    labels: np.ndarray, saved: Path, tmp_path: Path
) -> None:
    with Segmentation.load(saved) as loaded:
        loaded.save(tmp_path / "copy.zip")
        loaded.save(saved)
    again = Segmentation(labels, flows=flows_of(labels), geometry=place(labels), meta=META)
    again.save(tmp_path / "again.zip")
    assert (tmp_path / "copy.zip").read_bytes() == saved.read_bytes() == (tmp_path / "again.zip").read_bytes()


def test_a_failed_save_leaves_the_old_file(labels: np.ndarray, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()
    segmentation = Segmentation(labels, geometry=place(labels))

    class Stop(NullProgress):
        calls = 0

        def advance(self, steps: int = 1, message: str | None = None) -> None:
            self.calls += 1
            if self.calls == 3:
                raise JobCancelled

    with pytest.raises(JobCancelled):
        segmentation.save(saved, progress=Stop())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultFileError, match="No space left"):
        segmentation.save(saved)
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_places_that_cant_be_written_are_said(labels: np.ndarray, tmp_path: Path) -> None:
    segmentation = Segmentation(labels[:50, :50])
    with pytest.raises(ResultFileError, match="doesn't exist"):
        segmentation.save(tmp_path / "missing" / "x.zip")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(ResultFileError, match="is a folder"):
        segmentation.save(tmp_path / "folder.zip")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.zip"]


def test_regions_of_interest(labels: np.ndarray, saved: Path, tmp_path: Path) -> None:
    # A square with slide pixels 10 + 2 * 200 to 10 + 2 * 600 in x, given at a tenth of the slide's resolution.
    square = np.array([(410, 420), (1210, 420), (1210, 1220), (410, 1220)]) / 10
    with Segmentation.load(saved) as loaded:
        centroids, areas = loaded.centroids(), loaded.cell_table["area_um2"]
        wanted = ((centroids >= 199.5) & (centroids < 599.5)).all(axis=1)
        loaded.apply_rois(10, [square])
        assert loaded.cells == wanted.sum() > 20
        np.testing.assert_array_equal(loaded.ids, np.flatnonzero(wanted) + 1)
        np.testing.assert_array_equal(loaded.centroids(), centroids[wanted])
        np.testing.assert_array_equal(loaded.cell_table["area_um2"], areas[wanted])
        kept = np.where(np.isin(labels, loaded.ids), labels, 0)
        np.testing.assert_array_equal(loaded.masks, kept)
        np.testing.assert_array_equal(loaded.labels[100:700:7, 300], kept[100:700:7, 300])
        np.testing.assert_array_equal(loaded.read_labels(1, 0, 0, 550, 650), kept[::2, ::2])
        assert len(loaded.outlines) == loaded.cells
        loaded.apply_rois(10, [square[:3]])
        assert 0 < loaded.cells < wanted.sum()
        assert set(loaded.ids) < set(np.flatnonzero(wanted) + 1)
        loaded.save(tmp_path / "rois.zip")
        with Segmentation.load(tmp_path / "rois.zip") as smaller:
            np.testing.assert_array_equal(smaller.masks > 0, loaded.masks > 0)
            assert smaller.cells == smaller.masks.max() == loaded.cells
            np.testing.assert_array_equal(smaller.cell_table["area_um2"], loaded.cell_table["area_um2"])


def test_rois_with_holes_and_parts() -> None:
    def ring(low: float, high: float) -> Any:
        return SimpleNamespace(coords=[(low, low), (high, low), (high, high), (low, high), (low, low)])

    frame = SimpleNamespace(exterior=ring(0, 100), interiors=[ring(40, 60)])
    labels = np.zeros((100, 100), np.uint32)
    labels[10, 10], labels[50, 50], labels[90, 90] = 1, 2, 3
    segmentation = Segmentation(labels)
    segmentation.apply_rois(1, [SimpleNamespace(geoms=[frame])])
    assert segmentation.ids.tolist() == [1, 3]
    with pytest.raises(UsageError, match="three points"):
        segmentation.apply_rois(1, [np.zeros((2, 2))])


def test_masks_too_large_for_memory_go_to_a_scratch_file(
    labels: np.ndarray, saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(studio.cellseg.scratch, "HEAP_BYTES", 1 << 20)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with Segmentation.load(saved) as loaded:
        masks = loaded.masks
        assert isinstance(masks, np.memmap)
        np.testing.assert_array_equal(masks, labels)
        assert sorted(p.name for p in tmp_path.iterdir()) == [saved.name]
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with Segmentation.load(saved) as loaded, pytest.raises(ResultFileError, match=r"`labels`.*read_region.*TMPDIR"):
        loaded.masks  # noqa: B018


def test_reads_from_many_threads_agree(labels: np.ndarray, saved: Path) -> None:
    wrong: list[object] = []
    with Segmentation.load(saved) as loaded:

        def work(seed: int) -> None:
            rng = np.random.default_rng(seed)
            for _ in range(50):
                row, col = rng.integers(0, 1000, 2)
                read = loaded.read_labels(0, row, col, 90, 200)
                part = labels[row : row + 90, col : col + 200]
                if not np.array_equal(read[: part.shape[0], : part.shape[1]], part):
                    wrong.append((row, col))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_reads_after_close_raise(saved: Path) -> None:
    loaded = Segmentation.load(saved)
    loaded.close()
    with pytest.raises(ResultFileError, match="closed"):
        loaded.read_labels(0, 0, 0, 600, 600)


def test_pictures(labels: np.ndarray, saved: Path) -> None:
    with Segmentation.load(saved) as loaded:
        mask = loaded.mask_to_image()
        assert (mask[labels > 0] == (0, 255, 255)).all()
        assert not mask[labels == 0].any()
        outline = loaded.outline_to_image(color="#ff8000")
        on = outline.any(axis=-1)
        assert (outline[on] == (255, 128, 0)).all()
        assert on.sum() < (labels > 0).sum()
        assert not on[labels == 0].any()
        assert (labels[1:] != labels[:-1])[on[:-1] & (labels[:-1] > 0) & ~on[1:]].mean() > 0
        dots = loaded.centroid_to_image("white")
        at = np.round(loaded.centroids()).astype(int)
        assert (dots[at[:, 0], at[:, 1]] == 255).all()
        with pytest.raises(UsageError, match="colour"):
            loaded.mask_to_image(color="no such colour")


def test_tiles_around_centroids(sample_slide: Path) -> None:
    from studio.slide import open_slide

    labels = np.zeros((30, 22), np.uint32)
    labels[0, 0], labels[15, 10] = 1, 2
    with open_slide(sample_slide) as slide:
        segmentation = Segmentation(labels, slide=slide)
        assert segmentation.slide == slide.name
        first, second = segmentation.extract_centroids(slide, tile_px=64)
        x, y = segmentation.centroids(wsi_dim=True)[1]
        assert (x, y) == pytest.approx((10.5 / 22 * slide.size[0], 15.5 / 30 * slide.size[1]))
        np.testing.assert_array_equal(second, slide.read_level(0, round(x - 32), round(y - 32), 64, 64))
        assert first.shape == (64, 64, 3)
    assert len(list(segmentation.extract_centroids(sample_slide, 16))) == 2


def slide_like(**changes: Any) -> Any:
    return SimpleNamespace(**({"name": "a", "size": (2000, 1500), "mpp": 0.25, "fingerprint": "f1"} | changes))


def test_the_right_slide(labels: np.ndarray) -> None:
    small = labels[:600, :900]
    segmentation = Segmentation(small, geometry=place(small), meta=META)
    assert segmentation.mismatch(slide_like()) is None
    assert segmentation.mismatch(slide_like(name="renamed copy")) is None
    other = segmentation.mismatch(slide_like(name="b", size=(900, 800), mpp=0.5, fingerprint="f2"))
    assert other is not None
    for words in ("made from a", "2,000 × 1,500", "900 × 800", "0.25 µm", "0.5"):
        assert words in other
    changed = segmentation.mismatch(slide_like(fingerprint="f2"))
    assert changed is not None
    assert "content" in changed


def test_a_result_that_knows_no_slide_is_judged_by_its_extent(labels: np.ndarray) -> None:
    small = labels[:600, :900]
    segmentation = Segmentation(small, geometry=place(small))
    assert segmentation.mismatch(slide_like()) is None
    too_small = segmentation.mismatch(slide_like(size=(1000, 1500)))
    assert too_small is not None
    assert "1,000 × 1,500" in too_small
    unplaced = Segmentation(small)
    assert unplaced.mismatch(slide_like(size=(900, 600))) is None
    assert "doesn't say where" in str(unplaced.mismatch(slide_like()))


@pytest.mark.parametrize(
    "masks",
    [np.zeros((3, 3), np.float32), np.zeros(5, np.uint32), np.zeros((0, 4), np.uint32), np.full((2, 2), -1), "masks"],
)
def test_what_is_no_mask_is_refused(masks: Any) -> None:
    with pytest.raises(UsageError, match="Masks"):
        Segmentation(masks)


def test_info_says_what_is_there(saved: Path, labels: np.ndarray) -> None:
    info = file_info(saved)
    assert info["kind"] == "segmentation"
    assert info["cells"] == labels.max()
    assert info["shape"] == [1100, 1300]
    assert (info["wsi_dim"], info["wsi_offset"]) == ([2600, 2200], [10, 20])
    assert (info["mpp"], info["model"], info["diam_um"]) == (0.5, "builtin", 10.0)
    assert info["slide"] == META["slide"]
    assert info["format"] == 1
    assert info["bytes"] == saved.stat().st_size
    assert info["flows"] is True
    assert "area_um2" in info["columns"]
    assert info["params"] == META["params"]


def test_cells_are_a_number_and_a_table(labels: np.ndarray, saved: Path) -> None:
    with Segmentation.load(saved) as loaded:
        cells = loaded.cells
        assert cells == labels.max()
        assert f"{cells:,}" == f"{labels.max():,}"
        assert (np.zeros(cells).shape, np.arange(cells)[-1]) == ((cells,), cells - 1)
        assert json.loads(json.dumps(cells)) == cells
        assert type(pickle.loads(pickle.dumps(cells))) is int
        np.testing.assert_array_equal(cells["area_um2"], loaded.cell_table["area_um2"])
        assert {"id", "x", "y_um", "perimeter_um", "eccentricity", "bbox"} <= set(cells.keys())
        assert "bbox" in cells
        with pytest.raises(KeyError):
            cells["no such column"]
        with pytest.raises(TypeError, match="name of a column"):
            cells[0]
        assert len(cells.to_pandas()) == cells
