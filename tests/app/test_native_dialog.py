"""File dialogs in a process of their own; programs that answer like the real one stand in for it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.app import native_dialog
from studio.app.native_dialog import NO_DIALOG, NativeDialogs
from studio.session import PathDialog, Session
from studio.settings import Settings

ANSWER = """
import json, sys
values = json.loads(sys.argv[1])
print(json.dumps(values["folder"] + "/" + (values["name"] or "chosen.svs")), end="")
"""


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr("studio.cellseg.models.default_model", lambda: "builtin")
    session = Session(Settings())
    yield session
    session.close()


def ask(session: Session, folder: Path, kind: str = "open") -> list[Path]:
    chosen: list[Path] = []
    suggested = folder if kind == "open" else folder / "cells.zip"
    session.pending_dialog = PathDialog(kind, "Title", suggested, (".svs",), chosen.append)  # type: ignore[arg-type]
    return chosen


def program(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def finish(dialogs: NativeDialogs, session: Session) -> None:
    end_s = time.monotonic() + 30
    while not dialogs.update(session):
        assert time.monotonic() < end_s, "the dialog didn't end"
        time.sleep(0.01)


@pytest.mark.parametrize(("kind", "name"), [("open", "chosen.svs"), ("save", "cells.zip")])
def test_the_chosen_path_is_handed_over(session: Session, tmp_path: Path, kind: str, name: str) -> None:
    dialogs = NativeDialogs(usable=True, command=program(ANSWER))
    chosen = ask(session, tmp_path, kind)
    assert not dialogs.update(session)
    assert dialogs.open
    assert session.pending_dialog is None
    finish(dialogs, session)
    assert chosen == [tmp_path / name]
    assert not dialogs.open


def test_a_folder_that_is_gone_gives_way_to_the_home(session: Session, tmp_path: Path) -> None:
    dialogs = NativeDialogs(usable=True, command=program(ANSWER))
    chosen = ask(session, tmp_path / "gone" / "deeper")
    finish(dialogs, session)
    assert chosen == [Path.home() / "chosen.svs"]


def test_a_dismissed_dialog_does_nothing(session: Session, tmp_path: Path) -> None:
    dialogs = NativeDialogs(usable=True, command=program("pass"))
    chosen = ask(session, tmp_path)
    finish(dialogs, session)
    assert chosen == []
    assert session.pending_dialog is None


@pytest.mark.parametrize(
    "command", [program(f"raise SystemExit({NO_DIALOG})"), ("/no/such/program",)], ids=["no Tk", "no program"]
)
def test_without_native_dialogs_the_window_shows_its_own(
    session: Session, tmp_path: Path, command: tuple[str, ...]
) -> None:
    dialogs = NativeDialogs(usable=True, command=command)
    ask(session, tmp_path)
    asked = session.pending_dialog
    dialogs.update(session)
    while dialogs.open:
        dialogs.update(session)
        time.sleep(0.01)
    dialogs.update(session)  # not tried again
    assert session.pending_dialog is asked
    assert not dialogs.open


def test_switched_off_by_the_environment(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_NATIVE_DIALOGS", "0")
    dialogs = NativeDialogs()
    ask(session, tmp_path)
    dialogs.update(session)
    assert session.pending_dialog is not None


def test_a_second_question_replaces_the_first(session: Session, tmp_path: Path) -> None:
    dialogs = NativeDialogs(usable=True, command=program("import time; time.sleep(60)"))
    ask(session, tmp_path)
    dialogs.update(session)
    ask(session, tmp_path)
    dialogs.update(session)
    assert dialogs.open
    dialogs.close()
    assert not dialogs.open


def test_the_real_program_says_when_it_has_no_screen(tmp_path: Path) -> None:
    """It also shows that the file runs by itself."""
    asked = '{"kind": "open", "title": "", "folder": "/", "name": "", "suffixes": []}'
    finished = subprocess.run(
        [sys.executable, native_dialog.__file__, asked],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    if sys.platform == "linux":
        assert finished.returncode == NO_DIALOG, finished.stderr
