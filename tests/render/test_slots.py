"""Which tile gives way to which."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from studio.render.slots import SlotLRU


def test_the_one_used_longest_ago_gives_way() -> None:
    slots: SlotLRU[str] = SlotLRU(2)
    assert slots.assign("a") == (0, None)
    assert slots.assign("b") == (1, None)
    assert slots.get("a") == 0
    assert slots.assign("c") == (1, "b")
    assert slots.assign("c") == (1, None)
    assert "b" not in slots
    assert slots.get("b") is None


def test_what_is_kept_gives_way_to_nobody() -> None:
    slots: SlotLRU[str] = SlotLRU(2)
    slots.assign("a")
    slots.assign("b")
    assert slots.assign("c", keep={"a"}) == (1, "b")
    assert slots.assign("d", keep={"a", "c"}) is None
    assert "d" not in slots
    assert len(slots) == 2


def test_freed_slots_are_used_before_new_ones() -> None:
    slots: SlotLRU[int] = SlotLRU(10)
    slots.assign(1)
    slots.assign(2)
    slots.release(1)
    slots.release(7)
    assert slots.assign(3) == (0, None)
    slots.clear()
    assert sorted(slots.assign(n)[0] for n in (4, 5)) == [0, 1]  # type: ignore[index]


@given(st.lists(st.tuples(st.sampled_from("arg"), st.integers(0, 9)), max_size=200), st.integers(1, 6))
def test_no_two_keys_ever_share_a_slot(steps: list[tuple[str, int]], capacity: int) -> None:
    slots: SlotLRU[int] = SlotLRU(capacity)
    for step, key in steps:
        if step == "a":
            assert slots.assign(key) is not None
        elif step == "r":
            slots.release(key)
        else:
            slots.get(key)
        held = {key: slots.get(key) for key in range(10) if key in slots}
        assert len(set(held.values())) == len(held) <= capacity
        assert all(0 <= slot < capacity for slot in held.values() if slot is not None)
