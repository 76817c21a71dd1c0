"""What lies over the slide while A and B are compared, and the commands for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry
from studio.document import Overlay
from tests.app.stand import Stand


def show(stand: Stand, *sides: int) -> None:
    labels = np.zeros((200, 200), np.uint32)
    for number, side in enumerate(sides, 1):
        labels[number * 30 : number * 30 + side, 50 : 50 + side] = number
    stand.session.document.set_overlay(Overlay(ArraySource(labels, MaskGeometry((200, 200), 2.0, 2.0)), "preview"))


def command(stand: Stand, name: str) -> Any:
    return next(each for each in stand.commands if each.name == name)


@pytest.fixture
def stand(stands: Any, sample_slide: Path) -> Stand:
    made: Stand = stands()
    made.open_slide(sample_slide)
    return made


def kept(stand: Stand) -> None:
    """Two cells as A, one as B."""
    show(stand, 10, 12)
    command(stand, "keep").run()
    show(stand, 10)
    stand.wait(lambda: stand.session.compare.agreement is not None)


def test_the_divider_is_dragged_as_far_as_the_edges_and_moves_nothing_else(stand: Stand) -> None:
    kept(stand)
    comparison, view = stand.session.document.comparison, stand.session.document.view
    assert stand.p.find("Divider") is None
    command(stand, "compare_swipe").run()
    stand.p.settle()
    left, top, width, height = stand.area
    before = view.rect_slide
    x, y = stand.p.control("Divider", "view").middle
    assert x == pytest.approx(left + width / 2, abs=1)
    stand.p.drag((x, y), (left + 0.25 * width, y))
    assert comparison.split == pytest.approx(0.25, abs=0.01)
    stand.p.drag(stand.p.control("Divider").middle, (left - 300, y))
    assert comparison.split == 0
    stand.p.drag((left + 2, y), (left + width / 2, y))
    assert comparison.split == pytest.approx(0.5, abs=0.02)
    assert view.rect_slide == before
    assert top < y < top + height


def test_the_pointer_over_the_divider_shows_that_it_can_be_dragged(stand: Stand) -> None:
    kept(stand)
    command(stand, "compare_bare").run()
    stand.p.settle()
    stand.p.hover("Divider", seconds=0.1)
    assert stand.p.gui.cursor == "resize_h"


def test_commands_say_when_they_can_be_run(stand: Stand) -> None:
    names = ("keep", "compare_a", "compare_swipe", "compare_blink", "compare_differences", "next_difference")
    assert not any(command(stand, name).enabled() for name in names)
    show(stand, 10)
    assert [name for name in names if command(stand, name).enabled()] == ["keep"]
    kept(stand)
    assert all(command(stand, name).enabled() for name in names)


def test_each_view_is_switched_on_and_off_by_its_command(stand: Stand) -> None:
    kept(stand)
    comparison = stand.session.document.comparison
    for view in ("a", "swipe", "blink", "differences", "bare"):
        toggle = command(stand, f"compare_{view}")
        toggle.run()
        stand.p.settle()
        assert (comparison.view, toggle.checked()) == (view, True)
        assert (stand.p.find("Divider") is not None) == (view in ("swipe", "bare"))
        toggle.run()
        assert (comparison.view, toggle.checked()) == ("b", False)


def test_next_and_previous_go_through_what_differs(stand: Stand) -> None:
    kept(stand)
    command(stand, "next_difference").run()
    comparison = stand.session.document.comparison
    assert (comparison.selected_a, comparison.view) == (2, "differences")
    view = stand.session.document.view
    assert (view.center_x, view.center_y) == (2 * 56, 2 * 66)
