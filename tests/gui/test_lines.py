"""Where paragraphs are broken."""

from __future__ import annotations

import pytest

from studio.gui.lines import with_whole_numbers


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("this one 0.2282. Load it?", 12, ["this one", "0.2282. Load", "it?"]),
        ("first 1,234\nthen nothing", 30, ["first 1,234", "then nothing"]),
        ("in 12,345 /a/long/path.svs", 10, ["in 12,345", "/a/long/path.svs"]),
        ("no number is in this one. None", 12, ["no number is in this one. None"]),
    ],
)
def test_numbers_stay_whole(text: str, width: int, lines: list[str]) -> None:
    assert with_whole_numbers(text, width, len).split("\n") == lines
