"""A Ui that records what panels draw and does what the test tells it to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from studio.document import Document
from studio.gui.control import TablePress
from studio.gui.theme import THEMES
from studio.session import Session
from studio.settings import Settings
from tests.session.conftest import model


@dataclass
class Control:
    kind: str
    enabled: bool
    value: Any
    tooltip: str = ""
    items: list[str] = field(default_factory=list)


class FakeUi:
    """Same methods as `studio.gui.ui.Ui`. `press` and `enter` act at the next drawing."""

    theme = THEMES["dark"]

    def __init__(self) -> None:
        self.controls: dict[str, Control] = {}
        self.texts: list[str] = []
        self.entries: dict[str, list[Any]] = {}
        """What menus offered, by their label."""
        self.copied: str | None = None
        self.open_sections: set[str] = set()
        self._pressed: set[str] = set()
        self._entered: dict[str, Any] = {}

    def press(self, label: str) -> None:
        self._pressed.add(label)

    def enter(self, label: str, value: Any) -> None:
        self._entered[label] = value

    def begin(self) -> None:
        self.controls.clear()
        self.texts.clear()

    def end(self) -> None:
        unused = (self._pressed | set(self._entered)) - {n for n, c in self.controls.items() if c.enabled}
        self._pressed.clear()
        self._entered.clear()
        assert not unused, f"not drawn or not enabled: {unused}"

    def _note(self, label: str, kind: str, enabled: bool, value: Any, tooltip: str, items: Sequence[str] = ()) -> None:
        assert label not in self.controls, f"two controls are called {label!r}"
        assert tooltip, f"{label!r} has no tooltip"
        self.controls[label] = Control(kind, enabled, value, tooltip, list(items))

    def _value(self, label: str, kind: str, value: Any, enabled: bool, tooltip: str, items: Sequence[str] = ()) -> Any:
        self._note(label, kind, enabled, value, tooltip, items)
        return self._entered.get(label, value) if enabled else value

    def button(self, label, *, enabled=True, width=0.0, tooltip="", primary=False, shown=None) -> bool:
        self._note(label, "button", enabled, None, tooltip)
        return enabled and label in self._pressed

    def radio(self, label, active, *, enabled=True, tooltip="") -> bool:
        self._note(label, "radio", enabled, active, tooltip)
        return enabled and label in self._pressed

    def checkbox(self, label, value, *, enabled=True, tooltip="") -> bool:
        return self._value(label, "checkbox", value, enabled, tooltip)

    def slider(self, label, value, low, high, *, fmt="%.2f", enabled=True, tooltip="") -> float:
        return self._value(label, "slider", value, enabled, tooltip)

    def tuner(self, label, value, low, high, *, step=0.01, fmt="%.2f", neutral=None, enabled=True, tooltip="") -> float:
        return self._value(label, "slider", value, enabled, tooltip)

    def number(
        self, label, value, *, step=0.1, fmt="%.2f", low=None, high=None, unit="", enabled=True, tooltip=""
    ) -> float:
        return self._value(label, "number", value, enabled, tooltip)

    def integer(self, label, value, *, step=1, low=None, high=None, enabled=True, tooltip="") -> int:
        return self._value(label, "integer", value, enabled, tooltip)

    def combo(self, label, index, items, *, enabled=True, tooltip="") -> int:
        return self._value(label, "combo", index, enabled, tooltip, items)

    def menu_button(self, label, entries, *, enabled=True, tooltip="") -> int | None:
        self._note(label, "menu", enabled, None, tooltip, [entry.label for entry in entries])
        self.entries[label] = list(entries)
        chosen = self._entered.get(label)
        return chosen if enabled and chosen is not None and entries[chosen].enabled else None

    def picture(self, label, rgb, *, high=200, enlarged=0, tooltip="") -> bool:
        self._note(label, "picture", True, rgb.shape, tooltip)
        return label in self._pressed

    def row(
        self, label, *, icon="", detail="", selected=False, enabled=True, tooltip="", middle=False, shown=None,
        beside=False,
    ) -> bool:  # fmt: skip
        self._note(label, "row", enabled, selected, tooltip)
        return enabled and label in self._pressed

    def icon_button(
        self, label, icon, *, enabled=True, active=None, tooltip="", size=26, large=False, boxed=False
    ) -> bool:
        self._note(label, "button", enabled, active, tooltip)
        return enabled and label in self._pressed

    def text_field(self, label, text, *, labelled=False, enabled=True, tooltip="", focus=False) -> tuple[str, bool]:
        return self._value(label, "text", text, enabled, tooltip), label in self._entered

    def text(self, s, *, dim=False, color=None, wrap=True) -> None:
        self.texts.append(s)

    def heading(self, s) -> None:
        self.texts.append(s)

    def progress(self, fraction, text) -> None:
        assert 0 <= fraction <= 1
        self.texts.append(text)

    def job_row(self, message, fraction, text, *, cancel="", enabled=True, tooltip="") -> bool:
        self.texts.append(message)
        self.progress(fraction, text)
        return self.button(cancel, enabled=enabled, tooltip=tooltip) if cancel else False

    def histogram(self, label, counts, low, high, *, marks=(), unit="", height=96, tooltip="") -> None:
        self._note(label, "histogram", True, list(counts), tooltip)

    def swatch(self, color, text) -> None:
        self.texts.append(text)

    def table(
        self, label, columns, rows, cells, *, sorted_by=None, descending=False, selected=None,
        sortable=True, shown_rows=12, tooltip="",
    ) -> TablePress:  # fmt: skip
        """Pressed by the labels of the real one: `Sort by …`, and the title of the first column with a row's text."""
        column = row = None
        for number, each in enumerate(columns if sortable else ()):
            self._note(f"Sort by {each.title}", "header", True, number == sorted_by, each.tooltip)
            column = number if f"Sort by {each.title}" in self._pressed else column
        for number in range(min(rows, shown_rows)):
            name = f"{columns[0].title} {cells(number)[0]}"
            self._note(name, "row", True, list(cells(number)), tooltip)
            row = number if name in self._pressed else row
        return TablePress(column, row)

    def copy(self, text) -> None:
        self.copied = text

    def separator(self) -> None: ...

    def spacing(self) -> None: ...

    def same_line(self, gap=8) -> None: ...

    def show_last(self) -> None: ...

    @contextmanager
    def at_least(self, height) -> Iterator[None]:
        yield

    @contextmanager
    def labels(self, width) -> Iterator[None]:
        yield

    @contextmanager
    def grid(self, columns) -> Iterator[None]:
        yield

    @contextmanager
    def section(self, label, default_open=True, *, shown="") -> Iterator[bool]:
        yield default_open or label in self.open_sections


@dataclass
class FakeContext:
    ui: FakeUi
    actions: Session

    @property
    def document(self) -> Document:
        return self.actions.document

    @property
    def settings(self) -> Settings:
        return self.actions.settings

    def notify(self, level, text) -> None:
        self.actions.notify(level, text)

    def draw(self, panel) -> None:
        """Draw a panel once, with the presses and entries the test asked for, and once more to see the outcome."""
        for _ in range(2):
            self.ui.begin()
            panel.draw(self)
            self.ui.end()


@pytest.fixture
def ctx(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeContext]:
    listed = [model("builtin"), model("cyto2", installed=False, size_mb=26.0)]
    monkeypatch.setattr("studio.cellseg.models.list_models", lambda: listed)
    monkeypatch.setattr("studio.cellseg.models.default_model", lambda: "builtin")
    session = Session(Settings())
    yield FakeContext(FakeUi(), session)
    session.close()
