"""Shortcuts as this machine's keys are called."""

from __future__ import annotations

import pytest

from studio.gui import keys


@pytest.mark.parametrize(("on_mac", "wanted"), [(True, "Save (Cmd+S, Option+1)"), (False, "Save (Ctrl+S, Alt+1)")])
def test_a_mac_has_other_keys(monkeypatch: pytest.MonkeyPatch, on_mac: bool, wanted: str) -> None:
    monkeypatch.setattr(keys, "ON_MAC", on_mac)
    assert keys.key_text("Save (Ctrl+S, Alt+1)") == wanted
