"""Room kept for what comes and goes: what stands below stays where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from studio.gui.painter import elided
from studio.gui.ui import JOB_HEIGHT


def job(ui: Any) -> None:
    ui.job_row("Segmenting a slide of a long name", 0.3, "30 %, 5 s left", cancel="Cancel", tooltip="Stop.")


def tall(ui: Any) -> None:
    for number in range(4):
        ui.button(f"Button {number}", tooltip="One of many.")


@pytest.mark.parametrize(
    ("draw", "moves"),
    [(lambda _ui: None, False), (lambda ui: ui.text("A line.", dim=True), False), (job, False), (tall, True)],
)
def test_what_follows_stays_unless_there_is_more_than_the_room(
    pilot: Any, draw: Callable[[Any], None], moves: bool
) -> None:
    drawn: list[Callable[[Any], None]] = [job]

    def form(gui: Any) -> None:
        with gui.chrome.window("form", (20, 20, 300, 500), padding=(12, 12)), gui.ui.panel("form"):
            with gui.ui.at_least(JOB_HEIGHT):
                drawn[0](gui.ui)
            gui.ui.button("Below", tooltip="What follows.")

    p = pilot(form)
    p.settle()
    top = p.control("Below").rect[1]
    drawn[0] = draw
    p.settle()
    assert (p.control("Below").rect[1] != top) == moves


def test_a_line_is_shortened_in_its_middle(pilot: Any) -> None:
    found: list[str] = []

    def form(gui: Any) -> None:
        with gui.chrome.window("form", (20, 20, 300, 200)):
            found[:] = [elided("Segmenting a slide of a long name", 120, middle=True)]

    pilot(form).settle()
    assert found[0].startswith("Seg")
    assert found[0].endswith("name")
    assert len(found[0]) < len("Segmenting a slide of a long name")
