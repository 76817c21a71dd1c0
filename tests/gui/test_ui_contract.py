"""The stand-in that panel tests draw with has the methods of the real one."""

from __future__ import annotations

import inspect

import pytest

from studio.gui.ui import Ui
from tests.widgets.conftest import FakeUi

HELPERS = {"press", "enter", "begin", "end"}
NAMES = [n for n, value in vars(FakeUi).items() if callable(value) and not n.startswith("_") and n not in HELPERS]


@pytest.mark.parametrize("name", NAMES)
def test_same_arguments(name: str) -> None:
    real = inspect.signature(getattr(Ui, name)).parameters
    fake = inspect.signature(getattr(FakeUi, name)).parameters
    missing = [p for p in fake if p not in real]
    assert missing == []
    for each in fake:
        assert real[each].kind == fake[each].kind
        assert real[each].default == fake[each].default or each in ("height", "gap")
