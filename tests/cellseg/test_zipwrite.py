"""Packing and replacing files: whole or not at all, and always the same bytes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from studio.cellseg.zipwrite import copy_file, pack_folder, replacing
from studio.errors import JobCancelled, ResultFileError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "2").write_bytes(b"two")
    (folder / "a").write_bytes(b"one" * 1000)
    return folder


def test_packed_files_are_stored_sorted_and_reproducible(folder: Path, tmp_path: Path) -> None:
    first = pack_folder(folder, tmp_path / "1.zip")
    (folder / "a").touch()
    second = pack_folder(folder, tmp_path / "2.zip")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
        assert [(i.filename, i.compress_type) for i in archive.infolist()] == [("a", 0), ("b/2", 0)]


def test_stopped_packing_leaves_what_was_there(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.zip"
    target.write_bytes(b"old")

    def stop() -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        pack_folder(folder, target, stop)
    assert target.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["content", "x.zip"]


def test_copies_replace_whole_files_and_never_themselves(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new" * 1_000_000)
    target.write_bytes(b"old")
    copy_file(source, target)
    assert target.read_bytes() == source.read_bytes()
    copy_file(source, source)
    (tmp_path / "link").symlink_to(source)
    copy_file(source, tmp_path / "link")
    assert source.read_bytes() == b"new" * 1_000_000
    source.unlink()
    with pytest.raises(ResultFileError):
        copy_file(source, target)
    assert target.stat().st_size == 3_000_000


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ResultFileError, match="doesn't exist"), replacing(tmp_path / "missing" / "x"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResultFileError, match="is a folder"), replacing(tmp_path / "folder") as file:
        file.write(b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
