"""`bench`: what segmenting a slide, tuning and looking at one costs on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from studio.cli.arguments import PROG, add_json, add_mpp, add_verbose, existing, region
from studio.cli.bench_tune import add_tune_arguments, run_tune
from studio.cli.bench_viewer import add_viewer_arguments, run_viewer
from studio.cli.output import say, say_json, say_table
from studio.cli.progress import TerminalProgress

EXAMPLES = f"""
{PROG} bench segment assets/samples/CMU-1-Small-Region.svs --model builtin --json
{PROG} bench segment slide.svs --region 8000,8000,4096,4096 --diam-um 10
{PROG} bench segment slide.svs --stand-in --otsu
{PROG} bench tune slide.svs --region 10000,10000,3000,2250
{PROG} bench tune slide.svs --region 10000,10000,3000,2250 --on-screen
{PROG} bench viewer slide.svs slide-masks.zip --json
{PROG} bench viewer slide.svs --cells 10000 5000000 --cycles 1000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    segment = kinds.add_parser("segment", help="the engine, stage by stage, against the bare network and Cellpose")
    add_segment_arguments(segment)
    tune = kinds.add_parser("tune", help="a preview, and each threshold that is moved on it")
    add_tune_arguments(tune)
    viewer = kinds.add_parser("viewer", help="frames, jumps, memory of the real window, with millions of cells")
    add_viewer_arguments(viewer)


def add_segment_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `bench segment`."""
    from studio.cli.segment import add_result_options, add_work_options

    parser.add_argument("slide", type=Path, metavar="SLIDE")
    parser.add_argument("--region", type=region, metavar="X,Y,W,H", help="only this rectangle, in level-0 pixels")
    parser.add_argument("--rois", type=Path, metavar="FILE", help="only inside the regions of this GeoJSON or CSV file")
    parser.add_argument("--no-cellpose", action="store_true", help="leave out Cellpose's own eval, which takes long")
    parser.add_argument(
        "--stand-in", action="store_true", help="a blob detector instead of the network: what is not the network"
    )
    add_result_options(parser)
    add_work_options(parser)
    add_mpp(parser)
    add_json(parser)
    add_verbose(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, and print what was found."""
    if args.what == "viewer":
        return run_viewer(args)
    if args.what == "tune":
        return run_tune(args)
    from studio.cellseg.bench import BenchRequest, bench_segment
    from studio.cli.segment import params_from
    from studio.slide import open_slide, read_rois

    request = BenchRequest(
        params=params_from(args),
        region_slide=args.region,
        rois=None if args.rois is None else read_rois(args.rois),
        cellpose=not args.no_cellpose,
        stand_in=args.stand_in,
    )
    with TerminalProgress() as progress, open_slide(existing(args.slide, "slide"), mpp=args.mpp) as slide:
        report = bench_segment(slide, request, progress)
    if args.json:
        say_json(report)
    else:
        print_report(report)
    return 0


def print_report(report: dict[str, Any]) -> None:
    """The report as a table and a few lines."""
    rows = [
        [name, f"{times['wall_s']:.2f}", f"{times['cpu_s']:.2f}", f"{times['cpu_s_per_mpx']:.3f}"]
        for name, times in report["stages"].items()
    ]
    say_table(["stage", "wall s", "CPU s", "CPU s/Mpx"], rows)
    say(
        f"{report['mpx']:.1f} Mpx, {report['cells']:,} cells, {report['foreground_share']:.0%} foreground, "
        f"{report['threads']} threads, {report['backend']}"
    )
    say(
        f"whole pipeline {report['total_s']:.2f} s (CPU {report['total_cpu_s']:.2f}), "
        f"bare network {report['network_s']:.2f} s (CPU {report['network_cpu_s']:.2f}): "
        f"{report['ratio_to_network']:.2f} x; peak memory {report['peak_rss_mb']:.0f} MB; "
        f"compiling before that {report['compile_s']:.1f} s"
    )
    if report["cellpose_eval_s"] is not None:
        say(
            f"Cellpose's eval on {report['cellpose_mpx']:.1f} Mpx: {report['cellpose_eval_s']:.1f} s, ours "
            f"{report['ours_s_there']:.1f} s: {report['speedup_vs_cellpose']:.1f} times as fast, "
            f"{report['cpu_speedup_vs_cellpose']:.1f} times by CPU time"
        )
        _print_cells(report)


def _print_cells(report: dict[str, Any]) -> None:
    rows = []
    for key, words in (
        ("cells_against_cellpose", "ours, Cellpose on the same tiles"),
        ("cells_against_cellpose_on_other_tiles", "ours, Cellpose on its own tiles"),
        ("cellpose_against_itself_moved", "Cellpose on an image cut smaller, and uncut"),
    ):
        for name, which in (("all", "all"), ("near_block_edges", "near block edges")):
            if (found := report.get(key)) is not None:
                cells = found[name]
                counts = f"{cells['ours']:,}", f"{cells['cellpose']:,}"
                rows.append([words, which, *counts, f"{cells['f1_50']:.4f}", f"{cells['matched_90']:.4f}"])
    say_table(["compared", "cells", "first", "second", "F1 at IoU 0.5", "matched at IoU 0.9"], rows)
