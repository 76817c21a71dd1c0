"""Dialogs over the window: questions, the file browser, shortcuts, about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.app.folder import list_folder, resolve, size_text, start_of
from studio.app.help import LINE, sections_of
from studio.gui.events import KEY_DOWN, KEY_END, KEY_HOME, KEY_PAGE_DOWN, KEY_PAGE_UP, KEY_UP, Key
from studio.gui.painter import Painter
from studio.session import PathDialog, Question


def ask(stand: Any, **changes: Any) -> list[Any]:
    answers: list[Any] = []
    values: dict[str, Any] = {
        "kind": "mpp", "title": "How large?", "text": "Some words. " * 30, "yes": "Set", "no": "Only look",
        "value": 0.25, "on_yes": answers.append, "on_no": lambda: answers.append("no"),
    }  # fmt: skip
    stand.session.pending_question = Question(**(values | changes))
    stand.p.settle()
    return answers


def test_a_question_with_a_number(stands: Any) -> None:
    stand = stands()
    answers = ask(stand)
    assert stand.p.control("Pixel size").value == 0.25
    assert not stand.p.control("Slide", "sidebar").enabled
    stand.p.type_into("Pixel size", "0.5", commit=False)
    stand.p.click("Set")
    assert answers == [0.5]
    assert stand.p.labels("dialog") == []
    assert stand.p.control("Slide", "sidebar").enabled


def test_enter_answers_with_what_was_typed(stands: Any) -> None:
    stand = stands()
    answers = ask(stand)
    stand.p.type_into("Pixel size", "0.3")
    assert answers == [0.3]


def test_what_is_typed_replaces_the_number_without_a_click(stands: Any) -> None:
    stand = stands()
    answers = ask(stand)
    stand.p.type("0.4")
    stand.p.key("Enter")
    assert answers == [0.4]


def test_one_escape_is_no_though_the_number_has_the_keyboard(stands: Any) -> None:
    stand = stands()
    answers = ask(stand)
    stand.p.type("7")
    stand.p.key("Esc")
    assert answers == ["no"]


def test_enter_with_nonsense_answers_nothing(stands: Any) -> None:
    stand = stands()
    answers = ask(stand)
    stand.p.type_into("Pixel size", "half")
    assert answers == []
    assert "Pixel size must be a number" in stand.session.toasts[-1].text
    stand.p.type("-3")
    stand.p.key("Enter")
    assert answers == []
    assert "Pixel size must be 0.0001 or more" in stand.session.toasts[-1].text
    stand.p.type("0,4")
    stand.p.key("Enter")
    assert answers == [0.4]


@pytest.mark.parametrize("how", ["Only look", "Esc"])
def test_no(stands: Any, how: str) -> None:
    stand = stands()
    answers = ask(stand, kind="mismatch", value=None)
    assert stand.p.find("Pixel size") is None
    stand.p.key("Esc") if how == "Esc" else stand.p.click(how)
    assert answers == ["no"]


def test_the_next_question_begins_with_its_own_number(stands: Any) -> None:
    stand = stands()
    ask(stand)
    stand.p.click("Pixel size +")
    answers = ask(stand, value=0.75)
    assert stand.p.control("Pixel size").value == 0.75
    stand.p.key("Enter")
    assert answers == [0.75]


def test_shortcuts_and_about(stands: Any) -> None:
    stand = stands()
    for menu, item in (("Help", "Keyboard and mouse"), ("Help", "About Studio")):
        for close in (lambda: stand.p.click("Close", "dialog"), lambda: stand.p.key("Esc")):
            stand.p.click(menu, "menu")
            stand.p.click(item)
            assert stand.p.labels("dialog") == ["Close"]
            close()
            assert stand.p.labels("dialog") == []
    stand.chrome.toggle_help()
    assert stand.chrome.escape()
    assert not stand.chrome.escape()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("sub", "other", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "sub" / "deep.zip").write_bytes(b"x")
    for name in ("b.zip", "A.ZIP", "note.txt", "slide.svs", ".secret.zip"):
        (tmp_path / name).write_bytes(b"x" * 2000)
    return tmp_path


def browse(stand: Any, kind: str, suggested: Path, suffixes: tuple[str, ...] = (".zip",)) -> list[Path]:
    chosen: list[Path] = []
    stand.session.pending_dialog = PathDialog(kind, "Choose", suggested, suffixes, chosen.append)  # type: ignore[arg-type]
    stand.p.settle()
    listed(stand)
    return chosen


def listed(stand: Any) -> list[str]:
    """Names in the list, once the folder was read."""
    stand.wait(lambda: stand.chrome._dialogs._browser is None or stand.chrome._dialogs._browser._listing is None)
    return [c.label for c in stand.p.gui.controls if c.kind == "row" and c.panel == "dialog"]


def test_save_as(stands: Any, folder: Path) -> None:
    """As the end-to-end tests do it: a path into the name field, then Save."""
    stand = stands()
    chosen = browse(stand, "save", folder / "cells.zip")
    assert listed(stand) == ["other", "sub", "A.ZIP", "b.zip"]
    assert stand.p.control("File name", "dialog").value == "cells.zip"
    stand.p.type_into("File name", str(folder / "sub" / "new"), commit=False)
    stand.p.click("Save", "dialog")
    assert chosen == [folder / "sub" / "new.zip"]
    assert stand.p.labels("dialog") == []


def test_the_name_can_be_typed_at_once_and_enter_saves(stands: Any, folder: Path) -> None:
    stand = stands()
    chosen = browse(stand, "save", folder / "cells.zip")
    stand.p.type("other-name")
    stand.p.key("Enter")
    assert chosen == [folder / "other-name.zip"]


def test_nothing_is_overwritten_without_asking(stands: Any, folder: Path) -> None:
    stand = stands()
    chosen = browse(stand, "save", folder / "b.zip")
    stand.p.click("Save", "dialog")
    assert chosen == []
    stand.p.click("Keep", "dialog")
    assert "Save" in stand.p.labels("dialog")
    stand.p.key("Enter")
    stand.p.key("Esc")
    assert "Save" in stand.p.labels("dialog")
    stand.p.click("Save", "dialog")
    stand.p.click("Replace", "dialog")
    assert chosen == [folder / "b.zip"]


def test_cancel_and_escape_choose_nothing(stands: Any, folder: Path) -> None:
    stand = stands()
    for cancel in (lambda: stand.p.click("Cancel", "dialog"), lambda: stand.p.key("Esc")):
        chosen = browse(stand, "save", folder / "x.zip")
        cancel()
        assert stand.p.labels("dialog") == []
        assert chosen == []


def test_open_by_clicks(stands: Any, folder: Path) -> None:
    stand = stands()
    chosen = browse(stand, "open", folder)
    stand.p.click("sub", "dialog", times=2)
    assert listed(stand) == ["deep.zip"]
    stand.p.click("Up", "dialog")
    assert "b.zip" in listed(stand)
    stand.p.click("b.zip", "dialog")
    assert stand.p.control("File name", "dialog").value == "b.zip"
    assert chosen == []
    stand.p.click("b.zip", "dialog", times=2)
    assert chosen == [folder / "b.zip"]


def test_open_by_keys(stands: Any, folder: Path) -> None:
    stand = stands()
    chosen = browse(stand, "open", folder)
    stand.p.key("Down")
    stand.p.key("Down")
    assert stand.p.control("sub", "dialog").value is True
    stand.p.key("Enter")
    assert listed(stand) == ["deep.zip"]
    stand.p.key("Down")
    stand.p.key("Enter")
    assert chosen == [folder / "sub" / "deep.zip"]


def test_the_folder_can_be_typed(stands: Any, folder: Path) -> None:
    stand = stands()
    chosen = browse(stand, "open", folder)
    stand.p.type_into("Folder", str(folder / "sub"))
    assert listed(stand) == ["deep.zip"]
    stand.p.type_into("Folder", str(folder / "nowhere"))
    assert listed(stand) == ["deep.zip"]
    stand.p.type_into("Folder", str(folder / "b.zip"))
    assert "b.zip" in listed(stand)
    assert stand.p.control("File name", "dialog").value == "b.zip"
    stand.p.click("Open", "dialog")
    assert chosen == [folder / "b.zip"]


def test_all_files(stands: Any, folder: Path) -> None:
    stand = stands()
    browse(stand, "open", folder)
    assert "note.txt" not in listed(stand)
    stand.p.click("All files", "dialog")
    assert "note.txt" in listed(stand)
    assert ".secret.zip" not in listed(stand)


def test_a_name_that_is_no_file_opens_nothing(stands: Any, folder: Path) -> None:
    stand = stands()
    chosen = browse(stand, "open", folder)
    stand.p.type_into("File name", "nothing.zip")
    stand.p.click("Open", "dialog")
    assert chosen == []
    stand.p.type_into("File name", "sub")
    assert listed(stand) == ["deep.zip"]


def test_names_are_resolved(folder: Path) -> None:
    def outcome(text: str, kind: Any = "save", suffixes: tuple[str, ...] = (".zip",)) -> tuple[str, Path]:
        found = resolve(folder, text, kind, suffixes)
        assert bool(found.why) == (found.kind == "no")
        return found.kind, found.path

    assert outcome("new") == ("file", folder / "new.zip")
    assert outcome(" new.zip ") == ("file", folder / "new.zip")
    assert outcome("new.tar") == ("file", folder / "new.tar.zip")
    assert outcome("b") == ("exists", folder / "b.zip")
    assert outcome("A.ZIP") == ("exists", folder / "A.ZIP")
    assert outcome("..")[0] == "folder"
    assert outcome("nowhere/x.zip")[0] == "no"
    assert outcome("")[0] == "no"
    assert outcome("a\0b")[0] == "no"
    assert outcome("~nobody-of-that-name/x")[0] == "no"
    assert outcome("x" * 300)[0] == "no"
    assert outcome("note.txt", "open") == ("file", folder / "note.txt")
    assert outcome("gone.svs", "open")[0] == "no"
    assert outcome(str(folder / "sub" / "deep.zip"), "open") == ("file", folder / "sub" / "deep.zip")


def test_folders_are_listed(folder: Path) -> None:
    (folder / "dangling.zip").symlink_to(folder / "not there")
    assert [e.name for e in list_folder(folder, (".zip",))] == ["other", "sub", "A.ZIP", "b.zip"]
    assert "note.txt" in [e.name for e in list_folder(folder, ())]
    with pytest.raises(FileNotFoundError):
        list_folder(folder / "nowhere", ())


def test_where_a_dialog_begins(folder: Path) -> None:
    assert start_of(folder) == (folder, "")
    assert start_of(folder / "x.zip") == (folder, "x.zip")
    assert start_of(folder / "gone" / "x.zip") == (folder, "x.zip")
    assert start_of(Path("x.zip")) == (Path.home(), "x.zip")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (2000, "2.0 kB"), (34e6, "34 MB"), (5e12, "5.0 TB")]
)
def test_sizes(size: float, text: str) -> None:
    assert size_text(int(size)) == text


@pytest.mark.parametrize("size", [(1280, 800), (700, 420)])
def test_the_page_of_shortcuts_fits_the_window(stands: Any, size: tuple[int, int]) -> None:
    stand = stands(size=size)
    stand.chrome.toggle_help()
    stand.p.settle()
    left, top, width, height = stand.p.control("Close", "dialog").rect
    assert left + width <= size[0]
    assert top + height <= size[1]


def test_the_page_of_shortcuts_is_scrolled_by_keys(stands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stand = stands(size=(700, 420))
    tops: list[float] = []
    text = Painter.text

    def listened(*args: Any) -> None:
        if args[2] == "Mouse":
            tops.append(args[1][1])
        text(*args)

    monkeypatch.setattr(Painter, "text", listened)
    stand.chrome.toggle_help()
    stand.p.settle()
    first = tops[-1]

    def scrolled(key: int) -> float:
        stand.p.put(Key(key, 0, True), Key(key, 0, False))
        stand.p.settle()
        return first - tops[-1]

    assert scrolled(KEY_DOWN) == LINE
    end = scrolled(KEY_END)
    assert end > 10 * LINE
    assert scrolled(KEY_UP) == end - LINE
    assert scrolled(KEY_HOME) == 0
    assert LINE < scrolled(KEY_PAGE_DOWN) < end
    assert scrolled(KEY_PAGE_UP) == 0


def test_the_page_of_shortcuts_names_every_key(stands: Any) -> None:
    commands = stands().commands
    shown = {title for _, rows in sections_of(commands) for title, _ in rows}
    missing = [c.title for c in commands if c.shortcut and c.title not in shown and c.listed != ""]
    assert missing == []
    assert "Go to bookmark 1 to 9" in shown
