"""`bench viewer`: what drawing a slide and its cells costs on this machine, in the real window."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from studio.cli.arguments import add_json, add_mpp, add_verbose, existing, size
from studio.cli.output import say, say_json, say_table
from studio.cli.progress import TerminalProgress

CELLS = (0, 10_000, 1_000_000, 5_000_000)
SIZE = (1280, 800)


def add_viewer_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `bench viewer`."""
    parser.add_argument("slide", type=Path, metavar="SLIDE")
    parser.add_argument("masks", type=Path, nargs="?", metavar="MASKS.zip", help="cells to measure with")
    parser.add_argument(
        "--cells",
        type=int,
        nargs="+",
        metavar="N",
        default=list(CELLS),
        help="without MASKS.zip: so many made-up cells, a round each (0 10000 1000000 5000000)",
    )
    parser.add_argument("--size", type=size, metavar="WxH", default=SIZE, help="of the window (1280x800)")
    parser.add_argument(
        "--cycles",
        type=int,
        metavar="N",
        default=0,
        help="also open and close slide and cells N times, and see what stays",
    )
    parser.add_argument("--with-run", action="store_true", help="also measure while the slide is being segmented")
    add_mpp(parser)
    add_json(parser)
    add_verbose(parser)


def run_viewer(args: argparse.Namespace) -> int:
    """Measure, and print what was found."""
    slide = existing(args.slide, "slide")
    masks = None if args.masks is None else existing(args.masks, "result file")
    # The window, at the moment somebody wants one.
    from studio.app.bench import ViewerRequest, bench_viewer

    request = ViewerRequest(
        slide=slide,
        masks=masks,
        cells=args.cells,
        size=args.size,
        mpp=args.mpp,
        cycles=args.cycles,
        with_run=args.with_run,
    )
    with TerminalProgress() as progress:
        report = bench_viewer(request, progress)
    if args.json:
        say_json(report)
    else:
        print_viewer_report(report)
    return 0


def print_viewer_report(report: dict[str, Any]) -> None:
    """The report as a table and a few lines."""
    rows = [
        [
            f"{found['cells']:,}",
            *(f"{found['frame_ms'][part]:.1f}" for part in ("p50", "p95", "p99")),
            f"{found['frame_cpu_ms']['p50']:.1f}",
            *(_shown(found[key]) for key in ("jump_covered_ms", "jump_sharp_ms", "bare_read_ms", "sharp_ratio")),
            *(f"{found[key]:.0f}" for key in ("rss_mb", "gpu_mb")),
        ]
        for found in report["rounds"]
    ]
    heads = ["cells", "frame p50 ms", "p95", "p99", "CPU p50", "covered ms", "sharp ms", "bare ms", "ratio"]
    say_table([*heads, "RAM MB", "GPU MB"], rows)
    say(f"{report['size'][0]} x {report['size'][1]} px, {report['renderer']}")
    if report["frame_ratio"] is not None:
        say(
            f"a frame with the most cells takes {report['frame_ratio']:.2f} x one with the fewest, "
            f"{report['frame_all_cpu_ratio']:.2f} x its CPU time"
        )
    if (run := report.get("with_run")) is not None:
        say(f"frame p95 beside a run {run['frame_ms_beside']['p95']:.1f} ms, {run['p95_ratio']:.2f} x that without")
    if (cycles := report.get("cycles")) is not None:
        say(
            f"{cycles['cycles']:,} times opened and closed: {cycles['rss_growth_kb_per_cycle']:.1f} kB more each time, "
            f"OpenGL objects {sum(cycles['gl_objects'][0].values())} then {sum(cycles['gl_objects'][1].values())}"
        )


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
