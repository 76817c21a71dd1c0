"""`segment`: a whole slide, or a region of it, into a result file."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cellseg.params import CHANNELS, USUAL_FLOW_THRESHOLD, SegmentParams
from studio.cli.arguments import PROG, add_json, add_mpp, add_verbose, device, existing, number, region
from studio.cli.output import note, say, say_json
from studio.cli.progress import TerminalProgress
from studio.cli.several import expanded, run_each
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.slide import ROI

EXAMPLES = f"""
{PROG} segment slide.svs -o slide-masks.zip --diam-um 10
{PROG} segment assets/samples/CMU-1-Small-Region.svs -o masks.zip --model builtin --otsu --picture masks.png
{PROG} segment slide.svs --diam-um 10 --estimate
{PROG} segment slide.svs -o stricter.zip --from-flows slide-masks.zip --cellprob-threshold 1
{PROG} segment slide.svs -o part.zip --region 4000,4000,2048,2048 --json
{PROG} segment 'slides/**/*.svs' -o masks/ --diam-um 10
"""

AFTER_STOP = "Finished blocks are kept: run the same command again and it goes on where it stopped."

PICTURE_PX = 2000
"""Longest side of `--picture`."""

DEFAULTS = SegmentParams()

_RESULT_FIELDS = ("diam_um", "channel", "cellprob_threshold", "flow_threshold", "min_size", "niter", "downscale")
_FROM_FLOWS = ("cellprob_threshold", "flow_threshold", "min_size", "niter", "block", "workers")
_NOT_FROM_FLOWS = (
    *("model", "preset", "diam_um", "channel", "otsu", "save_flows", "downscale", "region", "rois", "estimate"),
    *("window", "overlap", "no_tile", "batch", "device", "backend"),
)
_WORK_FIELDS = ("window", "block", "overlap", "batch", "workers", "device", "backend")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "slide", type=Path, nargs="+", metavar="SLIDE", help="a slide; or several, or patterns (quoted)"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="OUT.zip",
        help="result file, of several slides their folder (default: SLIDE's name with -masks.zip, here)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.zip if it exists")
    parser.add_argument(
        "--picture", type=Path, metavar="OUT.png", help="also write a picture of the slide with its cells"
    )
    parser.add_argument(
        "--estimate", action="store_true", help="only say what the run would take: time, memory, disk, cells"
    )
    parser.add_argument(
        "--from-flows",
        type=Path,
        metavar="MASKS.zip",
        help="no network: apply other thresholds, --min-size or --niter to the flows that a result stores",
    )
    parser.add_argument("--region", type=region, metavar="X,Y,W,H", help="only this rectangle, in level-0 pixels")
    parser.add_argument("--rois", type=Path, metavar="FILE", help="only inside the regions of this GeoJSON or CSV file")
    add_result_options(parser)
    add_work_options(parser)
    add_mpp(parser)
    add_json(parser)
    add_verbose(parser)


def add_result_options(parser: argparse.ArgumentParser) -> None:
    """The options that decide which cells are found and what is stored."""
    group = parser.add_argument_group("which cells")
    add = group.add_argument
    add("--model", metavar="M", help="name or file of a model (default: cyto2 if it is on this machine, else builtin)")
    add(
        "--preset",
        type=Path,
        metavar="FILE",
        help="parameters saved by the window, or a result (*.zip) to do the same again; other options go before it",
    )
    diameter = number("the diameter in µm")
    add("--diam-um", type=diameter, metavar="D", help=f"cell diameter (default {DEFAULTS.diam_um:g})")
    add("--otsu", action="store_true", help="only where strict Otsu on the whole slide finds tissue")
    add("--channel", choices=CHANNELS, help="how the network's input is made from the colours")
    add(
        "--cellprob-threshold",
        type=number("the threshold"),
        metavar="T",
        help=f"higher: fewer, smaller cells (default {DEFAULTS.cellprob_threshold:g})",
    )
    add(
        "--flow-threshold",
        type=number("the threshold"),
        metavar="T",
        help=f"lower: stricter about shapes; 0: no check (default {USUAL_FLOW_THRESHOLD:g}, of builtin "
        f"{DEFAULTS.flow_threshold:g})",
    )
    add("--min-size", type=int, metavar="N", help=f"smallest cell in working pixels (default {DEFAULTS.min_size})")
    add("--niter", type=int, metavar="N", help=f"steps of the flow dynamics (default {DEFAULTS.niter})")
    add("--no-interp", action="store_true", help="don't interpolate the flow between pixels on the way")
    add("--save-flows", action="store_true", help="store the flow field too (larger file; gradXY view)")
    add(
        "--downscale",
        type=number("the factor"),
        metavar="F",
        help="divide the stored masks' resolution; the same cells are found (default 1)",
    )


def add_work_options(parser: argparse.ArgumentParser) -> None:
    """The options that say how the work is cut up and what does it."""
    group = parser.add_argument_group("how the work is done")
    add = group.add_argument
    add("--window", type=int, metavar="N", help=f"pixels segmented at a time (default {DEFAULTS.window})")
    add("--block", type=int, metavar="N", help="the engine's block side, if it shall differ from the window")
    add("--overlap", type=int, metavar="N", help="pixels that network tiles share (default 32, without tiles 64)")
    add("--no-tile", action="store_true", help="one network pass per window instead of 256-px tiles")
    add("--batch", type=int, metavar="N", help=f"network tiles at a time (default {DEFAULTS.batch})")
    add("--workers", type=int, metavar="N", help="compute threads (default: one per core)")
    add("--device", type=device, metavar="D", help="auto, cpu, cuda, cuda:N or mps (default auto)")
    add(
        "--backend",
        metavar="B",
        help="torch, torch-bf16, openvino or openvino-bf16 (default auto: measured once on this machine)",
    )
    add("--memory", type=number("the memory"), metavar="GB", help=f"budget (default {DEFAULTS.memory_gb:g})")


def params_from(args: argparse.Namespace) -> SegmentParams:
    """The segmentation parameters that the options ask for. Raises ParameterError, ModelError."""
    base = None if args.preset is None else _preset(existing(args.preset, "preset"))
    changes: dict[str, Any] = {"model": args.model or (base.model if base else _default_model())}
    for name in _RESULT_FIELDS + _WORK_FIELDS:
        if (value := getattr(args, name)) is not None:
            changes[name] = value
    if args.memory is not None:
        changes["memory_gb"] = args.memory
    # A flag that isn't there leaves the preset's choice.
    if args.otsu:
        changes["otsu"] = True
    if args.save_flows:
        changes["save_flows"] = True
    if args.no_tile:
        changes["tile"] = False
    if args.no_interp:
        changes["interp"] = False
    return (base or DEFAULTS).changed(**changes)


def _preset(path: Path) -> SegmentParams:
    from studio.cellseg.recipe import load_preset

    return load_preset(path)


def _default_model() -> str:
    from studio.cellseg.models import default_model

    return default_model()


def run(args: argparse.Namespace) -> int:
    """Segment what is asked for; 1 where one of several slides failed."""
    slides = expanded(args.slide)
    if len(slides) == 1:
        args.slide = slides[0]
        return run_one(args)
    folder = _folder_for(args, slides)
    from studio.cellseg.models import resolve_model

    # What can't be used for any of them is said once.
    resolve_model(params_from(args).model)
    return run_each(args, "slide", slides, run_one, out=lambda slide: folder / f"{slide.stem}-masks.zip")


def _folder_for(args: argparse.Namespace, slides: list[Path]) -> Path:
    """Where the results of several slides go. Raises UsageError."""
    if args.picture is not None or args.from_flows is not None:
        raise UsageError("--picture and --from-flows go with one slide.")
    names = Counter(slide.stem.casefold() for slide in slides)
    shared = [str(slide) for slide in slides if names[slide.stem.casefold()] > 1]
    if shared:
        raise UsageError(f"These would share the name of their result: {', '.join(shared)}. Segment them one by one.")
    folder: Path = args.out or Path()
    if not folder.is_dir():
        raise UsageError(f"For several slides -o is a folder, and there is none at {folder}. Make it first.")
    return folder


def run_one(args: argparse.Namespace) -> int:
    """Segment the slide, write result and picture, print the counts."""
    if args.from_flows is not None:
        return _from_flows(args)
    params = params_from(args)
    slide = existing(args.slide, "slide")
    rois = None if args.rois is None else _regions(args.rois)
    out: Path = args.out or Path(f"{slide.stem}-masks.zip")
    if args.estimate:
        return _estimate(args, slide, params, rois, out)
    _refuse_bad_targets(out, args.picture, overwrite=args.overwrite)
    from studio.cellseg.tasks import segment_task

    with TerminalProgress() as progress:
        result = segment_task(
            progress,
            slide_path=str(slide),
            mpp=args.mpp,
            params=params.to_dict(),
            out=str(out),
            focus=None,
            region=args.region,
            overwrite=args.overwrite,
            rois=rois,
        )
    return _finish(args, slide, out, result)


def _finish(args: argparse.Namespace, slide: Path, out: Path, result: dict[str, Any]) -> int:
    if args.picture is not None:
        result["picture"] = str(args.picture)
        write_picture(slide, out, args.picture, mpp=args.mpp, rect_slide=args.region)
    if args.json:
        say_json(result)
    else:
        say(summary(result))
    return 0


def _from_flows(args: argparse.Namespace) -> int:
    """The same for the flows of an earlier result."""
    slide = existing(args.slide, "slide")
    masks = existing(args.from_flows, "result file")
    for name in _NOT_FROM_FLOWS:
        if getattr(args, name):
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"{option} doesn't go with --from-flows: only what comes after the network can be changed."
            )
    changes = {name: getattr(args, name) for name in _FROM_FLOWS if getattr(args, name) is not None}
    if args.memory is not None:
        changes["memory_gb"] = args.memory
    out: Path = args.out or Path(f"{slide.stem}-masks.zip")
    _refuse_bad_targets(out, args.picture, overwrite=args.overwrite)
    from studio.cellseg.reflow import reflow_task

    with TerminalProgress() as progress:
        result = reflow_task(
            progress,
            slide_path=str(slide),
            mpp=args.mpp,
            masks=str(masks),
            changes=changes,
            out=str(out),
            overwrite=args.overwrite,
        )
    return _finish(args, slide, out, result)


def _estimate(
    args: argparse.Namespace, slide: Path, params: SegmentParams, rois: tuple[ROI, ...] | None, out: Path
) -> int:
    from studio.cellseg.tasks import estimate_task

    with TerminalProgress() as progress:
        said = estimate_task(
            progress,
            slide_path=str(slide),
            mpp=args.mpp,
            params=params.to_dict(),
            out=str(out),
            region=args.region,
            rois=rois,
        )
    if args.json:
        say_json(said)
        return 0
    say(f"{slide.name}: {said['text']}")
    say(
        f"{said['mpx']:,.0f} megapixels at the network's resolution, {said['tissue_share']:.0%} of them tissue; "
        f"{said['blocks']} blocks, {said['blocks_skipped']} of them skipped, {said['blocks_there']} there already"
    )
    if not said["fits_disk"]:
        say(f"The disk of {out.absolute().parent} has {said['disk_free_mb']:,.0f} MB left: too little.")
    return 0


def _regions(path: Path) -> tuple[ROI, ...]:
    from studio.slide import read_rois

    return read_rois(path)


def _refuse_bad_targets(out: Path, picture: Path | None, *, overwrite: bool) -> None:
    if out.suffix.lower() != ".zip":
        raise UsageError(f"The result is a *.zip file; give -o a name such as {out.with_suffix('.zip')}.")
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists already. Give another name with -o, or --overwrite to replace it.")
    for path in (out, picture):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"There is no folder {path.absolute().parent} for {path.name}. Make it first.")
    if picture is not None and picture.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"--picture writes a .png or .jpg file, not {picture.name}.")


def summary(result: dict[str, Any]) -> str:
    """The result in words."""
    rows, cols = result["shape"]
    lines = [
        f"{result['cells']:,} cells in {result['seconds']:.1f} s: {result['out']}",
        f"model {result['model']}, diameter {result['diam_um']:g} µm, masks {cols} × {rows} px, "
        f"{result['mpp']:.4g} µm per pixel",
        f"{result['blocks']} blocks, {result['blocks_skipped']} of them without tissue skipped, "
        f"{result['resumed_blocks']} from an earlier run; peak memory {result['peak_rss_mb']:.0f} MB",
    ]
    if "picture" in result:
        lines.append(f"picture: {result['picture']}")
    return "\n".join(lines)


def write_picture(
    slide_path: Path, result: Path, out: Path, *, mpp: float | None, rect_slide: tuple[int, int, int, int] | None
) -> None:
    """Draw the slide (or a rectangle of it) with its cells as the window would, without a window."""
    from PIL import Image

    from studio.cellseg.picture import overlay_picture
    from studio.cellseg.result import Segmentation
    from studio.document import OverlayStyle
    from studio.slide import open_slide

    note(f"Drawing {out}")
    slide = open_slide(slide_path, mpp=mpp)
    try:
        segmentation = Segmentation.load(result)
        try:
            rect = rect_slide or (0, 0, *slide.size)
            style = OverlayStyle(mask=True, outline=True, black_bg=False, alpha=0.5)
            picture = overlay_picture(slide, segmentation, rect, PICTURE_PX, style)
        finally:
            segmentation.close()
    finally:
        slide.close()
    Image.fromarray(picture).save(out)
