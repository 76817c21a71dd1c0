"""The loop with a stage that only counts: when it draws, when it sleeps, what it does with failures."""

from __future__ import annotations

import math

import pytest

from studio.app.loop import FAILURES_MAX, FRAME_S, HEARTBEAT_S, WAKE_GAP_S, FrameClock, FrameTimes, Pacer, run
from studio.errors import StudioError


class FakeStage:
    """Time passes only in `wait` (all of the timeout, if nothing is planned) and `draw`."""

    def __init__(self, ends_s: float, draw_s: float = 0.01) -> None:
        self.now_s = 0.0
        self.ends_s = ends_s
        self.draw_s = draw_s
        self.drawn: list[float] = []
        self.waits = 0
        self.poll_s = math.inf
        self.input_at: list[float] = []
        self.wakes_at: list[float] = []
        self.changes_at: list[float] = []
        self.again: list[float | None] = []
        self.raising: list[Exception | None] = []
        self.failures: list[Exception] = []
        self.has_input = False
        self.loading = True
        self._woken = False

    def clock(self) -> float:
        return self.now_s

    @property
    def closing(self) -> bool:
        return self.now_s >= self.ends_s

    def wait(self, timeout_s: float) -> None:
        self.waits += 1
        until_s = self.now_s + timeout_s
        interrupts = [t for t in self.input_at + self.wakes_at if t <= until_s]
        self.now_s = max(self.now_s, min([until_s, *interrupts]))
        self.has_input |= self._pass(self.input_at)
        self._woken |= self._pass(self.wakes_at)

    def _pass(self, times: list[float]) -> bool:
        passed = [t for t in times if t <= self.now_s]
        del times[: len(passed)]
        return bool(passed)

    def take_wake(self) -> bool:
        woken, self._woken = self._woken, False
        return woken

    def update(self) -> bool:
        return self._pass(self.changes_at)

    def draw(self) -> float | None:
        self.drawn.append(self.now_s)
        self.now_s += self.draw_s
        self.has_input = False
        error = self.raising.pop(0) if self.raising else None
        if error is not None:
            raise error
        return self.again.pop(0) if self.again else None

    def failed(self, error: Exception) -> None:
        self.failures.append(error)


def test_idle_draws_once_and_sleeps() -> None:
    stage = FakeStage(ends_s=10)
    run(stage, stage.clock)
    assert len(stage.drawn) == 1
    assert stage.waits <= 10 / HEARTBEAT_S + 3


def test_input_is_drawn_at_once() -> None:
    stage = FakeStage(ends_s=5)
    stage.input_at = [1.234, 3.0]
    run(stage, stage.clock)
    assert stage.drawn[1:] == [1.234, 3.0]


def test_a_flood_of_input_is_drawn_at_the_frame_rate() -> None:
    stage = FakeStage(ends_s=1, draw_s=0.001)
    stage.input_at = [i / 1000 for i in range(1000)]
    run(stage, stage.clock)
    gaps = [b - a for a, b in zip(stage.drawn, stage.drawn[1:], strict=False)]
    assert min(gaps) >= FRAME_S - 1e-9
    assert len(stage.drawn) >= 0.9 / FRAME_S / 1.1


def test_a_change_seen_while_polling_is_drawn() -> None:
    stage = FakeStage(ends_s=2)
    stage.poll_s = 0.05
    stage.changes_at = [0.5]
    run(stage, stage.clock)
    assert len(stage.drawn) == 2
    assert 0.5 <= stage.drawn[1] <= 0.56


def test_jobs_are_polled_without_drawing() -> None:
    stage = FakeStage(ends_s=2)
    stage.poll_s = 0.05
    run(stage, stage.clock)
    assert len(stage.drawn) == 1
    assert 35 <= stage.waits <= 45


@pytest.mark.parametrize(("draw_s", "gap_s"), [(0.001, FRAME_S), (0.04, 0.04), (0.5, WAKE_GAP_S)])
def test_incoming_tiles_leave_time_to_the_loader(draw_s: float, gap_s: float) -> None:
    stage = FakeStage(ends_s=3, draw_s=draw_s)
    stage.wakes_at = [i / 1000 for i in range(3000)]
    run(stage, stage.clock)
    pauses = [b - a - draw_s for a, b in zip(stage.drawn[1:], stage.drawn[2:], strict=False)]
    assert pauses
    assert all(gap_s - 1e-9 <= pause <= gap_s + 0.002 for pause in pauses)


def test_the_last_tile_is_drawn_as_soon_as_the_frame_rate_allows() -> None:
    stage = FakeStage(ends_s=2, draw_s=0.08)
    stage.wakes_at = [0.081]
    stage.loading = False
    run(stage, stage.clock)
    assert stage.drawn == [0.0, 0.081]


def test_a_frame_asked_for_later_comes_then() -> None:
    stage = FakeStage(ends_s=3)
    stage.again = [0.7, None]
    run(stage, stage.clock)
    assert stage.drawn[1] == pytest.approx(stage.drawn[0] + stage.draw_s + 0.7)
    assert len(stage.drawn) == 2


def test_one_bad_frame_is_reported_and_the_next_is_drawn() -> None:
    stage = FakeStage(ends_s=3)
    stage.raising = [None, ValueError("boom")]
    stage.input_at = [1.0]
    run(stage, stage.clock)
    assert [str(error) for error in stage.failures] == ["boom"]
    assert len(stage.drawn) == 3


def test_three_bad_frames_in_a_row_end_the_program() -> None:
    stage = FakeStage(ends_s=30)
    stage.raising = [ValueError("one"), None, *(ValueError(f"again {i}") for i in range(FAILURES_MAX))]
    stage.input_at = [1.0, 2.0]
    with pytest.raises(StudioError, match="ValueError: again 2"):
        run(stage, stage.clock)
    assert len(stage.failures) == FAILURES_MAX  # one by itself, and all but the last of the row


def test_an_error_in_update_counts_too() -> None:
    stage = FakeStage(ends_s=30)

    def update() -> bool:
        raise OSError("no news")

    stage.update = update
    with pytest.raises(StudioError, match="no news"):
        run(stage, stage.clock)


def test_pacer_keeps_the_earliest_request() -> None:
    pacer = Pacer()
    pacer.drawn(10.0, 10.01, 0.5)
    assert pacer.wait_s(10.01) == pytest.approx(0.5)
    pacer.now()
    assert pacer.wait_s(10.01) == pytest.approx(FRAME_S - 0.01)


def test_percentiles_by_nearest_rank() -> None:
    frames = FrameClock(kept=100)
    assert frames.times == FrameTimes(0, 0, 0)
    for ms in range(1000, 0, -1):  # only 100 … 1 are kept
        frames.add(ms / 1000)
    times = frames.times
    assert (times.p50, times.p95, times.p99) == pytest.approx((50, 95, 99))
