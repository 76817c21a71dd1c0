"""The event queue: nothing is lost, order is kept, and what a polling binding would miss is spread over frames."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from studio.gui.events import Char, Drop, Event, EventQueue, Focus, Key, MouseButton, MouseMove, Wheel

ENTER, BACKSPACE, CTRL = 257, 259, 341


def key(code: int, *, mods: int = 0) -> list[Event]:
    return [Key(code, 0, True, mods), Key(code, 0, False, mods)]


def frames(*events: Event) -> list[list[Event]]:
    queue = EventQueue()
    for event in events:
        queue.put(event)
    taken = []
    while queue:
        taken.append(queue.take())
    assert [e for frame in taken for e in frame] == list(events)
    return taken


def test_an_empty_queue_is_false_and_gives_nothing() -> None:
    queue = EventQueue()
    assert not queue
    assert queue.take() == []
    queue.put(Wheel(0, 1))
    assert queue
    queue.take()
    assert not queue


def test_an_instant_click_is_seen_for_a_frame() -> None:
    press, release = MouseButton(0, True), MouseButton(0, False)
    assert frames(press, release) == [[press], [release]]


def test_a_double_click_takes_four_frames() -> None:
    assert len(frames(*[MouseButton(0, down) for down in (True, False, True, False)])) == 4


def test_buttons_of_one_frame_may_differ() -> None:
    assert len(frames(MouseButton(0, True), MouseButton(1, True))) == 1


def test_a_press_happens_where_the_pointer_was() -> None:
    first, second = frames(MouseMove(1, 1), MouseButton(0, True), MouseMove(9, 9))
    assert first == [MouseMove(1, 1), MouseButton(0, True)]
    assert second == [MouseMove(9, 9)]


def test_moves_and_wheel_turns_share_a_frame() -> None:
    assert len(frames(*[MouseMove(i, i) for i in range(20)], *[Wheel(0, 1)] * 10)) == 1


def test_typed_letters_share_a_frame() -> None:
    text: list[Event] = []
    for letter in "aabba":
        text += [Key(ord(letter.upper()), 0, True), Char(ord(letter)), Key(ord(letter.upper()), 0, False)]
    assert len(frames(*text)) == 1


def test_named_keys_are_seen_for_a_frame() -> None:
    assert len(frames(*key(ENTER))) == 2
    assert len(frames(*key(BACKSPACE), *key(BACKSPACE))) == 4


def test_a_letter_after_a_named_key_waits_for_the_next_frame() -> None:
    """A text field takes all letters of a frame before its keys: the letter would be erased instead."""
    first, *rest = frames(Key(BACKSPACE, 0, True), Char(ord("x")), Key(BACKSPACE, 0, False))
    assert first == [Key(BACKSPACE, 0, True)]
    assert Char(ord("x")) in rest[0]


def test_select_all_then_typing() -> None:
    taken = frames(Key(CTRL, 0, True), *key(65, mods=2), Key(CTRL, 0, False, 2), Char(ord("7")))
    assert taken[0] == [Key(CTRL, 0, True), Key(65, 0, True, 2)]
    assert not any(isinstance(event, Char) for event in taken[0])


def test_typing_and_clicking_do_not_mix() -> None:
    assert len(frames(Char(ord("5")), MouseButton(0, True))) == 2
    assert len(frames(MouseButton(0, True), Char(ord("5")))) == 2
    assert len(frames(MouseButton(0, True), Key(ENTER, 0, True))) == 2


def test_drops_and_focus_never_wait() -> None:
    drop, focus = Drop((Path("a.svs"),)), Focus(False)
    assert frames(MouseButton(0, True), drop, focus) == [[MouseButton(0, True), drop, focus]]


@pytest.mark.parametrize("seed", range(20))
def test_any_mix_keeps_its_order_and_no_button_or_named_key_changes_twice_in_a_frame(seed: int) -> None:
    import random

    rng = random.Random(seed)
    kinds: list[Event] = [
        MouseMove(1, 2), MouseButton(0, True), MouseButton(0, False), MouseButton(1, True), Wheel(0, 1),
        *key(ENTER), *key(65), *key(65, mods=2), Char(66), Focus(False),
    ]  # fmt: skip
    taken = frames(*rng.choices(kinds, k=200))
    for frame in taken:
        buttons = [e.button for e in frame if isinstance(e, MouseButton)]
        named = [e.key for e in frame if isinstance(e, Key) and e.key >= 256]
        assert len(buttons) == len(set(buttons))
        assert len(named) == len(set(named))
    assert all(before and after for before, after in pairwise(taken))


def test_a_shortcut_is_seen_while_its_modifier_is_held() -> None:
    """Whichever of the two keys is let go of first."""
    control_down, control_up = Key(CTRL, 0, True), Key(CTRL, 0, False, 2)
    a_down, a_up = Key(ord("A"), 0, True, 2), Key(ord("A"), 0, False)
    assert frames(control_down, a_down, control_up, a_up) == [[control_down, a_down], [control_up, a_up]]
    a_up = Key(ord("A"), 0, False, 2)
    assert frames(control_down, a_down, a_up, control_up)[0] == [control_down, a_down]


def test_what_is_dragged_gets_to_where_it_is_let_go() -> None:
    move, release = MouseMove(5, 5), MouseButton(0, False)
    assert frames(move, release) == [[move], [release]]
