"""The memory budget, against what a process really takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cellseg.conftest import dotted_tissue
from tests.cellseg.huge_slide import PATTERN, write_huge_slide

ROOT = Path(__file__).parents[2]
MEMORY_GB = 0.15


def test_blocks_take_what_is_counted_for_them_and_runs_keep_their_budget(tmp_path: Path) -> None:
    tissue = dotted_tissue(PATTERN * 2, PATTERN, 1400, 0)[:, :PATTERN]
    slide = write_huge_slide(tmp_path / "slide.tiff", 6000, tissue)
    command = [sys.executable, "-m", "tests.cellseg.memory_taken", str(slide), str(MEMORY_GB)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    taken, counted = said["block"]
    assert counted / 2 < taken < counted
    assert said["cells"] > 5000
    # All tiles at once would be too much.
    assert said["tiles_mb"] > 1.5 * MEMORY_GB * 1000
    assert said["beyond_mb"] < MEMORY_GB * 1000
