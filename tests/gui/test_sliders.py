"""A slider with a number: dragged, typed, put back."""

from __future__ import annotations

from typing import Any

import pytest


class Form:
    def __init__(self) -> None:
        self.enabled = True
        self.refused: list[str] = []
        self.share, self.count = 0.4, 15.0

    def __call__(self, gui: Any) -> None:
        gui.state.on_refused = self.refused.append
        ui, on = gui.ui, self.enabled
        with gui.chrome.window("form", (20, 20, 360, 300), padding=(12, 12)), ui.panel("form"):
            self.share = ui.tuner("Share", self.share, 0.0, 2.0, neutral=0.4, enabled=on, tooltip="A share.")
            self.count = ui.tuner("Count", self.count, 0, 200, step=5, fmt="%.0f", enabled=on, tooltip="A count.")


@pytest.fixture
def form() -> Form:
    return Form()


@pytest.fixture
def p(pilot: Any, form: Form) -> Any:
    return pilot(form)


def test_dragging_changes_the_value_all_the_way(p: Any, form: Form) -> None:
    left, top, width, height = p.control("Share").rect
    middle = top + height / 2
    p.drag((left + 20, middle), (left + width / 2, middle), release=False)
    assert form.share == pytest.approx(1.0, abs=0.02)
    assert p.control("Share").value == form.share
    assert p.control("Share value").value == form.share
    p.drag((left + width / 2, middle), (left + width + 400, middle))
    assert form.share == 2.0
    left, top, width, height = p.control("Count").rect
    p.drag((left + 20, top + height / 2), (left + width / 3, top + height / 2))
    assert form.count == int(form.count)
    assert form.count % 5 == 0


def test_a_double_click_puts_the_usual_value_back(p: Any, form: Form) -> None:
    left, top, width, height = p.control("Share").rect
    p.click_at(left + 0.9 * width, top + height / 2)
    assert form.share > 1.5
    p.frame(2.0)
    p.click_at(left + 0.9 * width, top + height / 2, times=2)
    assert form.share == 0.4


def test_numbers_beyond_the_track_can_be_typed(p: Any, form: Form) -> None:
    p.type_into("Share value", "-7.25")
    assert form.share == -7.25
    p.type_into("Count value", "2,5")
    assert form.count == 15
    assert "whole number" in form.refused[-1]
    p.type_into("Share value", "much")
    assert form.share == -7.25
    assert "must be a number" in form.refused[-1]


def test_disabled_it_does_nothing(p: Any, form: Form) -> None:
    form.enabled = False
    p.settle()
    left, top, width, height = p.control("Share").rect
    p.drag((left + 20, top + height / 2), (left + width / 2, top + height / 2))
    p.click("Share value")
    assert form.share == 0.4
    assert not p.control("Share").enabled
