"""The same command on several files: patterns, one result a line, and what fails on one never stops the rest."""

from __future__ import annotations

import argparse
import copy
import glob
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from studio.cli.output import note, say, say_json
from studio.errors import StudioError, UsageError


def expanded(paths: Sequence[Path]) -> list[Path]:
    """The files that paths and patterns (`slides/**/*.svs`, quoted) stand for, each once, in the order given.

    What is there under a pattern's very name is that file. Raises UsageError for a pattern that nothing matches.

    >>> expanded([Path("no pattern.svs")])
    [PosixPath('no pattern.svs')]
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.exists() or not glob.has_magic(str(path)):
            found[path] = None
            continue
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207 - absolute patterns, too
        if not matches:
            raise UsageError(f"Nothing matches {path}. Check the pattern.")
        found.update(dict.fromkeys(matches))
    return list(found)


def run_each(
    args: argparse.Namespace, name: str, paths: Sequence[Path], run: Callable[[argparse.Namespace], int], **each: Any
) -> int:
    """Run a command on each path as its argument `name`; 1 where one failed.

    With --json each prints its line of JSON, and the last line counts them.
    `each` holds further arguments as functions of the path.
    """
    failed: list[dict[str, str]] = []
    for number, path in enumerate(paths, start=1):
        note(f"[{number} of {len(paths)}] {path}")
        one = copy.copy(args)
        setattr(one, name, path)
        for other, value in each.items():
            setattr(one, other, value(path))
        try:
            if run(one):
                failed.append({"file": str(path), "error": "see above"})
        except StudioError as error:
            note(f"error: {error}")
            failed.append({"file": str(path), "error": str(error)})
    if args.json:
        say_json({"files": len(paths), "done": len(paths) - len(failed), "failed": failed})
    elif failed:
        say(f"{len(failed)} of {len(paths)} failed: {', '.join(item['file'] for item in failed)}")
    return 1 if failed else 0
