"""A screen to put windows on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import xserver


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[xserver.Screen]:
    """An X server of our own; skips where the machine has none."""
    if (why := xserver.missing()) is not None:
        pytest.skip(f"no window tests: {why}")
    with xserver.xvfb(tmp_path_factory.mktemp("xvfb") / "xvfb.log") as running:
        yield running
