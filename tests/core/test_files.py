"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from studio.core.files import check_writable, replacing
from studio.errors import RunError
from tests.permissions import read_only


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "ä b.txt"
    with replacing(target) as part:
        part.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half"
    assert [p.name for p in target.parent.iterdir()] == ["ä b.txt"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "kept.txt"
    target.write_text("old")

    def fail() -> None:
        with replacing(target) as part:
            part.write_text("new")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_takes_the_place_of_a_full_one(tmp_path: Path) -> None:
    target = tmp_path / "tiles"
    for name in ("a", "b"):
        with replacing(target) as part:
            part.mkdir()
            (part / name).touch()
    assert [p.name for p in target.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(("code", "said"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "permission")])
def test_errors_say_what_to_do(tmp_path: Path, code: int, said: str) -> None:
    def fail() -> None:
        with replacing(tmp_path / "x"):
            raise OSError(code, "refused")

    with pytest.raises(RunError, match=said):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="can't be written"), replacing(tmp_path / "file" / "x"):
        pass


def test_leftovers_of_killed_processes_go_but_not_those_of_running_ones(tmp_path: Path) -> None:
    old, young = tmp_path / ".studio-old.part", tmp_path / ".studio-young.part"
    for folder in (old, young):
        folder.mkdir()
        (folder / "half").touch()
    for path in (old / "half", old):
        os.utime(path, (0, 0))
    with replacing(tmp_path / "x") as part:
        part.touch()
    assert not old.exists()
    assert young.exists()


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "deep")
    with read_only(tmp_path):
        for folder in (tmp_path, tmp_path / "new" / "deep"):
            with pytest.raises(RunError, match="Choose another folder"):
                check_writable(folder)
        with pytest.raises(RunError, match="Choose another folder"), replacing(tmp_path / "a.txt"):
            pass
    assert list(tmp_path.iterdir()) == []
