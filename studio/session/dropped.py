"""Files dropped together, sorted by what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.session.files import SLIDE_SUFFIXES

if TYPE_CHECKING:
    from studio.slide import WSI


@dataclass(frozen=True, slots=True)
class Dropped:
    """What there is to open, each in the order given."""

    slides: tuple[Path, ...] = ()
    results: tuple[Path, ...] = ()
    cells: tuple[Path, ...] = ()
    """Of other programs."""
    regions: tuple[Path, ...] = ()
    either: tuple[Path, ...] = ()
    """Pictures that may be cells or slides."""
    empty_folders: tuple[Path, ...] = ()


def sort_dropped(paths: Sequence[Path], slide: WSI | None) -> Dropped:
    """Look into files and folders; folders stand for the slides in them. Blocks."""
    from studio.cellseg.imports.kinds import Role, role_of

    found: dict[Role, list[Path]] = {role: [] for role in Role}
    empty: list[Path] = []
    for path in paths:
        role = role_of(path, slide)
        if role is not Role.FOLDER:
            found[role].append(path)
        elif inside := _slides_in(path):
            found[Role.SLIDE] += inside
        else:
            empty.append(path)
    # Dropped with its slide, a picture of labels is meant to go on it.
    if found[Role.SLIDE]:
        found[Role.CELLS] += found[Role.EITHER]
        found[Role.EITHER] = []
    return Dropped(
        slides=tuple(found[Role.SLIDE]),
        results=tuple(found[Role.RESULT]),
        cells=tuple(found[Role.CELLS]),
        regions=tuple(found[Role.REGIONS]),
        either=tuple(found[Role.EITHER]),
        empty_folders=tuple(empty),
    )


def _slides_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in SLIDE_SUFFIXES and path.is_file())
    except OSError:
        return []
