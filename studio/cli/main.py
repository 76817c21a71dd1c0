"""`python -m studio`: chooses the command, turns errors into messages and exit codes.

Exit codes: 0 done, 1 the work failed, 2 the arguments can't be used, 130 stopped by Ctrl+C.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType

from studio.cli.arguments import PROG
from studio.cli.output import note
from studio.errors import JobCancelled, StudioError

log = logging.getLogger(__name__)

EXIT_FAILED = 1
EXIT_STOPPED = 130


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its module has `EXAMPLES`, `add_arguments(parser)` and `run(args)`."""

    name: str
    summary: str
    module: str


COMMANDS = (
    Command("segment", "segment a whole slide (or a region) into a result file", "studio.cli.segment"),
    Command("info", "say what a slide or a result file holds", "studio.cli.info"),
    Command("export", "write cells in another program's format: GeoJSON, CSV, OME-Zarr, TIFF …", "studio.cli.export"),
    Command("extract", "write an image of each cell, as TFRecords or pictures", "studio.cli.extract"),
    Command("project", "segment and extract a whole cohort of slides", "studio.cli.project"),
    Command("bench", "measure what segmenting a slide costs here", "studio.cli.bench"),
    Command("models", "list, download, train and evaluate models", "studio.cli.models"),
    Command("runs", "list the window's unfinished runs, and delete them", "studio.cli.runs"),
    Command("completion", "print a script that completes commands in your shell", "studio.cli.completion"),
)

WINDOW = Command("", "open the window", "studio.cli.window")


def entry() -> None:
    """The process's entry point: runs `main` and exits with its code."""
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output went away (`… | head`); keep Python's own flush at exit quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILED
    sys.exit(code)


def main(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    command = next((c for c in COMMANDS if argv and c.name == argv[0]), None)
    rest = argv[1:] if command else argv
    module = importlib.import_module((command or WINDOW).module)
    try:
        args = build_parser(command or WINDOW, module).parse_args(rest)
    except SystemExit as ended:  # argparse has printed its help or its error
        return ended.code if isinstance(ended.code, int) else EXIT_FAILED
    return _run(module, args)


def build_parser(command: Command, module: ModuleType) -> argparse.ArgumentParser:
    """The parser of one command; the window's also lists the commands."""
    examples = module.EXAMPLES.strip().splitlines()
    epilog = f"examples:\n{_indented(examples)}"
    if command is WINDOW:
        commands = (f"{c.name:<12}{c.summary}" for c in COMMANDS)
        epilog = f"commands (each has --help):\n{_indented(commands)}\n\n{epilog}"
    parser = argparse.ArgumentParser(
        prog=f"{PROG} {command.name}".rstrip(),
        description=command.summary[0].upper() + command.summary[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    _explain_actions(parser, examples)
    return parser


def _explain_actions(parser: argparse.ArgumentParser, examples: Sequence[str]) -> None:
    """Give each action of a command (`project segment`) a description, and those of the examples that are its own."""
    for group in parser._actions:
        if not isinstance(group, argparse._SubParsersAction):
            continue
        for action in group._choices_actions:
            one = group.choices[action.dest]
            own = [line for line in examples if f"{line} ".startswith(f"{one.prog} ")]
            one.description = f"{str(action.help)[0].upper()}{str(action.help)[1:]}."
            one.epilog = f"examples:\n{_indented(own)}"
            one.formatter_class = argparse.RawDescriptionHelpFormatter
            one.allow_abbrev = False


def _indented(lines: Iterable[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


def _run(module: ModuleType, args: argparse.Namespace) -> int:
    from studio import logs

    log_file = logs.setup(verbose=args.verbose)
    try:
        return int(module.run(args))
    except StudioError as error:
        log.info("%s: %s", type(error).__name__, error)
        note(f"error: {error}")
        return error.exit_code
    except (JobCancelled, KeyboardInterrupt):
        note(f"Stopped. {getattr(module, 'AFTER_STOP', '')}".rstrip())
        return EXIT_STOPPED
    except BrokenPipeError:
        raise
    except Exception as error:
        # The command line's boundary: nothing escapes as a traceback.
        # INFO keeps the traceback off stderr unless --verbose asks for it.
        log.info("Unexpected error", exc_info=error)
        where = f" The details are in {log_file}." if log_file else ""
        note(f"error: unexpected {type(error).__name__}: {error}.{where} Please report it with that file.")
        return EXIT_FAILED
