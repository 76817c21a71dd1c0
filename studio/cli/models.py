"""`models`: what there is to segment with, and how good it is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from studio.cli.arguments import PROG, add_json, add_verbose
from studio.cli.output import say, say_json, say_table
from studio.cli.progress import TerminalProgress

if TYPE_CHECKING:
    from studio.cellseg.models import ModelInfo

EXAMPLES = f"""
{PROG} models list
{PROG} models download cyto2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One parser for each thing to do with models."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("list", help="models of this machine, and those that can be downloaded")
    _finish(add, run_list)
    add = actions.add_parser("download", help="fetch a model's weights")
    add.add_argument("name", metavar="NAME", help="a model of `models list`")
    _finish(add, run_download)


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
