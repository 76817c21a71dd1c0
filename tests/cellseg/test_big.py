"""A million cells open as if they were ten: what is read and held doesn't grow with the slide."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from studio.cellseg.result import Segmentation
from studio.cellseg.zipread import ZipReader
from tests.cellseg.big_file import PITCH, write_big

FIRST_LIGHT = """
import json, sys
from studio.cellseg.result import Segmentation
from studio.cellseg.zipread import ZipReader

read = []
original = ZipReader.read
def counted(self, name, limit):
    data = original(self, name, limit)
    read.append(len(data))
    return data
ZipReader.read = counted

loaded = Segmentation.load(sys.argv[1])
rows, cols = loaded.geometry.shape
overview = loaded.read_labels(loaded.level_count - 1, 0, 0, 512, 512)
view = loaded.read_labels(0, rows // 2 - 1080, cols // 2 - 1920, 1080, 1920)
status = open("/proc/self/status").read()
peak_kb = int(status.split("VmHWM:")[1].split()[0])
print(json.dumps({
    "cells": loaded.cells, "entries": len(read), "bytes": sum(read), "peak_mb": peak_kb / 1024,
    "overview": int(overview.any()), "view": int(view.max()),
}))
"""


def first_light(path: Path) -> dict[str, int]:
    """Open a file in a process of its own and read an overview and a screenful of it."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is measured through /proc")
    result = subprocess.run([sys.executable, "-c", FIRST_LIGHT, path], capture_output=True, text=True, check=True)
    values: dict[str, int] = json.loads(result.stdout)
    return values


def test_little_is_read_for_the_first_light(tmp_path: Path) -> None:
    cells = write_big(tmp_path / "middle.zip", 9000, 8000)
    seen = first_light(tmp_path / "middle.zip")
    assert seen["cells"] == cells == 140 * 124
    assert seen["overview"]
    assert seen["view"]
    # Attributes, descriptions, a 4 x 5 patch of chunks for the view and one for the overview.
    assert seen["entries"] < 50
    assert seen["bytes"] < 2_000_000
    assert seen["peak_mb"] < 200


@pytest.mark.slow
def test_a_million_cells(tmp_path: Path) -> None:
    """75,000 x 60,000 pixels, a quarter of it dense tissue: the same few chunks are read, in the same memory."""
    path = tmp_path / "large.zip"
    pitch = PITCH // 2
    cells = write_big(path, 75_000, 60_000, measure=False, pitch=pitch, tissue=0.5)
    assert cells > 1_000_000
    seen = first_light(path)
    assert seen["cells"] == cells
    assert seen["entries"] < 60
    assert seen["bytes"] < 3_000_000
    assert seen["peak_mb"] < 300
    with Segmentation.load(path) as loaded:
        assert loaded.centroids(wsi_dim=True).shape == (cells, 2)
        number = 700 * 937 + 400
        row, col = (701 * pitch, 400 * pitch)
        assert loaded.labels[row, col] == number
        np.testing.assert_array_equal(loaded.centroids()[number - 1], (row, col))


def test_opening_takes_the_directory_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_big(tmp_path / "x.zip", 3000, 3000)
    reads: list[int] = []
    original = ZipReader._pread

    def counted(self: ZipReader, offset: int, count: int) -> bytes:
        reads.append(count)
        return original(self, offset, count)

    monkeypatch.setattr(ZipReader, "_pread", counted)
    with Segmentation.load(tmp_path / "x.zip") as loaded:
        assert loaded.cells > 1000
        assert len(reads) < 60
        assert sum(reads) < 200_000
