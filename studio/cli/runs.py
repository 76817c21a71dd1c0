"""`runs`: whole-slide runs of the window that haven't ended, and how to be rid of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from studio.cli.arguments import PROG, add_json, add_verbose
from studio.cli.output import note, say, say_json, say_table
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.session.unfinished import Leftover

EXAMPLES = f"""
{PROG} runs
{PROG} runs --json
{PROG} runs --delete slide-3f9a0c1b2d4e
"""

HEADER = ("NAME", "SLIDE", "DONE", "MODEL", "DIAMETER", "SIZE", "LAST WORKED ON")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--delete", nargs="+", metavar="NAME", help="delete what these runs have done; they can't be resumed then"
    )
    add_json(parser)
    add_verbose(parser)


def run(args: argparse.Namespace) -> int:
    """List the runs, or delete some."""
    from studio.session import unfinished

    found = unfinished.leftovers()
    deleted = [_named(found, name) for name in args.delete or ()]
    for left in deleted:
        unfinished.discard(left.out)
        note(f"Deleted {left.name}.")
    left_over = [left for left in found if left not in deleted]
    if args.json:
        say_json({"runs": [_values(left) for left in left_over], "deleted": [left.name for left in deleted]})
    elif not deleted:
        _say(left_over)
    return 0


def _named(found: list[Leftover], name: str) -> Leftover:
    for left in found:
        if left.name == name:
            return left
    raise UsageError(f"There is no unfinished run called {name}. `{PROG} runs` lists them.")


def _values(left: Leftover) -> dict[str, Any]:
    run = left.run
    return {
        "name": left.name,
        "slide": None if run is None else str(run.slide_path),
        "blocks_done": None if run is None else run.blocks_done,
        "blocks": run.blocks or None if run is not None else None,
        "model": None if run is None else run.params["model"],
        "diam_um": None if run is None else run.params["diam_um"],
        "bytes": left.bytes,
        "age_s": left.age_s,
        "out": str(left.out),
    }


def _say(found: list[Leftover]) -> None:
    from studio.session.text import age_text, bytes_text

    if not found:
        say("No unfinished runs.")
        return
    rows = []
    for left in found:
        run, about = left.run, ("?", "?", "?")
        if run is not None:
            done = f"{run.share:.0%}" if run.blocks else f"{run.blocks_done} blocks"
            about = (done, str(run.params["model"]), f"{run.params['diam_um']:g} µm")
        rows.append((left.name, left.slide_name, *about, bytes_text(left.bytes), age_text(left.age_s)))
    say_table(HEADER, rows)
