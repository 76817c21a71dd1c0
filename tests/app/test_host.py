"""Panels: switched on and off, opened and closed, dropped on; and those that raise."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from studio.gui.panel import Panel, PanelSpec
from studio.gui.registry import known_panels
from studio.widgets import PANELS


class Recorder(Panel):
    calls: list[str] = []  # noqa: RUF012 - the host makes the object, the test looks at the class
    raise_in: str = ""
    takes: str = ""

    def __init__(self) -> None:
        self._note("init")

    def draw(self, ctx: Any) -> None:
        with ctx.ui.section("Section"), ctx.ui.grid(2):
            ctx.ui.button("First")
            self._note("draw")
            ctx.ui.button("Second")

    def opened(self, ctx: Any) -> None:
        self._note("opened")

    def closed(self, ctx: Any) -> None:
        self._note("closed")

    def menu(self, ctx: Any) -> None:
        if ctx.ui.button("From the panel"):
            self._note("menu")

    def on_drop(self, ctx: Any, path: Path) -> bool:
        self._note(f"drop {path.name}")
        return path.suffix == self.takes

    def _note(self, what: str) -> None:
        if what != "draw":
            type(self).calls.append(what)
        if what == self.raise_in:
            raise ValueError(f"broken in {what}")


class Quiet(Panel):
    def draw(self, ctx: Any) -> None:
        ctx.ui.button("Quiet button")


@pytest.fixture
def specs(monkeypatch: pytest.MonkeyPatch) -> list[PanelSpec]:
    module = ModuleType("panels_of_a_test")
    module.Recorder, module.Quiet, module.NoPanel = Recorder, Quiet, dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "panels_of_a_test", module)
    monkeypatch.setattr(Recorder, "calls", [])
    return [
        PanelSpec("rec", "Recorder", "cell", "panels_of_a_test:Recorder"),
        PanelSpec("quiet", "Quiet", "Q", "panels_of_a_test:Quiet"),
        PanelSpec("off", "Off", "Off", "panels_of_a_test:Quiet", default=False),
        PanelSpec("gone", "Gone", "slide", "no_such_module:Panel"),
        PanelSpec("dict", "Dict", "slide", "panels_of_a_test:NoPanel"),
    ]


@pytest.fixture
def stand(stands: Any, specs: list[PanelSpec]) -> Any:
    return stands(specs=specs)


def test_a_click_on_its_icon_opens_and_closes_a_drawer(stand: Any) -> None:
    assert stand.p.labels("sidebar") == ["Recorder", "Quiet", "Gone", "Dict"]
    whole = stand.area
    stand.p.click("Recorder")
    assert stand.p.labels("rec") == ["Section", "First", "Second"]
    assert stand.area[0] == whole[0] + 340
    assert stand.area[2] == whole[2] - 340
    assert stand.p.control("Recorder").value is True
    stand.p.click("Quiet")
    assert stand.p.labels("rec") == []
    assert stand.p.labels("quiet") == ["Quiet button"]
    stand.p.click("Quiet", "sidebar")
    assert stand.area == whole
    assert Recorder.calls == ["init", "opened", "closed"]


def test_the_cross_closes_it_too(stand: Any) -> None:
    stand.p.click("Quiet")
    stand.p.click("Close panel")
    assert stand.p.labels("quiet") == []


def test_opening_a_panel_that_is_off_switches_it_on(stand: Any) -> None:
    stand.host.open("off")
    stand.p.settle()
    assert stand.p.labels("off") == ["Quiet button"]
    assert stand.session.settings.extensions == {"off": True}
    stand.host.open("nobody knows this one")
    stand.p.settle()
    assert stand.p.labels("off") == ["Quiet button"]


def test_switching_a_panel_off_closes_its_drawer(stand: Any) -> None:
    stand.p.click("Recorder")
    stand.session.settings.set_extension("rec", False)
    stand.p.settle()
    assert "Recorder" not in stand.p.labels()
    assert stand.p.labels("rec") == []
    assert Recorder.calls[-1] == "closed"


@pytest.mark.parametrize("where", ["init", "opened", "draw"])
def test_a_panel_that_raises_is_stopped_and_says_why(
    stand: Any, where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Recorder, "raise_in", where)
    stand.p.click("Recorder")
    assert stand.host.errors == {"rec": f"ValueError: broken in {where}"}
    assert "Try again" in stand.p.labels("rec")
    assert caplog.records[-1].exc_info
    # The rest goes on, and the panel isn't called again.
    calls = list(Recorder.calls)
    stand.p.click("Quiet")
    stand.p.click("Quiet button")
    stand.p.click("Recorder")
    assert Recorder.calls == calls
    monkeypatch.setattr(Recorder, "raise_in", "")
    stand.p.click("Try again")
    assert stand.p.labels("rec") == ["Section", "First", "Second"]
    assert stand.host.errors == {}


@pytest.mark.parametrize(("label", "why"), [("Gone", "no_such_module"), ("Dict", "no Panel")])
def test_a_panel_that_can_not_be_made_says_why(stand: Any, label: str, why: str) -> None:
    stand.p.click(label)
    assert why in stand.host.errors[label.lower()]
    assert "Try again" in stand.p.labels(label.lower())


def test_dropped_files_are_offered_to_panels_first(stand: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(stand.session, "open_many", opened.append)
    monkeypatch.setattr(Recorder, "takes", ".csv")
    stand.chrome.drop([tmp_path / "a.csv", tmp_path / "b.svs"])
    stand.p.settle()
    assert "drop a.csv" in Recorder.calls
    assert opened == [[tmp_path / "b.svs"]]
    assert set(stand.host.errors) == {"gone", "dict"}


def test_a_panel_adds_to_the_view_menu(stand: Any) -> None:
    stand.p.click("Recorder")
    stand.p.click("View", "menu")
    stand.p.click("From the panel")
    assert Recorder.calls[-1] == "menu"


def test_other_packages_register_panels(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    module = ModuleType("their_package")
    module.SPEC = PanelSpec("theirs", "Theirs", "table", "their_package:Panel")  # type: ignore[attr-defined]
    module.NOT_ONE = 3  # type: ignore[attr-defined]
    module.TWICE = PanelSpec("slide", "Slide again", "table", "their_package:Panel")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "their_package", module)
    targets = {"theirs": "their_package:SPEC", "wrong": "their_package:NOT_ONE", "missing": "not_there:SPEC"}
    targets["twice"] = "their_package:TWICE"
    entries = [EntryPoint(name, target, "studio.widgets") for name, target in targets.items()]
    monkeypatch.setattr("studio.gui.registry.entry_points", lambda group: entries)
    known_panels.cache_clear()
    try:
        specs = {spec.name: spec for spec in known_panels()}
    finally:
        known_panels.cache_clear()
    assert list(specs) == [*(spec.name for spec in PANELS), "theirs", "wrong", "missing"]
    assert specs["theirs"].title == "Theirs"
    assert specs["slide"].title == "Slide"
    assert specs["missing"].target == "not_there:SPEC"
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 3
