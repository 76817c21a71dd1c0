"""`annotations.csv`: what is known of each slide, and choosing slides by it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from studio.core.files import replacing
from studio.errors import AnnotationError, UsageError

FILE = "annotations.csv"

Row = Mapping[str, str]
Filters = Mapping[str, str | int | float | Sequence[str | int | float]]
"""Column to the value, or values, that a slide must have there."""

_NO_ROW: Row = {}


def read_annotations(path: Path) -> dict[str, Row]:
    """Rows by slide name, as text. The column `slide` may hold names with or without the file's suffix.

    Raises AnnotationError where the file can't be read, has no column `slide`, or names a slide twice.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "annotations.csv")
    ...     write_annotations(path, ["a", "b"])
    ...     read_annotations(path)["b"]
    {'patient': 'b', 'slide': 'b'}
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise AnnotationError(f"{path} can't be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{path.name} is no UTF-8 text. Save it as CSV UTF-8.") from error
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    try:
        table = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise AnnotationError(f"{path.name} can't be understood: {error}.") from error
    if "slide" not in (table[0] if table else csv.DictReader(io.StringIO(text), delimiter=delimiter).fieldnames or ()):
        raise AnnotationError(f"{path.name} needs a column 'slide' with the names of the slide files.")
    rows: dict[str, Row] = {}
    for number, row in enumerate(table, start=2):
        name = (row["slide"] or "").strip()
        if not name:
            continue
        if name in rows:
            raise AnnotationError(f"{path.name}, line {number}: slide {name!r} is listed twice.")
        rows[name] = {str(key): str(value or "").strip() for key, value in row.items() if key is not None}
    return rows


def write_annotations(path: Path, names: Sequence[str]) -> None:
    """A table to be filled in: one row a slide, each its own patient."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("patient", "slide"))
    writer.writerows((name, name) for name in names)
    with replacing(path) as part:
        part.write_text(out.getvalue(), encoding="utf-8", newline="")


def row_of(rows: Mapping[str, Row], path: Path) -> Row:
    """What is known of a slide file; empty where its name isn't listed."""
    return rows.get(path.stem) or rows.get(path.name) or _NO_ROW


def matches(row: Row, filters: Filters | None, filter_blank: str | Sequence[str] | None) -> bool:
    """Whether a slide has one of the wanted values in each column of `filters`, and none of `filter_blank` empty.

    >>> matches({"slide": "a", "site": "lung"}, {"site": ["lung", "liver"]}, "slide")
    True
    """
    for column, wanted in (filters or {}).items():
        values = [wanted] if isinstance(wanted, str | int | float) else list(wanted)
        if column not in row or row[column] not in [str(value).strip() for value in values]:
            return False
    blanks = [filter_blank] if isinstance(filter_blank, str) else list(filter_blank or ())
    return all(row.get(column) for column in blanks)


def check_columns(
    rows: Mapping[str, Row], filters: Filters | None, filter_blank: str | Sequence[str] | None, where: Path
) -> None:
    """Raise UsageError for a column that no slide has: a filter with a typo would silently choose nothing."""
    blanks = [filter_blank] if isinstance(filter_blank, str) else list(filter_blank or ())
    known = {column for row in rows.values() for column in row}
    for column in (*(filters or {}), *blanks):
        if column not in known:
            listed = ", ".join(sorted(known)) or "nothing"
            raise UsageError(f"{where} has no column {column!r} to choose slides by. It has: {listed}.")
