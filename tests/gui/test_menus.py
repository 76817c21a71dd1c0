"""A button that opens a list of things to do."""

from __future__ import annotations

from typing import Any

from studio.gui.control import Entry

ENTRIES = (
    Entry("Table", tooltip="As a table."),
    Entry("Parquet", enabled=False, tooltip="Install it."),
    Entry("Picture"),
)


class Form:
    def __init__(self) -> None:
        self.enabled = True
        self.chosen: list[int] = []
        self.top = 20

    def __call__(self, gui: Any) -> None:
        with gui.chrome.window("form", (20, self.top, 360, 60), padding=(12, 12)), gui.ui.panel("form"):
            chosen = gui.ui.menu_button("Save as", ENTRIES, enabled=self.enabled, tooltip="Other formats.")
            if chosen is not None:
                self.chosen.append(chosen)


def test_an_entry_is_chosen_and_the_list_closes(pilot: Any) -> None:
    form = Form()
    p = pilot(form)
    p.click("Save as")
    assert [(c.label, c.enabled) for c in p.gui.controls if c.kind == "option"] == [
        ("Table", True), ("Parquet", False), ("Picture", True)
    ]  # fmt: skip
    p.click("Picture")
    assert form.chosen == [2]
    assert p.find("Picture") is None


def test_a_disabled_entry_does_nothing_and_the_list_stays(pilot: Any) -> None:
    form = Form()
    p = pilot(form)
    p.click("Save as")
    p.click("Parquet")
    assert form.chosen == []
    assert p.find("Parquet") is not None
    p.key("Esc")
    assert p.find("Parquet") is None
    form.enabled = False
    p.settle()
    p.click("Save as")
    assert p.find("Parquet") is None


def test_at_the_bottom_of_the_window_it_opens_upwards(pilot: Any) -> None:
    form = Form()
    form.top = 740
    p = pilot(form)
    p.click("Save as")
    assert [c.label for c in p.gui.controls if c.kind == "option"] == ["Table", "Parquet", "Picture"]
    assert p.control("Picture").rect[1] < p.control("Save as").rect[1]
    p.click("Picture")
    assert form.chosen == [2]
