"""Kill a run at random moments until it gets through, again and again; the file must equal an undisturbed run's.

    python tests/cellseg/kill_and_resume.py --kills 20

The network is a stand-in, slowed down so that kills fall into every stage; `--real` takes the embedded model.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

CHILD = """
import sys, time
from pathlib import Path
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.run import Request, run_slide
from studio.slide import open_slide

class Slow(BlobNetwork):
    def forward(self, x):
        time.sleep(float(sys.argv[3]))
        return super().forward(x)

print("begun", flush=True)
params = SegmentParams(diam_um=10.0, block=256, save_flows=True, workers=2)
network = None if sys.argv[4] == "real" else Slow()
with open_slide(sys.argv[1]) as slide:
    print(run_slide(slide, Request(params, Path(sys.argv[2])), None, network).resumed_blocks)
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What happened."""

    kills: int
    runs: int
    """How many runs got through, each after some kills."""
    resumed: tuple[int, ...]
    """Blocks that each of them found finished."""
    identical: bool


def kill_and_resume(slide: Path, folder: Path, kills: int, seed: int, *, pause_s: float, real: bool = False) -> Report:
    """Kill until `kills` kills have happened; each run that gets through is compared with an undisturbed one."""
    rng = random.Random(seed)
    undisturbed = folder / "undisturbed.zip"
    with _start(slide, undisturbed, pause_s, real) as child:
        assert child.stdout is not None
        child.stdout.readline()  # imports are no part of a run
        began = time.monotonic()
        child.communicate()
        assert child.returncode == 0
    longest = time.monotonic() - began
    wanted = _digest(undisturbed)
    done, resumed, identical = 0, [], True
    while done < kills:
        out = folder / f"killed-{len(resumed)}.zip"
        while True:
            with _start(slide, out, pause_s, real) as child:
                assert child.stdout is not None
                child.stdout.readline()
                try:
                    # Moments from the very beginning to beyond the end, so that the last pass is hit as well.
                    child.wait(rng.uniform(0, longest))
                except subprocess.TimeoutExpired:
                    child.send_signal(signal.SIGKILL)
                    child.wait()
                    done += 1
                    continue
                assert child.returncode == 0
                resumed.append(int(child.stdout.readline()))
                break
        identical &= _digest(out) == wanted
        out.unlink()
    return Report(done, len(resumed), tuple(resumed), identical)


def _start(slide: Path, out: Path, pause_s: float, real: bool) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(slide), str(out), str(pause_s), "real" if real else "blobs"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.2, help="seconds that each network call is slowed down by")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--slide", type=Path, default=ROOT / "assets" / "samples" / "CMU-1-Small-Region.svs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = kill_and_resume(
            args.slide, Path(folder), args.kills, args.seed, pause_s=0 if args.real else args.pause, real=args.real
        )
    print(report)
    return 0 if report.identical else 1


if __name__ == "__main__":
    sys.exit(main())
