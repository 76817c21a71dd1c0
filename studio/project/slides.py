"""The slides of a project: files found in folders, by patterns, or named one by one."""

from __future__ import annotations

import glob
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from studio.errors import UsageError
from studio.project.table import Row, row_of

SUFFIXES = frozenset(
    (".svs", ".tif", ".tiff", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs", ".svslide", ".bif", ".czi", ".zvi")
)
"""What is taken from a folder. Pictures and DICOM files have to be named, or matched by a pattern."""


_MISSING = (
    "It is annotated, but no slide of that name is in the project's folders. Bring it back, or take its row out of "
    "annotations.csv."
)


@dataclass(frozen=True, slots=True)
class ProjectSlide:
    """A slide of a project, or why there isn't one."""

    name: str
    """The file's name without suffix: results are named after it."""
    path: Path | None
    annotations: Row = field(default_factory=dict)
    problem: str = ""
    """Why it can't be worked on; empty where it can."""

    @property
    def mpp(self) -> float | None:
        """µm per pixel from the column `mpp` of the annotations, over what the file says.

        Raises UsageError where the column holds no number.
        """
        text = self.annotations.get("mpp", "")
        if not text:
            return None
        try:
            return float(text.replace(",", "."))
        except ValueError:
            raise UsageError(
                f"The annotations give {text!r} as mpp of {self.name}. Write a number of µm, or nothing."
            ) from None


def sources_from(slides: str | Path | Iterable[str | Path], root: Path) -> tuple[str, ...]:
    """Folders, files and patterns as text: absolute, or from `root` for those inside, so that it can be moved.

    Raises UsageError for a folder or file that isn't there.
    """
    given = [slides] if isinstance(slides, str | Path) else list(slides)
    sources = []
    for item in given:
        path = Path(item).expanduser()
        if not _is_pattern(path) and not path.exists():
            raise UsageError(f"There is no folder or slide {path}. Check the path.")
        path = path.absolute()
        sources.append(str(path.relative_to(root) if path.is_relative_to(root) else path))
    if not sources:
        raise UsageError("Say where the slides are: a folder, files, or a pattern such as 'slides/*.svs'.")
    return tuple(sources)


def find_slides(root: Path, sources: Iterable[str], rows: Mapping[str, Row]) -> list[ProjectSlide]:
    """All slides of the sources by name, with their annotations.

    Slides whose results would have one name, and those that are annotated but
    nowhere to be found, come with a `problem`.
    """
    found = sorted({path.resolve() for source in sources for path in _files(root / source)})
    named: dict[str, list[Path]] = defaultdict(list)
    for path in found:
        named[_key(path.stem)].append(path)
    slides = [_slide(paths, rows) for paths in named.values()]
    listed = {_key(path.stem) for path in found} | {_key(path.name) for path in found}
    slides += [ProjectSlide(name, None, row, _MISSING) for name, row in rows.items() if _key(name) not in listed]
    return sorted(slides, key=lambda slide: slide.name)


def _slide(paths: list[Path], rows: Mapping[str, Row]) -> ProjectSlide:
    first = paths[0]
    problem = ""
    if len(paths) > 1:
        problem = (
            f"{len(paths)} slides would share the name of their results: {', '.join(map(str, paths))}. "
            "Rename them, or leave all but one out."
        )
    return ProjectSlide(first.stem, first, row_of(rows, first), problem)


def _files(source: Path) -> Iterator[Path]:
    if source.is_dir():
        for path in source.iterdir():
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
                yield path
    elif _is_pattern(source) and not source.exists():
        yield from (path for path in map(Path, glob.glob(str(source), recursive=True)) if path.is_file())  # noqa: PTH207
    else:
        # A file that is gone is named all the same, so that its absence is reported.
        yield source


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(str(path))


def _key(name: str) -> str:
    """Equal for names that some file system takes for one: other capitals, other ways to write an accent."""
    return unicodedata.normalize("NFC", name).casefold()
