"""The default command: open the window."""

from __future__ import annotations

import argparse
from pathlib import Path

from studio.cli.arguments import PROG, add_mpp, add_verbose, rectangle, size
from studio.errors import UsageError

EXAMPLES = f"""
{PROG} --cellpose assets/samples/CMU-1-Small-Region.svs
{PROG} slide.svs slide-masks.zip
{PROG} slide.svs --screenshot view.png --size 1600x1000 --view 0,0,2000,1250
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The window's options."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="slides and result files (*.zip) to open")
    parser.add_argument("--cellpose", action="store_true", help="enable the Cell Segmentation panel")
    add_mpp(parser)
    parser.add_argument(
        "--probe", type=Path, metavar="FILE", help="keep FILE up to date with the window's state (JSON, for tests)"
    )
    parser.add_argument(
        "--screenshot", type=Path, metavar="OUT.png", help="draw offscreen, write the picture when it is sharp, and end"
    )
    parser.add_argument("--size", type=size, metavar="WxH", help="size of the window or of the picture")
    parser.add_argument(
        "--view", type=rectangle, metavar="X,Y,W,H", help="slide rectangle to look at, in level-0 pixels"
    )
    add_verbose(parser)


def run(args: argparse.Namespace) -> int:
    """Open the window; returns when it is closed."""
    for path in args.files:
        if not path.exists():
            raise UsageError(f"There is no file {path}, nor a command of that name; `{PROG} --help` lists them.")
    # The command line's only import of the window, at the moment somebody wants one.
    from studio.app.main import WindowOptions, run_window

    options = WindowOptions(
        files=tuple(args.files),
        cellpose=args.cellpose,
        mpp=args.mpp,
        probe=args.probe,
        screenshot=args.screenshot,
        size=args.size,
        view=args.view,
    )
    return int(run_window(options))
