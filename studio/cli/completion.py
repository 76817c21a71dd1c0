"""`completion`: a script that completes commands, options and files in a shell."""

from __future__ import annotations

import argparse
import importlib

from studio.cli.arguments import PROG, add_verbose
from studio.cli.output import say

EXAMPLES = f"""
{PROG} completion bash > ~/.local/share/bash-completion/completions/studio
{PROG} completion zsh > "${{fpath[1]}}/_studio"
"""

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
SCRIPT = "studio"
"""The program as it is called where it is installed; `python -m` can't be completed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("shell", choices=SHELLS)
    add_verbose(parser)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    say(shtab.complete(whole_parser(), args.shell))
    return 0


def whole_parser() -> argparse.ArgumentParser:
    """All commands in one parser, whose paths are completed as files."""
    from studio.cli.main import COMMANDS

    parser = argparse.ArgumentParser(prog=SCRIPT)
    commands = parser.add_subparsers()
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.summary)
        importlib.import_module(command.module).add_arguments(one)
    _complete_files(parser)
    return parser


def _complete_files(parser: argparse.ArgumentParser) -> None:
    from pathlib import Path

    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                _complete_files(one)
        elif action.type is Path or action.metavar in ("ROOT", "S"):
            folder = action.metavar in ("DIR", "ROOT")
            action.complete = shtab.DIRECTORY if folder else shtab.FILE  # type: ignore[attr-defined]
