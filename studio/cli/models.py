"""`models`: what there is to segment with, and how good it is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cellseg.params import BUILTIN_MODEL, CHANNELS
from studio.cli.arguments import PROG, add_json, add_verbose, device, number
from studio.cli.modelscores import say_before_and_after, say_folders
from studio.cli.output import note, say, say_fields, say_json, say_table
from studio.cli.progress import TerminalProgress
from studio.errors import UsageError

SPLITS = ("all", "held-out", "train", "validation")
LABELLED = "images with NAME_label.tif or NAME_masks.png beside them"
FINE_TUNING_RATE = 0.0005
AFTER_STOP = "The same command goes on where it stopped; a training needs --resume for that."

if TYPE_CHECKING:
    from studio.cellseg.models import ModelInfo
    from studio.cellseg.training.train import TrainSettings

EXAMPLES = f"""
{PROG} models list
{PROG} models download cyto2
{PROG} models train labelled/ -o mine.pt --start-from builtin --steps 400
{PROG} models evaluate labelled/ --model mine.pt --split held-out
{PROG} models speed --model builtin
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One parser for each thing to do with models."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("list", help="models of this machine, and those that can be downloaded")
    _finish(add, run_list)
    add = actions.add_parser("download", help="fetch a model's weights")
    add.add_argument("name", metavar="NAME", help="a model of `models list`")
    _finish(add, run_download)
    add = actions.add_parser("train", help="train a network on labelled images")
    _add_train(add)
    _finish(add, run_train)
    add = actions.add_parser("evaluate", help="compare a model's cells with labelled images")
    _add_evaluate(add)
    _finish(add, run_evaluate)
    add = actions.add_parser("scan", help="scores at many thresholds at once, to choose them by")
    _add_scan(add)
    _finish(add, run_scan)
    add = actions.add_parser("sweep", help="short trainings of several widths and working sizes, side by side")
    _add_sweep(add)
    _finish(add, run_sweep)
    add = actions.add_parser("speed", help="CPU time of a model's network beside Cellpose's, on each back end")
    _add_speed(add)
    _finish(add, run_speed)


def _add_train(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="DIR", help=LABELLED)
    add("-o", "--out", type=Path, required=True, metavar="FILE", help="weights file; FILE's name with .json says how")
    add("--start-from", metavar="M", help="go on from this model's weights (default: from scratch, slim widths)")
    add("--widths", type=int, nargs=4, metavar="N", help="channels of the four levels from scratch (16 32 64 128)")
    add(
        "--diam-mean", type=number("the diameter"), metavar="PX", help="pixels across a cell, from scratch (default 24)"
    )
    add(
        "--no-style",
        action="store_true",
        help="make each cell independent of what else is on the network's tile (zeros for the style's weights)",
    )
    add("--teacher", metavar="M", help="model that labels unlabelled fields (default: a classical method)")
    add("--fields", type=int, metavar="N", help="unlabelled fields taken of each folder at most (default 9)")
    add("--steps", type=int, metavar="N", help="batches to train on (default 1200)")
    add("--batch", type=int, metavar="N", help="fields a batch (default 8)")
    add("--seed", type=int, metavar="N", help="of everything random (default 0)")
    add(
        "--learning-rate",
        type=number("the learning rate"),
        metavar="R",
        help="at its highest (default 0.002; 0.0005 with --start-from)",
    )
    add("--threads", type=int, default=1, metavar="N", help="compute threads on the CPU (default 1)")
    add("--device", type=device, default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps (default auto)")
    add(
        "--generated",
        type=float,
        metavar="SHARE",
        help="share of synthetic nuclei in the training (default 0.12; 0 with --start-from)",
    )
    add(
        "--validation",
        action="store_true",
        help="leave out a further fifth of the images, to choose by (evaluate --split validation)",
    )
    add("--resume", action="store_true", help="go on from the checkpoint of a training that was stopped")
    add("--report", type=Path, metavar="FOLDER", help="of the report with pictures (default: beside FILE)")
    add("--no-report", action="store_true", help="write no report")
    add("--no-list", action="store_true", help="don't put the new model on the list of models")


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="DIR", help=LABELLED)
    add("--model", metavar="M", help="name or file of a model (default: the one `models list` marks)")
    add("--split", choices=SPLITS, default="all", help="which part of `train`'s fixed split")
    add(
        "--diameter-px",
        type=number("the diameter"),
        metavar="D",
        help="of cells in the images (default: found in each)",
    )
    add("--channel", choices=CHANNELS, default="auto", help="how the network's input is made from the colours")
    add(
        "--cellprob-threshold",
        type=number("the threshold"),
        default=0.0,
        metavar="T",
        help="as for `segment` (with --diameter-px)",
    )
    add(
        "--flow-threshold",
        type=number("the threshold"),
        metavar="T",
        help="as for `segment` (with --diameter-px)",
    )
    add("--backend", default="auto", metavar="B", help="auto, torch, openvino or openvino-bf16 (default auto)")
    add("--threads", type=int, default=1, metavar="N", help="compute threads on the CPU (default 1)")
    add("--markdown", action="store_true", help="print the scores of each folder as a table for a README")
    add("--pictures", type=Path, metavar="FOLDER", help="write pictures of the outlines: labelled green, found magenta")


def _add_scan(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="DIR", help=LABELLED)
    add("--model", metavar="M", help="name or file of a model (default: the one `models list` marks)")
    add("--split", choices=SPLITS, default="validation", help="which part of the fixed split (default validation)")
    add("--backend", default="auto", metavar="B", help="auto, torch, openvino or openvino-bf16 (default auto)")
    add("--threads", type=int, default=1, metavar="N", help="compute threads on the CPU (default 1)")


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="DIR", help=LABELLED)
    add("-o", "--out", type=Path, required=True, metavar="FOLDER", help="of the weights; finished ones are kept")
    add("--widths", type=int, nargs="+", default=[8, 16, 32], metavar="N", help="channels of the first level")
    add("--diam-means", type=float, nargs="+", default=[16.0, 24.0], metavar="PX", help="pixels across a cell")
    add("--steps", type=int, default=300, metavar="N", help="batches of each training (default 300)")
    add("--batch", type=int, default=8, metavar="N", help="fields a batch (default 8)")
    add("--seed", type=int, default=0, metavar="N", help="the same for each training (default 0)")
    add("--threads", type=int, default=1, metavar="N", help="compute threads on the CPU (default 1)")


def _add_speed(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", metavar="M", default=BUILTIN_MODEL, help=f"name or file of a model (default {BUILTIN_MODEL})")
    add("--diam-um", type=number("the diameter"), default=10.0, metavar="D", help="cell diameter in µm (default 10)")
    add("--threads", type=int, default=1, metavar="N", help="compute threads (default 1)")


def _finish(parser: argparse.ArgumentParser, action: Any) -> None:
    add_json(parser)
    add_verbose(parser)
    parser.set_defaults(action=action)


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(args.action(args))


def run_list(args: argparse.Namespace) -> int:
    """Print the models, those on this machine marked."""
    from studio.cellseg.models import default_model, list_models

    models, default = list_models(), default_model()
    if args.json:
        say_json({"default": default, "models": [_as_json(info) for info in models]})
        return 0
    rows = [
        [
            info.name + ("  (default)" if info.name == default else ""),
            info.kind,
            "here" if info.installed else "download",
            "" if info.size_mb is None else f"{info.size_mb:.1f} MB",
            info.description,
        ]
        for info in models
    ]
    say_table(["model", "kind", "where", "size", "what"], rows)
    return 0


def _as_json(info: ModelInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "title": info.title,
        "kind": info.kind,
        "installed": info.installed,
        "path": info.path,
        "size_mb": info.size_mb,
        "diam_mean": info.diam_mean,
        "has_size_model": info.has_size_model,
        "description": info.description,
    }


def run_download(args: argparse.Namespace) -> int:
    """Fetch weights that aren't on this machine yet."""
    from studio.cellseg.models import ensure_weights, resolve_model

    info = resolve_model(args.name)
    with TerminalProgress() as progress:
        path = ensure_weights(info, progress)
    if args.json:
        say_json({"name": info.name, "path": path})
    else:
        say(f"{info.name}: {path}")
    return 0


def run_train(args: argparse.Namespace) -> int:
    """Train a network, write its weights and a report, and list it; Ctrl+C leaves a checkpoint."""
    from studio.cellseg.models import ensure_weights, resolve_model
    from studio.cellseg.training.report import write_report
    from studio.cellseg.training.target import check_folder
    from studio.cellseg.training.train import train

    report_at = args.report or args.out.with_name(args.out.stem + "-report")
    if args.report is not None and not args.no_report:
        check_folder(report_at, "the report")
    with TerminalProgress() as progress:
        start = ensure_weights(resolve_model(args.start_from), progress) if args.start_from else None
        report = train(
            args.folders,
            args.out,
            settings=_train_settings(args),
            start_from=start,
            teacher=args.teacher,
            resume=args.resume,
            threads=args.threads,
            device=args.device,
            progress=progress,
        )
        if not args.no_report:
            report["report"] = write_report(
                report, args.folders, report_at, before=args.start_from, threads=args.threads, progress=progress
            )
    if not args.no_list:
        report["listed_as"] = _listed(args.out)
    if args.json:
        say_json(report)
        return 0
    say(f"weights: {report['out']}")
    say_fields(report["data"])
    if "report" in report:
        say_before_and_after(report["report"])
        say(f"report: {report['report']['page']}")
    if report.get("listed_as"):
        say(f"on the list of models as {report['listed_as']}")
    return 0


def _train_settings(args: argparse.Namespace) -> TrainSettings:
    from studio.cellseg.training.train import TrainSettings

    values = {
        name: getattr(args, name) for name in ("steps", "batch", "seed", "learning_rate", "diam_mean", "validation")
    }
    values["generated_share"] = args.generated
    if args.start_from:
        # Fine-tuning is for cells that may look like anything but our synthetic nuclei …
        values["generated_share"] = 0.0 if args.generated is None else args.generated
        # … and shouldn't forget in its first steps what the weights know.
        values["learning_rate"] = args.learning_rate or FINE_TUNING_RATE
    values["widths"] = tuple(args.widths) if args.widths else None
    values["style"], values["fields_a_folder"] = not args.no_style, args.fields
    return TrainSettings(**{name: value for name, value in values.items() if value is not None})


def _listed(path: Path) -> str | None:
    """Name under which the new model stands on the list; None, and a word why, where it can't."""
    from studio.cellseg.models import register_user_model
    from studio.errors import ModelError

    try:
        return register_user_model(path).name
    except ModelError as error:
        note(f"The new model is not on the list: {error} It works by its path: --model {path}")
        return None


def run_evaluate(args: argparse.Namespace) -> int:
    """Score a model on labelled images."""
    from studio.cellseg.models import default_model
    from studio.cellseg.training.evaluate import evaluate

    with TerminalProgress() as progress:
        report = evaluate(
            args.folders,
            args.model or default_model(),
            diameter_px=args.diameter_px,
            split=args.split,
            channel=args.channel,
            cellprob_threshold=args.cellprob_threshold,
            flow_threshold=args.flow_threshold,
            backend=args.backend,
            threads=args.threads,
            pictures=args.pictures,
            progress=progress,
        )
    if args.json:
        say_json(report)
    elif args.markdown:
        from studio.cellseg.training.report import markdown_table

        say(markdown_table(report))
    else:
        say_folders(report)
    return 0


def run_scan(args: argparse.Namespace) -> int:
    """Print the scores at each of the thresholds, and the best."""
    from studio.cellseg.models import default_model, resolve_model
    from studio.cellseg.networks import load_network
    from studio.cellseg.training.evaluate import labelled_images
    from studio.cellseg.training.scan import best_row, scan

    items, info = labelled_images(args.folders, args.split), resolve_model(args.model or default_model())
    network = load_network(info, batch=1, threads=args.threads, backend=args.backend)
    with TerminalProgress() as progress:
        rows = scan(items, info, network, progress)
    if not rows:
        raise UsageError("None of these images has a labelled cell.")
    if args.json:
        say_json({"model": info.name, "images": len(items), "best": best_row(rows), "rows": rows})
        return 0
    folders = list(rows[0]["folders"])
    names = [*list(rows[0])[:-1], *(f"{key} {folder}" for folder in folders for key in ("f1_50", "count_bias"))]
    say_table(names, [_scan_cells(row, folders) for row in (*rows, best_row(rows))])
    note("The last row is the one to take: counts truest, at next to the best F1.")
    return 0


def _scan_cells(row: dict[str, Any], folders: list[str]) -> list[str]:
    of_folders = [row["folders"][folder][key] for folder in folders for key in ("f1_50", "count_bias")]
    return [str(value) for value in (*list(row.values())[:-1], *of_folders)]


def run_sweep(args: argparse.Namespace) -> int:
    """Train, score and time each of the networks."""
    from studio.cellseg.training.sweep import sweep
    from studio.cellseg.training.train import TrainSettings

    settings = TrainSettings(steps=args.steps, batch=args.batch, seed=args.seed)
    with TerminalProgress() as progress:
        rows = sweep(
            args.folders,
            args.out,
            args.widths,
            args.diam_means,
            settings=settings,
            threads=args.threads,
            progress=progress,
        )
    if args.json:
        say_json({"rows": rows})
        return 0
    names = ("widths", "diam_mean", "f1_50", "count_bias", "cpu_s_per_mpx", "cpu_s_per_mm2")
    folders = list(rows[0]["folders"])
    say_table(
        [*names, *(f"f1_50 {folder}" for folder in folders)],
        [[*(str(row[n]) for n in names), *(str(row["folders"][f]["f1_50"]) for f in folders)] for row in rows],
    )
    return 0


def run_speed(args: argparse.Namespace) -> int:
    """Measure and print the rows."""
    from studio.cellseg.training.speed import measure_speed

    with TerminalProgress() as progress:
        rows = measure_speed(args.model, diam_um=args.diam_um, threads=args.threads, progress=progress)
    if args.json:
        say_json({"diam_um": args.diam_um, "threads": args.threads, "rows": rows})
    else:
        say_table(list(rows[0]), [[str(value) for value in row.values()] for row in rows])
    return 0
