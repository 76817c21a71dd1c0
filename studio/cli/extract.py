"""`extract`: an image of each cell of a slide, as TFRecords or loose pictures."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli.arguments import PROG, add_json, add_mpp, add_verbose, existing
from studio.cli.output import note, say, say_json
from studio.cli.progress import TerminalProgress

if TYPE_CHECKING:
    from studio.slide.cells import CellExtraction

EXAMPLES = f"""
{PROG} extract slide.svs slide-masks.zip -o tfrecords/
{PROG} extract slide.svs slide-masks.zip -o tiles/ --format png --tile-px 64 --tile-um 20x --no-masks
{PROG} extract slide.svs slide-masks.zip -o tumor/ --rois tumor.geojson --normalizer macenko
"""

AFTER_STOP = "Nothing was written."

FORMATS = ("tfrecord", "png", "jpg")
TILE_PX = 96
TILE_UM = "40x"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("slide", type=Path, metavar="SLIDE")
    parser.add_argument("masks", type=Path, metavar="MASKS.zip", help="its cells, from `segment` or the window")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="gets SLIDE.tfrecords, or SLIDE/*.png"
    )
    parser.add_argument(
        "--rois", type=Path, metavar="FILE", help="only cells inside the regions of this GeoJSON or CSV"
    )
    parser.add_argument("--force", action="store_true", help="also cells that were found on another slide")
    add_image_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier extraction wrote")
    add_mpp(parser)
    add_json(parser)
    add_verbose(parser)


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """The options that decide what the images are like; `project extract` has them too."""
    add = parser.add_argument_group("the images").add_argument
    add("--tile-px", type=int, default=TILE_PX, metavar="N", help=f"side in pixels (default {TILE_PX})")
    add("--tile-um", default=TILE_UM, metavar="U", help=f"side in µm, or a magnification (default {TILE_UM})")
    add("--format", choices=FORMATS, default=FORMATS[0], help="one TFRecord file, or loose pictures (default tfrecord)")
    add("--image", choices=("jpg", "png"), default="jpg", help="how images are stored in TFRecords (default jpg)")
    add("--no-masks", action="store_true", help="leave in what surrounds the cell")
    add("--background", type=int, default=0, metavar="B", help="brightness painted over it, 0 to 255 (default 0)")
    add("--normalizer", metavar="M", help="stain normalisation: macenko or reinhard")
    add("--quality", type=int, default=95, metavar="Q", help="of JPEG, 1 to 100 (default 95)")
    add("--workers", type=int, default=0, metavar="N", help="threads (default: one per core)")


def image_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options as arguments of `extract_cells`."""
    return {
        "img_format": args.image if args.format == "tfrecord" else args.format,
        "apply_masks": not args.no_masks,
        "normalizer": args.normalizer,
        "background": args.background,
        "quality": args.quality,
        "workers": args.workers,
    }


def run(args: argparse.Namespace) -> int:
    """Extract the cells; 1 where the slide is damaged and some couldn't be read."""
    existing(args.slide, "slide")
    existing(args.masks, "result file")
    with TerminalProgress() as progress:
        found = extract(args, progress)
    if found.unreadable:
        note(f"The slide is damaged: {len(found.unreadable)} of {found.cells} cells couldn't be read.")
    if args.json:
        say_json(asdict(found))
    else:
        say(summary(found))
    return 1 if found.unreadable else 0


def extract(args: argparse.Namespace, progress: TerminalProgress) -> CellExtraction:
    """Do what the options ask for."""
    from studio.cellseg.result import Segmentation
    from studio.slide import WSI

    target = {"tfrecord_dir" if args.format == "tfrecord" else "tiles_dir": args.out}
    with (
        WSI(args.slide, args.tile_px, args.tile_um, mpp=args.mpp) as slide,
        Segmentation.load(args.masks) as segmentation,
    ):
        if args.rois is not None:
            slide.load_rois(args.rois)
        slide.apply_segmentation(segmentation, force=args.force)
        return slide.extract_cells(**target, **image_options(args), overwrite=args.overwrite, progress=progress)


def summary(found: CellExtraction) -> str:
    """The result in words."""
    lines = [f"{found.written:,} cells in {found.seconds:.1f} s: {found.tfrecord or found.tiles}"]
    if found.padded:
        lines.append(f"{found.padded:,} of them lie at the slide's edge; their images are padded")
    if found.cut:
        lines.append(f"{found.cut:,} of them are larger than the image; a larger --tile-um shows them whole")
    return "\n".join(lines)
