"""`info`: what a slide or a result file holds."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import Any

from studio.cli.arguments import PROG, add_json, add_mpp, add_verbose, existing
from studio.cli.output import say_fields, say_json

EXAMPLES = f"""
{PROG} info assets/samples/CMU-1-Small-Region.svs
{PROG} info slide-masks.zip --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a slide, or a result file (*.zip)")
    add_mpp(parser)
    add_json(parser)
    add_verbose(parser)


def run(args: argparse.Namespace) -> int:
    """Print what the file holds."""
    values = describe(existing(args.file, "file"), args.mpp)
    (say_json if args.json else say_fields)(values)
    return 0


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
