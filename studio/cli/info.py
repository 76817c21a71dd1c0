"""`info`: what a slide or a result file holds."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import Any

from studio.cli.arguments import PROG, add_json, add_mpp, add_verbose, existing
from studio.cli.output import say_fields, say_json
from studio.cli.progress import TerminalProgress
from studio.cli.several import expanded, run_each

EXAMPLES = f"""
{PROG} info assets/samples/CMU-1-Small-Region.svs
{PROG} info slide-masks.zip --json
{PROG} info 'slides/**/*.svs' --json
{PROG} info slide-masks.zip --compare other-masks.zip
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "file", type=Path, nargs="+", metavar="FILE", help="slides, result files (*.zip), or patterns (quoted)"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="OTHER",
        help="another result of the same slide: how many cells agree (F1 at IoU 0.5), changed, or are only in one",
    )
    add_mpp(parser)
    add_json(parser)
    add_verbose(parser)


def run(args: argparse.Namespace) -> int:
    """Print what the files hold."""
    files = expanded(args.file)
    if len(files) > 1:
        return run_each(args, "file", files, run_one)
    args.file = files[0]
    return run_one(args)


def run_one(args: argparse.Namespace) -> int:
    """Print what one file holds."""
    values = describe(existing(args.file, "file"), args.mpp)
    if args.compare is not None:
        values["agreement"] = _agreement(args.file, existing(args.compare, "file"))
    (say_json if args.json else say_fields)(values)
    return 0


def _agreement(file: Path, other: Path) -> dict[str, Any]:
    """How two result files agree; A is the first. Raises ResultFileError, or UsageError for different places."""
    from studio.cellseg import compare

    with TerminalProgress() as progress:
        return {"other": str(other), **compare(file, other, progress).summary()}


def describe(path: Path, mpp: float | None = None) -> dict[str, Any]:
    """A slide's or result's description. Raises SlideError or ResultFileError."""
    if path.suffix.lower() == ".zip" or (path.is_file() and zipfile.is_zipfile(path)):
        from studio.cellseg.resultfile import file_info

        return file_info(path)
    from studio.slide import open_slide

    slide = open_slide(path, mpp=mpp)
    try:
        return slide.info()
    finally:
        slide.close()
