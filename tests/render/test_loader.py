"""The loader's threads: order, superseding, giving up, errors, closing. No GL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from studio.errors import SlideError
from studio.render.loader import Check, Request, TileLoader


@pytest.fixture
def loader() -> Iterator[TileLoader]:
    made = TileLoader(threads=1)
    yield made
    made.close()


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def take_all(loader: TileLoader, count: int) -> list[Any]:
    taken: list[Any] = []

    def got() -> bool:
        while (loaded := loader.take()) is not None:
            taken.append(loaded)
        return len(taken) >= count

    wait(got)
    return taken


class Gate:
    """A read that says when it began and goes on when told."""

    def __init__(self, steps: int = 1) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.steps = steps

    def __call__(self, check: Check) -> str:
        self.began.set()
        assert self.go.wait(20)
        for _ in range(self.steps):
            check()
        return "gated"


def noting(order: list[str], name: str) -> Request:
    return Request((1, name), lambda _check: order.append(name))


def test_the_first_on_the_list_comes_first(loader: TileLoader) -> None:
    gate, order = Gate(), []
    loader.want([Request((1, "gate"), gate)])
    gate.began.wait(20)
    names = ["c", "a", "d", "b"]
    loader.want([Request((1, "gate"), gate), *(noting(order, name) for name in names)])
    gate.go.set()
    taken = take_all(loader, 5)
    assert order == names
    assert {loaded.key[1] for loaded in taken} == {"gate", *names}
    assert loader.idle


def test_what_left_the_list_is_never_read_or_handed_out(loader: TileLoader) -> None:
    gate, order = Gate(steps=0), []
    gate_request = Request((1, "gate"), gate)
    loader.want([gate_request, *(noting(order, f"old {n}") for n in range(50))])
    gate.began.wait(20)
    loader.want([noting(order, "new")])
    gate.go.set()
    assert [loaded.key for loaded in take_all(loader, 1)] == [(1, "new")]
    assert order == ["new"]
    assert loader.idle


def test_a_finished_tile_that_nobody_wants_any_more_is_dropped(loader: TileLoader) -> None:
    order: list[str] = []
    loader.want([noting(order, "a"), noting(order, "b")])
    wait(lambda: order == ["a", "b"])
    loader.want([])
    assert loader.take() is None
    assert loader.idle


def test_a_long_read_gives_up_when_it_left_the_list(loader: TileLoader) -> None:
    gate = Gate(steps=1000)
    loader.want([Request((1, "long"), gate, urgent=False)])
    gate.began.wait(20)
    order: list[str] = []
    loader.want([noting(order, "urgent")])
    gate.go.set()
    assert [loaded.key for loaded in take_all(loader, 1)] == [(1, "urgent")]


def test_a_long_read_makes_way_for_an_urgent_one_and_is_done_after_it(loader: TileLoader) -> None:
    gate, order = Gate(steps=2), []

    def long(check: Check) -> None:
        gate(check)
        order.append("long")

    long_request = Request((1, "long"), long, urgent=False)
    loader.want([long_request])
    gate.began.wait(20)
    loader.want([noting(order, "urgent"), long_request])
    gate.go.set()
    take_all(loader, 2)
    assert order == ["urgent", "long"]


def test_an_urgent_read_does_not_make_way(loader: TileLoader) -> None:
    gate, order = Gate(steps=3), []
    request = Request((1, "first"), lambda check: (gate(check), order.append("first")))
    loader.want([request])
    gate.began.wait(20)
    loader.want([noting(order, "second"), request])
    gate.go.set()
    take_all(loader, 2)
    assert order == ["first", "second"]


@pytest.mark.parametrize("error", [SlideError("bad tile"), ValueError("no reader should raise this")])
def test_an_error_is_handed_out_and_the_thread_goes_on(loader: TileLoader, error: Exception) -> None:
    def fail(_check: Check) -> None:
        raise error

    loader.want([Request((1, "bad"), fail), Request((1, "good"), lambda _check: 7)])
    loaded = {item.key[1]: item for item in take_all(loader, 2)}
    assert loaded["bad"].error is error
    assert (loaded["good"].value, loaded["good"].error) == (7, None)


def test_whoever_waits_is_woken(loader: TileLoader) -> None:
    woken = threading.Event()
    loader.wake = woken.set
    loader.want([Request((1, "a"), lambda _check: 1)])
    assert woken.wait(20)
    assert loader.take() is not None


def test_two_threads_never_read_the_same_tile_at_once() -> None:
    loader = TileLoader(threads=2)
    inside, most, lock = [0], [0], threading.Lock()

    def load(_check: Check) -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.002)
        with lock:
            inside[0] -= 1

    for _ in range(20):
        loader.want([Request((1, "same"), load)])
    take_all(loader, 1)
    assert most == [1]
    loader.close()


def test_close_ends_the_threads_and_drops_the_rest() -> None:
    loader, order = TileLoader(threads=2), []
    gate = Gate(steps=0)
    loader.want([Request((1, "gate"), gate), *(noting(order, str(n)) for n in range(3))])
    gate.began.wait(20)
    threads = list(loader._threads)
    threading.Timer(0.05, gate.go.set).start()
    loader.close()
    assert not any(thread.is_alive() for thread in threads)
    assert loader.take() is None


def test_waiting_ends_with_a_tile_or_with_the_time(loader: TileLoader) -> None:
    gate = Gate()
    loader.want([Request((1, "gate"), gate)])
    assert not loader.wait(0.01)
    gate.go.set()
    assert loader.wait(20)
    assert loader.take() is not None
    assert not loader.wait(0)


def test_the_forecast_follows_what_reads_of_a_group_took(loader: TileLoader) -> None:
    assert loader.forecast_s({"slow": 3}) == 0
    slow = Request((1, "slow"), lambda _check: time.sleep(0.02), group="slow")
    loader.want([slow, noting([], "quick")])
    take_all(loader, 2)
    one_s = loader.forecast_s({"slow": 1})
    assert one_s >= 0.02
    assert loader.forecast_s({"slow": 3, "other": 5}) == pytest.approx(3 * one_s)
    assert loader.busy_s >= one_s
