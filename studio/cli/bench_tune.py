"""`bench tune`: what a preview costs, and each threshold that is moved on it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from studio.cli.arguments import add_json, add_mpp, add_verbose, existing, region, size
from studio.cli.output import say, say_json, say_table
from studio.cli.progress import TerminalProgress

SIZE = (1280, 800)


def add_tune_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `bench tune`."""
    from studio.cli.segment import add_result_options, add_work_options

    parser.add_argument("slide", type=Path, metavar="SLIDE")
    parser.add_argument("--region", type=region, metavar="X,Y,W,H", help="the view, in level-0 pixels (all of it)")
    parser.add_argument("--rounds", type=int, metavar="N", default=3, help="how often all thresholds are moved (3)")
    parser.add_argument(
        "--on-screen",
        type=size,
        metavar="WxH",
        nargs="?",
        const=SIZE,
        help="in the real window, so large (1280x800): from the slider's move to its cells on the screen",
    )
    add_result_options(parser)
    add_work_options(parser)
    add_mpp(parser)
    add_json(parser)
    add_verbose(parser)


def run_tune(args: argparse.Namespace) -> int:
    """Measure, and print what was found."""
    from studio.cellseg.tunebench import TuneRequest, bench_tune
    from studio.cli.segment import params_from
    from studio.slide import open_slide

    path = existing(args.slide, "slide")
    with open_slide(path, mpp=args.mpp) as slide:
        whole = (0.0, 0.0, float(slide.size[0]), float(slide.size[1]))
        mpp = slide.require_mpp()
    request = TuneRequest(path, params_from(args), args.region or whole, mpp, args.rounds)
    if args.on_screen is not None:
        # The window, at the moment somebody wants one.
        from studio.app.benchtune import bench_tune_window

        with TerminalProgress() as progress:
            report = bench_tune_window(request, args.on_screen, progress)
    else:
        with TerminalProgress() as progress:
            report = bench_tune(request, progress)
    if args.json:
        say_json(report)
    elif args.on_screen is not None:
        print_window_report(report)
    else:
        print_tune_report(report)
    return 0


def print_window_report(report: dict[str, Any]) -> None:
    """The report of `bench_tune_window` as a table and a line."""
    parts = list(report["steps"]["all"]["parts_ms"])
    rows = [
        [
            name,
            str(step["n"]),
            *(f"{step[key]:.0f}" for key in ("least_ms", "p50_ms", "max_ms")),
            f"1/{1 / step['p50_to_network']:.0f}",
            *(f"{step['parts_ms'][part]:.0f}" for part in parts),
            *(f"{step[key]:.0f}" for key in ("cpu_ms", "window_cpu_ms")),
        ]
        for name, step in report["steps"].items()
    ]
    heads = ["moved", "times", "least ms", "p50 ms", "most ms", "p50 / network"]
    say_table([*heads, *(part.replace("_", "-") for part in parts), "task CPU ms", "window CPU ms"], rows)
    load = "" if report["load"] is None else f", load {report['load']:.1f}"
    say(
        f"{report['cells']:,} cells in view, {report['threads']} threads, network {report['network_ms']:.0f} ms; "
        f"{report['size'][0]} x {report['size'][1]} px, {report['renderer']}{load}"
    )


def print_tune_report(report: dict[str, Any]) -> None:
    """The report as a table and a few lines."""
    rows = [
        [
            name,
            str(step["n"]),
            *(f"{step[key]:.0f}" for key in ("p50_ms", "max_ms", "p50_cpu_ms", "p50_outside_ms")),
            *(f"1/{1 / step[key]:.0f}" for key in ("p50_to_network", "max_to_network", "max_to_preview")),
        ]
        for name, step in report["steps"].items()
    ]
    heads = ["moved", "times", "p50 ms", "most ms", "CPU p50", "outside p50"]
    say_table([*heads, "p50 / network", "most / network", "most / preview"], rows)
    say(
        f"{report['cells']:,} cells on {report['mpx']:.1f} Mpx, {report['threads']} threads: preview "
        f"{report['preview_ms']:.0f} ms, of which network {report['network_ms']:.0f} ms; "
        f"then {report['ready_ms']:.0f} ms in the background for all thresholds"
    )
