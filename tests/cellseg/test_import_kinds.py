"""What files are taken for before they are opened; through the session in tests/session/test_slides.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from studio.cellseg.imports.kinds import Role, role_of


@pytest.mark.parametrize(
    ("name", "role"),
    [("a.zip", Role.RESULT), ("a.csv", Role.REGIONS), ("a.svs", Role.SLIDE), ("a.npy", Role.CELLS)],
)
def test_by_name(tmp_path: Path, name: str, role: Role) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert role_of(tmp_path / name, None) is role


def test_folders(tmp_path: Path) -> None:
    assert role_of(tmp_path, None) is Role.FOLDER
    (tmp_path / ".zgroup").write_text("{}")
    assert role_of(tmp_path, None) is Role.CELLS
    (tmp_path / "labels.zarr").mkdir()
    assert role_of(tmp_path / "labels.zarr", None) is Role.CELLS


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "role"),
    [
        ("nuclei_mask.tif", (60, 80), np.uint32, Role.CELLS),
        ("nuclei_mask.tif", (60, 80, 3), np.uint8, Role.SLIDE),
        ("nuclei_mask.tif", (60, 80), np.float32, Role.SLIDE),
        ("plain.tif", (60, 80), np.uint32, Role.SLIDE),
        ("channels_mask.tif", (4, 60, 80), np.uint16, Role.SLIDE),
    ],
)
def test_tiffs(tmp_path: Path, name: str, shape: tuple[int, ...], dtype: type, role: Role) -> None:
    tifffile.imwrite(tmp_path / name, np.zeros(shape, dtype), photometric="rgb" if shape[-1] == 3 else "minisblack")
    assert role_of(tmp_path / name, None) is role


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe", b'{"features": [{"geometry": 3}]}'])
def test_what_cant_be_read_is_left_to_its_reader(tmp_path: Path, content: bytes) -> None:
    for name, role in (("a.geojson", Role.CELLS), ("a.png", Role.SLIDE), ("a.tif", Role.SLIDE)):
        (tmp_path / name).write_bytes(content)
        assert role_of(tmp_path / name, None) is role
