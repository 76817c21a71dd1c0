"""What a command writes: its result on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def say(text: str = "") -> None:
    """One line (or several) of a command's own output."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """A line for the person, on stderr: it never mixes with the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def say_json(values: Mapping[str, Any]) -> None:
    """`values` as one line of JSON, the last line of stdout. NaN and infinity become null."""
    say(json.dumps(_plain(values), ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars, without importing NumPy
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def say_fields(values: Mapping[str, Any]) -> None:
    """A mapping as aligned `name  value` lines; nested mappings are indented below their name."""
    for line in _field_lines(_plain(values), ""):
        say(line)


def _field_lines(values: Mapping[str, Any], indent: str) -> Iterable[str]:
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}"
            yield from _field_lines(value, indent + "  ")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            yield f"{indent}{name}"
            for item in value:
                yield f"{indent}  " + "  ".join(f"{key} {_short(part)}" for key, part in item.items())
        else:
            yield f"{indent}{name:<{width}}  {_short(value)}"


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return " × ".join(_short(item) for item in value) if len(value) <= 4 else f"{len(value)} values"
    return str(value)


def say_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows of text in columns as wide as their longest entry."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
