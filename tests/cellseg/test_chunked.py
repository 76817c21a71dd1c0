"""Lazy arrays: only what is asked for is read, and coarser levels are made where a file has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.cellseg.chunked import ChunkedArray, Subsampled, check_eager, new_cache
from studio.cellseg.zipread import ZipReader
from studio.errors import ResultFileError
from tests.cellseg.make_cells import voronoi_cells
from tests.cellseg.make_zips import blosc_array, write_zip, zarray


class Counting(ZipReader):
    """Notes what is read."""

    def __init__(self, path: Path) -> None:
        self.reads: list[str] = []
        super().__init__(path)

    def read(self, name: str, limit: int) -> bytes:
        self.reads.append(name)
        return super().read(name, limit)


@pytest.fixture
def labels() -> np.ndarray:
    labels = voronoi_cells(700, 900, 150)
    labels[:300, :300] = 0
    return labels


@pytest.fixture
def archive(labels: np.ndarray, tmp_path: Path) -> Counting:
    return Counting(write_zip(tmp_path / "x.zip", blosc_array("masks", labels, 100)))


def test_a_window_reads_its_chunks_once(archive: Counting, labels: np.ndarray) -> None:
    array = ChunkedArray(archive, "masks", new_cache())
    assert archive.reads == ["masks/.zarray"]
    for _ in range(2):
        np.testing.assert_array_equal(array[350:420, 560:610], labels[350:420, 560:610])
    assert sorted(archive.reads[1:]) == ["masks/3.5", "masks/3.6", "masks/4.5", "masks/4.6"]
    assert array.nbytes == labels.nbytes
    np.testing.assert_array_equal(np.asarray(array), labels)


def test_empty_chunks_are_known_without_reading(archive: Counting, labels: np.ndarray) -> None:
    array = ChunkedArray(archive, "masks", new_cache())
    assert not array.occupied(0, 0, 300, 300)
    assert array.occupied(0, 0, 301, 300)
    assert not array.occupied(-50, -50, 20, 20)
    assert not array.read(10, 10, 200, 200).any()
    assert archive.reads == ["masks/.zarray"]
    total = sum(int(chunk.astype(np.int64).sum()) for _, chunk in array.stored_chunks())
    assert total == int(labels.astype(np.int64).sum())


def test_coarser_levels_are_every_second_pixel(archive: Counting, labels: np.ndarray) -> None:
    level = Subsampled(Subsampled(ChunkedArray(archive, "masks", new_cache())))
    assert level.shape == (175, 225)
    np.testing.assert_array_equal(level.read(-3, 10, 200, 230)[3:178, :215], labels[::4, ::4][:, 10:])
    reads = len(archive.reads)
    level.read(0, 0, 175, 225)
    assert len(archive.reads) == reads
    assert not level.occupied(0, 0, 75, 75)


def test_signed_labels_become_unsigned_unless_they_are_none(tmp_path: Path) -> None:
    good, bad = np.array([[0, 5]], "<i8"), np.array([[0, -5]], "<i8")
    for values in (good, bad):
        archive = ZipReader(write_zip(tmp_path / "x.zip", blosc_array("masks", values)))
        array = ChunkedArray(archive, "masks", new_cache(), dtype=np.uint32)
        if values is good:
            assert array[0].tolist() == [0, 5]
        else:
            with pytest.raises(ResultFileError, match="no cell numbers"):
                array[0]


def test_a_table_must_have_about_as_much_data_as_it_says(tmp_path: Path) -> None:
    claim = {"t/.zarray": zarray((100_000_000,), (1_000_000,), "<f8"), "t/0": bytes(8_000_000)}
    archive = ZipReader(write_zip(tmp_path / "x.zip", claim))
    with pytest.raises(ResultFileError, match="parts are missing"):
        check_eager(archive, ChunkedArray(archive, "t", new_cache()))
