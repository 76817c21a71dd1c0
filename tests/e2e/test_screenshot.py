"""`--screenshot`: the picture shows what was asked for, with a screen and without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.e2e.xserver import Screen

pytestmark = pytest.mark.e2e

VIEW = (700, 900, 640, 400)


def studio(*args: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; without a display unless `env` has one."""
    bare = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "PYOPENGL_PLATFORM")}
    command = [sys.executable, "-m", "studio", *map(str, args)]
    return subprocess.run(command, env=env or bare, capture_output=True, text=True, check=False, timeout=300)


def picture(path: Path) -> NDArray[np.int16]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(np.int16)


@pytest.fixture(scope="session", params=["screen", "no screen"])
def env(request: pytest.FixtureRequest) -> dict[str, str] | None:
    """With an X server, and with none (then OSMesa draws)."""
    if request.param == "no screen":
        return None
    screen: Screen = request.getfixturevalue("screen")
    return screen.env()


def test_one_to_one_it_is_the_slide_itself(env: dict[str, str] | None, sample_slide: Path, tmp_path: Path) -> None:
    from studio.slide import open_slide

    out = tmp_path / "view.png"
    x, y, w, h = VIEW
    finished = studio(
        *(sample_slide, "--screenshot", out, "--size", f"{w}x{h}", "--view", ",".join(map(str, VIEW))), env=env
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    with open_slide(sample_slide) as slide:
        expected = slide.read_level(0, x, y, w, h).astype(np.int16)
    assert picture(out).shape == expected.shape
    assert np.abs(picture(out) - expected).max() <= 1


def test_the_whole_slide_without_a_view(sample_slide: Path, tmp_path: Path) -> None:
    from studio.slide import open_slide

    out = tmp_path / "slide.png"
    assert studio(sample_slide, "--screenshot", out, "--size", "600x800").returncode == 0
    shown = picture(out)
    assert shown.shape == (800, 600, 3)
    with open_slide(sample_slide) as slide:
        thumbnail = slide.thumbnail(700).astype(np.int16)
    assert np.abs(shown[100:700, 50:550].mean((0, 1)) - thumbnail.mean((0, 1))).max() < 12
    # Beside the slide is background, on all sides alike.
    assert len({tuple(shown[y, x]) for y, x in ((2, 2), (2, 597), (797, 2), (797, 597))}) == 1


@pytest.mark.parametrize("name", ["text.svs", "text.zip"])
def test_what_cant_be_opened_is_named(name: str, sample_slide: Path, tmp_path: Path) -> None:
    bad, out = tmp_path / name, tmp_path / "view.png"
    bad.write_text("neither a slide nor a result")
    files = [bad] if name.endswith(".svs") else [sample_slide, bad]
    finished = studio(*files, "--screenshot", out)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert name in finished.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        ([], "needs a slide"),
        (["SLIDE", "--screenshot", "view.bmpx"], ".png or .jpg"),
        (["SLIDE", "--size", "huge"], "WIDTHxHEIGHT"),
        (["SLIDE", "--view", "1,2,3"], "X,Y,W,H"),
    ],
)
def test_arguments_that_cant_be_used(args: list[str], complaint: str, sample_slide: Path, tmp_path: Path) -> None:
    words = [str(sample_slide) if word == "SLIDE" else word for word in args]
    out = [] if "--screenshot" in words else ["--screenshot", str(tmp_path / "view.png")]
    finished = studio(*words, *out)
    assert finished.returncode == 2
    assert complaint in finished.stderr


def test_a_folder_that_isnt_there(sample_slide: Path, tmp_path: Path) -> None:
    finished = studio(sample_slide, "--screenshot", tmp_path / "nowhere" / "view.png")
    assert finished.returncode == 1
    assert "doesn't exist" in finished.stderr
