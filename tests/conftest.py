"""Fixtures that all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio import logs

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the settings, logs or runs of the person who runs it."""
    base = tmp_path_factory.mktemp("studio-home")
    for name in ("CONFIG", "LOG", "CACHE"):
        monkeypatch.setenv(f"STUDIO_{name}_DIR", str(base / name.lower()))


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """What a test logged to is closed with it: its stderr is no more."""
    yield
    logs.stop()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real slides beside the checkout, or `$STUDIO_DATA`; skips where there is none."""
    folder = Path(os.environ.get("STUDIO_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real slides at {folder} (set STUDIO_DATA to a folder with them)")
    return folder


@pytest.fixture(scope="session")
def sample_slide() -> Path:
    """The H&E slide shipped with the program."""
    return ROOT / "assets" / "samples" / "CMU-1-Small-Region.svs"
