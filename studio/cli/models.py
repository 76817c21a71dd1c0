"""`models`: what there is to segment with, and how good it is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cellseg.params import CHANNELS
from studio.cli.arguments import PROG, add_json, add_verbose, device, number
from studio.cli.output import say, say_fields, say_json, say_table
from studio.cli.progress import TerminalProgress

AFTER_STOP = "The same command goes on where it stopped; a training needs --resume for that."

if TYPE_CHECKING:
    from studio.cellseg.models import ModelInfo

EXAMPLES = f"""
{PROG} models list
{PROG} models download cyto2
{PROG} models train labelled/ -o mine.pt --start-from builtin --steps 400
{PROG} models evaluate labelled/ --model mine.pt --split held-out
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


def _add_train(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="DIR", help="images with NAME_label.tif or NAME_masks.png beside them")
    add("-o", "--out", type=Path, required=True, metavar="FILE", help="weights file; FILE's name with .json says how")
    add("--start-from", metavar="M", help="go on from this model's weights (default: from scratch, slim widths)")
    add("--steps", type=int, metavar="N", help="batches to train on (default 1200)")
    add("--batch", type=int, metavar="N", help="fields a batch (default 8)")
    add("--seed", type=int, metavar="N", help="of everything random (default 0)")
    add("--learning-rate", type=number("the learning rate"), metavar="R", help="at its highest (default 0.002)")
    add("--threads", type=int, default=1, metavar="N", help="compute threads on the CPU (default 1)")
    add("--device", type=device, default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps (default auto)")
    add("--resume", action="store_true", help="go on from the checkpoint of a training that was stopped")


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="DIR", help="images with NAME_label.tif or NAME_masks.png beside them")
    add("--model", metavar="M", help="name or file of a model (default: the one `models list` marks)")
    add("--split", choices=("all", "held-out", "train"), default="all", help="which part of `train`'s fixed split")
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
        default=0.4,
        metavar="T",
        help="as for `segment` (with --diameter-px)",
    )
    add("--backend", default="auto", metavar="B", help="auto, torch, openvino or openvino-bf16 (default auto)")
    add("--threads", type=int, default=1, metavar="N", help="compute threads on the CPU (default 1)")
    add("--pictures", type=Path, metavar="FOLDER", help="write pictures of the outlines: labelled green, found magenta")


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
    """Train a network and write its weights; Ctrl+C leaves a checkpoint."""
    from studio.cellseg.models import ensure_weights, resolve_model
    from studio.cellseg.training.train import TrainSettings, train

    changes = {name: getattr(args, name) for name in ("steps", "batch", "seed", "learning_rate")}
    settings = TrainSettings(**{name: value for name, value in changes.items() if value is not None})
    with TerminalProgress() as progress:
        start = ensure_weights(resolve_model(args.start_from), progress) if args.start_from else None
        report = train(
            args.folders,
            args.out,
            settings=settings,
            start_from=start,
            resume=args.resume,
            threads=args.threads,
            device=args.device,
            progress=progress,
        )
    if args.json:
        say_json(report)
    else:
        say(f"weights: {report['out']}")
        say_fields(report["data"])
    return 0


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
    else:
        say_fields({name: value for name, value in report.items() if name != "per_image"})
    return 0
