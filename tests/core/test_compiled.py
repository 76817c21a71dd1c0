"""A place for compiled code where the program and the home can't be written to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studio.core.compiled import VARIABLE, ensure_place


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "nobody"))
    return tmp_path


def test_numba_is_left_alone_where_it_finds_a_place(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_place(temporary)
    assert VARIABLE not in os.environ
    # The program's folder can't be written to, the home can be made.
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != temporary / "package")
    ensure_place(temporary / "package")
    assert VARIABLE not in os.environ


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders of one user alone")
def test_else_it_is_the_temporary_folder_unless_others_can_put_code_there(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    (temporary / "home").write_text("no folder")
    ensure_place(temporary / "package")
    place = Path(os.environ[VARIABLE])
    assert place.parent == temporary
    assert place.stat().st_mode & 0o777 == 0o700
    monkeypatch.delenv(VARIABLE)
    ensure_place(temporary / "package")
    assert Path(os.environ[VARIABLE]) == place
    place.chmod(0o777)
    monkeypatch.delenv(VARIABLE)
    ensure_place(temporary / "package")
    other = Path(os.environ[VARIABLE])
    assert other != place
    assert other.stat().st_mode & 0o777 == 0o700
