"""What commands write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from studio.cli.output import say_fields, say_json, say_table


def test_json_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"n": np.int64(3), "f": np.float32(0.5), "a": np.arange(2), "p": Path("x"), "t": (1, 2), "bad": np.nan}
    say_json(values)
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert json.loads(text) == {"n": 3, "f": 0.5, "a": [0, 1], "p": "x", "t": [1, 2], "bad": None}


def test_fields_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    say_fields({"a": 1, "long": None, "nested": {"size": (20, 30)}, "many": [{"w": 1, "h": 2}]})
    assert capsys.readouterr().out.splitlines() == [
        "a       1",
        "long    -",
        "nested",
        "  size  20 × 30",
        "many",
        "  w 1  h 2",
    ]


def test_table_columns_fit(capsys: pytest.CaptureFixture[str]) -> None:
    say_table(["model", "where"], [["a", "here"], ["longer", "download"]])
    assert capsys.readouterr().out.splitlines() == ["model   where", "a       here", "longer  download"]
