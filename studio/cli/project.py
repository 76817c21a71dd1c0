"""`project`: the same work over a cohort of slides."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli.arguments import PROG, add_json, add_verbose, number, positive_mpp
from studio.cli.extract import add_image_options, image_options
from studio.cli.output import say, say_json
from studio.cli.progress import TerminalProgress
from studio.cli.segment import add_result_options, add_work_options, params_from
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.project.report import Report

EXAMPLES = f"""
{PROG} project create cohort/ --slides /data/slides --annotations clinical.csv
{PROG} project segment cohort/ --diam-um 10 --otsu --buffer /fast/disk
{PROG} project segment cohort/ --preset tuned.json --filter site=lung --filter site=liver
{PROG} project segment cohort/ --scheduler tcp://head-node:8786
{PROG} project extract cohort/ --tile-px 96 --tile-um 40x
{PROG} project report cohort/ --json
"""

AFTER_STOP = "Finished slides and blocks are kept: run the same command again and it goes on where it stopped."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One parser for each thing to do with a project."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add_create(actions.add_parser("create", help="make a project of slides"))
    _add_segment(actions.add_parser("segment", help="segment all slides; done ones are skipped, stopped ones go on"))
    _add_extract(actions.add_parser("extract", help="extract the cells of all segmented slides"))
    add = actions.add_parser("report", help="say what there is; writes ROOT/report/report.html")
    _finish(add, run_report)


def _add_create(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--slides",
        nargs="+",
        required=True,
        metavar="S",
        help="folders, slide files, or patterns such as 'slides/**/*.svs' (quoted)",
    )
    add("--annotations", type=Path, metavar="CSV", help="table with a column `slide`, and `mpp` if slides lack it")
    add("--name", metavar="NAME", help="what the project is called (default: as its folder)")
    _finish(parser, run_create)


def _add_segment(parser: argparse.ArgumentParser) -> None:
    _add_cohort_options(parser)
    parser.add_argument("--dest", type=Path, metavar="DIR", help="another folder for the masks")
    add_result_options(parser)
    add_work_options(parser)
    _finish(parser, run_segment)


def _add_extract(parser: argparse.ArgumentParser) -> None:
    _add_cohort_options(parser)
    parser.add_argument("--masks", type=Path, metavar="DIR", help="another folder with the masks")
    add_image_options(parser)
    _finish(parser, run_extract)


def _add_cohort_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("which slides, and how").add_argument
    add(
        "--filter",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only slides annotated so; may be repeated, values of one column add up",
    )
    add("--filter-blank", action="append", default=[], metavar="COLUMN", help="only slides where this is filled in")
    add("--rois", type=Path, metavar="DIR", help="folder with SLIDE.geojson or SLIDE.csv: only inside of these")
    add("--buffer", type=Path, metavar="DIR", help="folder on a fast disk to copy slides to ahead of time")
    add("--buffer-gb", type=number("the size"), metavar="GB", help="room for these copies (default 50)")
    add("--overwrite", action="store_true", help="replace results that are there")
    add("--no-isolation", action="store_true", help="work in this process; a crash then ends everything")
    add("--scheduler", metavar="S", help="work on Dask: the address of a scheduler, or local for this machine's cores")
    add("--mpp", type=positive_mpp, metavar="M", help="micrometres per pixel of slides that don't say")


def _finish(parser: argparse.ArgumentParser, action: Any) -> None:
    parser.add_argument("root", metavar="ROOT", help="the project's folder")
    add_json(parser)
    add_verbose(parser)
    parser.set_defaults(action=action)


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(args.action(args))


def run_create(args: argparse.Namespace) -> int:
    """Make a project and say what is in it."""
    from studio.project import Project

    project = Project.create(args.root, args.slides, annotations_csv=args.annotations, name=args.name)
    names = [slide.name for slide in project.slides()]
    if args.json:
        say_json({"root": str(project.root), "name": project.name, "slides": names})
    else:
        say(f"{project.root}: {len(names)} slides")
    return 0


def run_segment(args: argparse.Namespace) -> int:
    """Segment; 1 where a slide failed."""
    from studio.project import Project

    params, options = params_from(args), _cohort_options(args)
    project = Project(args.root)
    with TerminalProgress() as progress:
        report = project.cell_segmentation(params=params, dest=args.dest, progress=progress, **options)
    return _say_report(args, report)


def run_extract(args: argparse.Namespace) -> int:
    """Extract; 1 where a slide failed."""
    from studio.project import Project

    options = _cohort_options(args)
    project = Project(args.root)
    with TerminalProgress() as progress:
        report = project.extract_cells(
            args.tile_px,
            args.tile_um,
            masks_path=args.masks,
            save_tfrecords=args.format == "tfrecord",
            save_tiles=args.format != "tfrecord",
            progress=progress,
            **image_options(args),
            **options,
        )
    return _say_report(args, report)


def run_report(args: argparse.Namespace) -> int:
    """Write the report and say what there is."""
    from studio.project import Project

    return _say_report(args, Project(args.root).report())


def filters_from(pairs: list[str]) -> dict[str, list[str]]:
    """`COLUMN=VALUE` texts as filters. Raises UsageError for one without "="."""
    filters: dict[str, list[str]] = {}
    for pair in pairs:
        column, equals, value = pair.partition("=")
        if not (column and equals):
            raise UsageError(f"--filter needs COLUMN=VALUE, such as site=lung, not {pair!r}.")
        filters.setdefault(column, []).append(value)
    return filters


def _cohort_options(args: argparse.Namespace) -> dict[str, Any]:
    if args.buffer_gb is not None and not args.buffer_gb > 0:
        raise UsageError("--buffer-gb must be more than 0.")
    room = {} if args.buffer_gb is None else {"buffer_gb": args.buffer_gb}
    return room | {
        "filters": filters_from(args.filter),
        "filter_blank": args.filter_blank,
        "rois": args.rois,
        "buffer": args.buffer,
        "overwrite": args.overwrite,
        "isolate": not args.no_isolation,
        "scheduler": args.scheduler,
        "mpp": args.mpp,
    }


def _say_report(args: argparse.Namespace, report: Report) -> int:
    if args.json:
        outcomes = [
            {"slide": outcome.slide, "status": outcome.status, "message": outcome.message}
            for outcome in report.outcomes
        ]
        say_json(report.to_dict() | {"report": report.folder and str(report.folder / "report.html"), "step": outcomes})
    else:
        say(str(report))
    return 1 if report.failed else 0
