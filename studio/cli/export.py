"""`export`: cells of a result file in another program's format."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from studio.cli.arguments import PROG, add_json, add_mpp, add_verbose, existing, rectangle
from studio.cli.output import say, say_json
from studio.cli.progress import TerminalProgress
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.slide import WSI

EXAMPLES = f"""
{PROG} export slide-masks.zip --to geojson -o slide.geojson.gz
{PROG} export slide-masks.zip -o cells.csv
{PROG} export slide-masks.zip --to imagej-roi --region 4000,4000,2048,2048 -o rois.zip
"""

AFTER_STOP = "Nothing was written."

# The names of `studio.cellseg.exports.KINDS`, which a test compares: --help shall load no NumPy.
FORMATS = {
    "geojson": "GeoJSON for QuPath; compressed if OUT ends with .gz",
    "csv": "the cell table; compressed if OUT ends with .gz",
    "parquet": 'the cell table (needs pip install "studio-wsi[export]")',
    "h5ad": 'AnnData with places and measurements (needs pip install "studio-wsi[export]")',
    "ome-zarr": "the label image with its pyramid, OME-Zarr 0.5, a folder",
    "tiff": "the label image with its pyramid, BigTIFF",
    "seg-npy": "a region as Cellpose's _seg.npy; with --slide also its image",
    "imagej-roi": "a region's outlines as a zip of ImageJ ROIs",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    formats = "; ".join(f"{name}: {what}" for name, what in FORMATS.items())
    parser.add_argument("masks", type=Path, metavar="MASKS.zip", help="a result file")
    parser.add_argument("--to", choices=FORMATS, metavar="FORMAT", help=f"{formats}. Default: what OUT's name says")
    parser.add_argument("-o", "--out", type=Path, metavar="OUT", required=True, help="the file (or folder) to make")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    parser.add_argument(
        "--region", type=rectangle, metavar="X,Y,W,H", help="only cells whose centroid lies in it, in slide pixels"
    )
    parser.add_argument(
        "--slide", type=Path, metavar="SLIDE", help="the slide: adds each cell's mean stain to tables and GeoJSON"
    )
    add_mpp(parser)
    add_json(parser)
    add_verbose(parser)


def run(args: argparse.Namespace) -> int:
    """Export and say what was written."""
    from studio.cellseg.exports import export, kind_for
    from studio.cellseg.result import Segmentation

    kind = args.to
    if kind is None:
        guessed = kind_for(args.out)
        if guessed is None:
            raise UsageError(f"{args.out.name} doesn't say which format is wanted. Give it: --to {'|'.join(FORMATS)}.")
        kind = guessed.name
    began_s = time.monotonic()
    slide = _slide(args)
    try:
        with TerminalProgress() as progress, Segmentation.load(existing(args.masks, "result file"), progress) as cells:
            out = export(cells, kind, args.out, progress, slide=slide, rect_slide=args.region, overwrite=args.overwrite)
            count = cells.cells
    finally:
        if slide is not None:
            slide.close()
    result = {
        "out": str(out),
        "format": kind,
        "cells": count,
        "bytes": _bytes(out),
        "seconds": round(time.monotonic() - began_s, 3),
    }
    if args.json:
        say_json(result)
    else:
        say(f"{count:,} cells in the masks; {result['bytes']:,} bytes of {kind} in {result['seconds']:.1f} s: {out}")
    return 0


def _slide(args: argparse.Namespace) -> WSI | None:
    if args.slide is None:
        return None
    from studio.slide import open_slide

    return open_slide(existing(args.slide, "slide"), mpp=args.mpp)


def _bytes(out: Path) -> int:
    files = out.rglob("*") if out.is_dir() else [out]
    return sum(path.stat().st_size for path in files if path.is_file())
