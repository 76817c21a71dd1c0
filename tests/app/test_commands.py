"""The table of commands and the keys that run it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import glfw
import pytest

from studio.app.camera import Camera
from studio.app.commands import build_commands
from studio.app.shortcuts import PRIMARY_MOD, Command, Shortcuts
from studio.gui.events import Char, Event, Key
from studio.session import Session
from studio.settings import Settings


class FakeWindow:
    def __init__(self) -> None:
        self.done: list[str] = []

    def quit(self) -> None:
        self.done.append("quit")

    def toggle_fullscreen(self) -> None:
        self.done.append("fullscreen")

    def escape(self) -> None:
        self.done.append("escape")

    def toggle_help(self) -> None:
        self.done.append("help")

    def copy_position(self) -> None:
        self.done.append("copy_position")

    def save_picture(self, path: Path, *, whole_window: bool) -> None:
        self.done.append(f"{path} {whole_window}")


class FakeSlide:
    name = "slide"
    size = (10_000, 4_000)
    bounds = (0.0, 0.0, 10_000.0, 4_000.0)
    mpp = 0.25

    def close(self) -> None: ...


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr("studio.cellseg.models.default_model", lambda: "builtin")
    session = Session(Settings())
    yield session
    session.close()


@pytest.fixture
def window() -> FakeWindow:
    return FakeWindow()


@pytest.fixture
def table(session: Session, window: FakeWindow) -> Shortcuts:
    return Shortcuts(build_commands(session, Camera(session.document), window))


def key(code: int, mods: int = 0, down: bool = True, repeat: bool = False) -> Key:
    return Key(code, 0, down, mods, repeat)


def char(text: str) -> Char:
    return Char(ord(text))


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (key(glfw.KEY_O, PRIMARY_MOD), "open"),
        (key(glfw.KEY_W, PRIMARY_MOD), "close"),
        (key(glfw.KEY_Q, PRIMARY_MOD), "quit"),
        (key(glfw.KEY_Q, PRIMARY_MOD | glfw.MOD_NUM_LOCK), "quit"),
        (key(glfw.KEY_F11), "fullscreen"),
        (key(glfw.KEY_ENTER, glfw.MOD_ALT), "fullscreen"),
        (key(glfw.KEY_ESCAPE), "escape"),
        (key(glfw.KEY_F1), "help"),
        (key(glfw.KEY_HOME), "fit"),
        (key(glfw.KEY_LEFT), "left"),
        (key(glfw.KEY_LEFT, repeat=True), "left"),
        (char("0"), "fit"),
        (char("1"), "one_to_one"),
        (char("+"), "zoom_in"),
        (char("="), "zoom_in"),
        (char("-"), "zoom_out"),
        (char("m"), "mask"),
        (char("M"), "mask"),
        (key(glfw.KEY_Q), None),
        (key(glfw.KEY_Q, PRIMARY_MOD | glfw.MOD_SHIFT), None),
        (key(glfw.KEY_O, PRIMARY_MOD, down=False), None),
        (key(glfw.KEY_LEFT, glfw.MOD_CONTROL), None),
        (char("z"), None),
        (key(glfw.KEY_1, glfw.MOD_ALT), "power_1.25"),
        (key(glfw.KEY_6, glfw.MOD_ALT), "power_40"),
        (key(glfw.KEY_G, PRIMARY_MOD), "zoom_mpp"),
        (char("r"), "tool_rectangle"),
        (key(glfw.KEY_Z, PRIMARY_MOD), "undo"),
        (key(glfw.KEY_DELETE), "delete_region"),
        (key(glfw.KEY_1, PRIMARY_MOD), "bookmark_1"),
    ],
)
def test_keys(table: Shortcuts, event: Event, name: str | None) -> None:
    command = table.find(event)
    assert (command.name if command else None) == name


def test_a_letter_with_shift_is_another_one(window: FakeWindow) -> None:
    plain, shifted = (Command(key, key, key, window.quit) for key in ("G", "Shift+G"))
    table = Shortcuts((plain, shifted))
    assert table.find(char("g")) is plain
    assert table.find(char("G")) is shifted
    assert table.find(key(glfw.KEY_G, glfw.MOD_SHIFT)) is None


def test_no_slide_no_camera(table: Shortcuts, session: Session, window: FakeWindow) -> None:
    before = session.document.view.rect_slide
    assert not table.run(char("+"))
    assert not table.run(key(glfw.KEY_W, PRIMARY_MOD))
    assert session.document.view.rect_slide == before
    assert table.run(key(glfw.KEY_Q, PRIMARY_MOD))
    assert window.done == ["quit"]


def test_camera_keys(table: Shortcuts, session: Session) -> None:
    session.document.set_slide(FakeSlide())  # type: ignore[arg-type]
    session.fit_view()
    fitted = session.document.view.rect_slide
    assert table.run(char("1"))
    assert session.document.view.scale == 1
    x = session.document.view.center_x
    assert table.run(key(glfw.KEY_RIGHT))
    assert session.document.view.center_x > x
    assert table.run(key(glfw.KEY_HOME))
    assert session.document.view.rect_slide == fitted
    assert table.run(key(glfw.KEY_W, PRIMARY_MOD))
    assert session.document.slide is None


def test_a_tool_is_chosen_by_its_key_and_put_back_by_it(table: Shortcuts, session: Session) -> None:
    assert not table.run(char("p"))
    session.document.set_slide(FakeSlide())  # type: ignore[arg-type]
    table.run(char("p"))
    assert session.document.tool == "polygon"
    table.run(char("l"))
    assert session.document.tool == "measure"
    table.run(char("l"))
    assert session.document.tool == ""


def test_zoom_to_an_exact_pixel_size(table: Shortcuts, session: Session) -> None:
    session.document.set_slide(FakeSlide())  # type: ignore[arg-type]
    table.run(key(glfw.KEY_G, PRIMARY_MOD))
    session.answer(True, 0.75)
    assert session.document.view.scale == pytest.approx(3.0)


def test_open_asks_for_a_file(table: Shortcuts, session: Session) -> None:
    table.run(key(glfw.KEY_O, PRIMARY_MOD))
    dialog = session.pending_dialog
    assert dialog is not None
    assert dialog.kind == "open"
    assert ".svs" in dialog.suffixes
    assert ".zip" in dialog.suffixes


def test_a_picture_is_asked_for_and_saved(table: Shortcuts, session: Session, window: FakeWindow) -> None:
    assert not table.run(key(glfw.KEY_P, PRIMARY_MOD))
    session.document.set_slide(FakeSlide())  # type: ignore[arg-type]
    table.run(key(glfw.KEY_P, PRIMARY_MOD))
    dialog = session.pending_dialog
    assert dialog is not None
    assert dialog.suggested.name == "slide-x0-y0-40x.png"
    dialog.on_path(Path("/somewhere/else.png"))
    assert window.done == ["/somewhere/else.png False"]


def test_names_and_shortcuts_are_unique(session: Session, window: FakeWindow) -> None:
    commands = build_commands(session, Camera(session.document), window)
    assert len({command.name for command in commands}) == len(commands)
    twice = Command("a", "A", "Ctrl+O", window.quit), Command("b", "B", "Ctrl+O", window.quit)
    with pytest.raises(ValueError, match="both a and b"):
        Shortcuts(twice)
