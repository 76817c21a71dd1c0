"""Importing the package stays cheap: the window starts with it."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_heavy_comes_with_the_package() -> None:
    code = "import sys, studio.slide; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"openslide", "PIL", "tifffile", "numba", "scipy", "torch", "imgui", "OpenGL"}
