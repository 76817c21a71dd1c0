"""Which moves of the view may wait for their tiles."""

from __future__ import annotations

import pytest

from studio.app.hold import HOLD_S, STILL_S, Hold

HERE = (0.0, 0.0, 1000.0, 800.0)
ELSEWHERE = (5000.0, 0.0, 1000.0, 800.0)


def held_s(hold: Hold, rect: tuple[float, float, float, float], now_s: float, forecast_s: float = 0.0) -> float:
    seconds = hold.seconds(rect, now_s, forecast_s)
    hold.drawn(now_s)
    return seconds


@pytest.mark.parametrize(
    ("rect", "expected"),
    [
        (ELSEWHERE, HOLD_S),
        ((900.0, 700.0, 1000.0, 800.0), HOLD_S),
        ((375.0, 300.0, 250.0, 200.0), HOLD_S),
        (HERE, 0.0),
        ((24.0, 0.0, 1000.0, 800.0), 0.0),
        ((50.0, 40.0, 900.0, 720.0), 0.0),
    ],
)
def test_only_a_jump_waits(rect: tuple[float, float, float, float], expected: float) -> None:
    hold = Hold()
    assert held_s(hold, HERE, 1.0) == 0.0
    assert held_s(hold, rect, 2.0) == expected


def test_a_view_that_keeps_jumping_is_dragged_and_waits_for_nothing() -> None:
    hold = Hold()
    held_s(hold, HERE, 1.0)
    assert held_s(hold, ELSEWHERE, 2.0) == HOLD_S
    for n in range(1, 5):
        assert held_s(hold, (5000.0 * n, 9000.0, 1000.0, 800.0), 2.0 + 0.9 * n * STILL_S) == 0.0
    # Frames in which it stands don't count.
    held_s(hold, (20000.0, 9000.0, 1000.0, 800.0), 3.0 - STILL_S / 2)
    assert held_s(hold, HERE, 3.0) == HOLD_S


def test_tiles_that_take_long_are_not_waited_for() -> None:
    hold = Hold()
    held_s(hold, HERE, 1.0)
    assert held_s(hold, ELSEWHERE, 2.0, forecast_s=1.5 * HOLD_S) == 0.0


def test_changed_cells_are_waited_for_where_the_view_stands() -> None:
    hold = Hold()
    assert hold.seconds(HERE, 1.0, 0.0, changed=True) == HOLD_S
    assert hold.seconds(HERE, 1.1, 1.5 * HOLD_S, changed=True) == 0.0
    assert hold.seconds((24.0, 0.0, 1000.0, 800.0), 1.2, 0.0, changed=True) == 0.0
    assert hold.seconds((24.0, 0.0, 1000.0, 800.0), 1.3, 0.0) == 0.0
