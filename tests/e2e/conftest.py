"""A screen to put windows on, and cells to show in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import xserver

DIAM_UM = 9.5


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[xserver.Screen]:
    """An X server of our own; skips where the machine has none."""
    if (why := xserver.missing()) is not None:
        pytest.skip(f"no window tests: {why}")
    with xserver.xvfb(tmp_path_factory.mktemp("xvfb") / "xvfb.log") as running:
        yield running


@dataclass(frozen=True)
class Cells:
    """A result file, and how many cells the command said it holds."""

    path: Path
    count: int


@pytest.fixture(scope="session")
def sample_cells(sample_slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """The sample slide's cells at DIAM_UM with their flows, made by the command line."""
    folder = tmp_path_factory.mktemp("command")
    out = folder / "cells.zip"
    command = [sys.executable, "-m", "studio", "segment", str(sample_slide), "-o", str(out), "--json", "--save-flows"]
    finished = subprocess.run(
        [*command, "--model", "builtin", "--diam-um", str(DIAM_UM)],
        env=os.environ | {f"STUDIO_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "LOG", "CACHE")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return Cells(out, json.loads(finished.stdout.splitlines()[-1])["cells"])
