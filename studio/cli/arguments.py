"""Argument types and options that several commands share."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

PROG = "python -m studio"


def number(what: str) -> _Number:
    """An argparse type for a finite number; `what` names it in the error message."""
    return _Number(what)


class _Number:
    def __init__(self, what: str) -> None:
        self.what = what

    def __call__(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{self.what} must be a number, not {text!r}") from None


def positive_mpp(text: str) -> float:
    """Micrometres per pixel: a number above 0."""
    value = number("micrometres per pixel")(text)
    if not 0 < value < 1000:
        raise argparse.ArgumentTypeError(f"micrometres per pixel must be above 0 (0.25 and 0.5 are usual), not {text}")
    return value


def rectangle(text: str) -> tuple[float, float, float, float]:
    """X,Y,W,H in level-0 slide pixels, width and height above 0."""
    parts = text.split(",")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) != 4 or not all(abs(value) < 1e9 for value in values):
        raise argparse.ArgumentTypeError(f"must be X,Y,W,H in slide pixels, such as 0,0,2048,2048, not {text!r}")
    x, y, w, h = values
    if w <= 0 or h <= 0:
        raise argparse.ArgumentTypeError(f"width and height must be above 0, not {w:g} and {h:g}")
    return x, y, w, h


def region(text: str) -> tuple[int, int, int, int]:
    """X,Y,W,H in whole level-0 slide pixels."""
    x, y, w, h = rectangle(text)
    if any(value != int(value) for value in (x, y, w, h)):
        raise argparse.ArgumentTypeError(f"must be whole pixels, not {text!r}")
    return int(x), int(y), int(w), int(h)


def size(text: str) -> tuple[int, int]:
    """WxH in pixels."""
    match = re.fullmatch(r"(\d{2,5})[x×](\d{2,5})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"must be WIDTHxHEIGHT in pixels, such as 1280x800, not {text!r}")
    return int(match[1]), int(match[2])


def device(text: str) -> str:
    """Name of a compute device."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, cuda, cuda:N or mps, not {text!r}")
    return text


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option that makes a command's last line of stdout a JSON object."""
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """The option that shows the log on stderr."""
    parser.add_argument("-v", "--verbose", action="store_true", help="show on stderr what goes into the log file")


def add_mpp(parser: argparse.ArgumentParser) -> None:
    """The option for slides that don't say how large a pixel is."""
    parser.add_argument(
        "--mpp",
        type=positive_mpp,
        metavar="M",
        help="micrometres per slide pixel, for a slide that doesn't say or says it wrong",
    )


def existing(path: Path, what: str) -> Path:
    """`path`, or a UsageError saying that there is no such `what`."""
    from studio.errors import UsageError

    if not path.exists():
        raise UsageError(f"There is no {what} at {path}. Check the path.")
    return path
