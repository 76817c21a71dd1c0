"""What compiling ahead of the first use is for: nothing is left to compile when somebody waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMPILED_AHEAD = """
import sys
from pathlib import Path

from studio.cellseg.firstuse import compile_engine
from studio.cellseg.params import SegmentParams
from studio.cellseg.tasks import segment_task
from studio.cellseg.tunetasks import view_task
from studio.core.jobs import NullProgress

slide, cache, out = sys.argv[1:]
compiled = lambda: {p.name for p in Path(cache).rglob("*.nbc")}
compile_engine()
ahead = compiled()
view = dict(slide_path=slide, mpp=None, rect_slide=(900, 800, 400, 300))
view["params"] = SegmentParams(model="builtin").to_dict()
found = view_task(NullProgress(), **view)["cells"]
view_task(NullProgress(), **view, stream=False, ahead=True)
view["params"]["cellprob_threshold"] = -1.0
view_task(NullProgress(), **view, stream=False)
run = segment_task(
    NullProgress(), slide_path=slide, mpp=None, params=view["params"], out=out, focus=None, region=(900, 800, 400, 300)
)
print(len(ahead), found, run["cells"], sorted(compiled() - ahead))
"""


def test_nothing_is_left_to_compile(sample_slide: Path, tmp_path: Path) -> None:
    cache = tmp_path / "compiled"
    command = [sys.executable, "-c", COMPILED_AHEAD, str(sample_slide), str(cache), str(tmp_path / "out.zip")]
    env = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    ahead, found, saved, late = run.stdout.strip().split(" ", 3)
    assert int(ahead) > 20
    assert int(found) > 20
    assert int(saved) > 20
    assert late == "[]"
