"""Where a view is after it was flown to a cell."""

from __future__ import annotations

import pytest

from studio.document import View
from studio.session.flight import CELL_PX, CLOSEST, fly_to


@pytest.mark.parametrize(
    ("before", "diam", "after"),
    [
        (0.5, 20.0, 0.5),  # 40 pixels: seen well as it is
        (20.0, 20.0, 20.0 / CELL_PX),
        (0.02, 20.0, 20.0 / CELL_PX),  # larger than the view
        (1.0, 2.0, CLOSEST),
        (3.0, 0.0, 3.0),  # nothing is known of its size
    ],
)
def test_scale(before: float, diam: float, after: float) -> None:
    view = View(1.0, 2.0, before, (800, 600))
    fly_to(view, 500.5, 70.25, diam)
    assert (view.center_x, view.center_y, view.scale) == (500.5, 70.25, after)
