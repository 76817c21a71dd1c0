"""Lines over the slide."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from studio.gui.painter import closed_without_sharp_corners, without_sharp_corners

WHITE = (1.0, 1.0, 1.0, 1.0)

NARROW = [(100.0, 300.0), (400.0, 310.0), (240.0, 60.0)]
"""A triangle whose corners all turn by more than a right angle."""


def test_lines_are_cut_where_they_turn_sharply() -> None:
    there_and_back = [(0.0, 0.0), (10.0, 0.0), (20.0, 9.0), (0.0, 10.0)]
    assert without_sharp_corners(there_and_back) == [there_and_back[:3], there_and_back[2:]]
    assert without_sharp_corners(there_and_back[:3]) == [there_and_back[:3]]
    assert without_sharp_corners(there_and_back[:1]) == [there_and_back[:1]]


def test_closed_lines_are_cut_so_that_each_step_is_drawn_once() -> None:
    square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]
    assert closed_without_sharp_corners(square) == []
    for shift in range(5):
        house = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (5.0, 40.0), (0.0, 10.0)]
        house = house[shift:] + house[:shift]
        [run] = closed_without_sharp_corners(house)
        assert run[0] == run[-1] == (5.0, 40.0)
        assert sorted(run[:-1]) == sorted(house)
    steps = [step for run in closed_without_sharp_corners(NARROW) for step in itertools.pairwise(run)]
    assert steps == list(zip(NARROW, [*NARROW[1:], NARROW[0]], strict=True))


@pytest.mark.parametrize("closed", [True, False])
def test_lines_are_as_thick_at_sharp_corners_as_elsewhere(pilot: Any, closed: bool) -> None:
    def content(gui: Any) -> None:
        under = gui.chrome.under
        under.ring(NARROW, WHITE, 4.0) if closed else under.lines([*NARROW, NARROW[0], NARROW[1]], WHITE, 4.0)

    drive = pilot(content)
    drive.frame()
    picture = drive.picture()[..., 0].astype(np.float64)
    bare = picture[0, 0]
    for (x0, y0), (x1, y1) in zip(NARROW, [*NARROW[1:], NARROW[0]], strict=True):
        for share in (0.1, 0.5, 0.9):
            x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
            covered = (picture[round(y) - 12 : round(y) + 13, round(x)] - bare).sum() / (255 - bare)
            across = covered * abs(x1 - x0) / np.hypot(x1 - x0, y1 - y0)
            assert across == pytest.approx(4.0, abs=0.8)
