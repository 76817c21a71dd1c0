"""The byte-bounded cache."""

from __future__ import annotations

import threading

import pytest

from studio.core.lru import ByteLRU


def cache(budget: int) -> ByteLRU[str, bytes]:
    return ByteLRU(budget, len)


def test_forgets_what_was_used_longest_ago() -> None:
    lru = cache(30)
    for key in "abc":
        lru.put(key, bytes(10))
    assert lru.get("a") is not None
    lru.put("d", bytes(10))
    assert [key in lru for key in "abcd"] == [True, False, True, True]
    assert lru.used_bytes == 30


def test_replacing_a_value_counts_its_bytes_once() -> None:
    lru = cache(100)
    lru.put("a", bytes(60))
    lru.put("a", bytes(20))
    lru.put("b", bytes(70))
    assert lru.used_bytes == 90
    assert len(lru) == 2


def test_a_value_beyond_the_budget_is_handed_out_but_not_kept() -> None:
    lru = cache(10)
    lru.put("small", bytes(5))
    assert len(lru.get_or_load("large", lambda: bytes(11))) == 11
    assert "large" not in lru
    assert "small" in lru


def test_many_threads_that_want_one_key_load_it_once() -> None:
    lru = cache(100)
    loads: list[int] = []
    all_ask, go = threading.Barrier(8), threading.Event()

    def load() -> bytes:
        loads.append(1)
        go.wait(10)
        return b"value"

    got: list[bytes] = []

    def ask() -> None:
        all_ask.wait(10)
        got.append(lru.get_or_load("key", load))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert got == [b"value"] * 8
    assert loads == [1]


def test_a_failed_load_reaches_all_that_wait_and_is_tried_again_later() -> None:
    lru = cache(100)
    started, go = threading.Event(), threading.Event()
    errors: list[str] = []

    def fail() -> bytes:
        started.set()
        go.wait(10)
        raise ValueError("broken")

    def ask() -> None:
        try:
            lru.get_or_load("key", fail)
        except ValueError as error:
            errors.append(str(error))

    first = threading.Thread(target=ask)
    first.start()
    assert started.wait(10)
    second = threading.Thread(target=ask)
    second.start()
    go.set()
    first.join(10)
    second.join(10)
    assert errors == ["broken", "broken"]
    assert lru.get_or_load("key", lambda: b"fine") == b"fine"


def test_a_load_under_way_when_all_is_cleared_is_not_kept() -> None:
    lru = cache(100)

    def load() -> bytes:
        lru.clear()
        return b"old"

    assert lru.get_or_load("key", load) == b"old"
    assert "key" not in lru
    assert lru.used_bytes == 0


@pytest.mark.parametrize("budget", [0, 1, 50])
def test_never_holds_more_than_its_budget(budget: int) -> None:
    lru = cache(budget)
    for n in range(100):
        lru.put(str(n % 17), bytes(n % 13))
        assert lru.used_bytes <= budget
