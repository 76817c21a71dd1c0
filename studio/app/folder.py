"""Folders and names as a file dialog needs them: no drawing, so that each rule can be tested."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ENTRIES_MAX = 5000
"""More than anybody scrolls through; typing the name still works."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder or file of a listing."""

    name: str
    is_folder: bool
    size: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a typed name comes to."""

    kind: Literal["folder", "file", "exists", "no"]
    """`folder`: go there; `file`: this is it; `exists`: it would be replaced; `no`: `why` not."""
    path: Path
    why: str = ""


def list_folder(folder: Path, suffixes: Sequence[str]) -> list[Entry]:
    """Folders, then files of these suffixes (all files without any), by name; hidden ones are left out.

    Blocks while a slow drive answers. Raises OSError.
    """
    folders: list[Entry] = []
    files: list[Entry] = []
    with os.scandir(folder) as found:
        for item in found:
            if item.name.startswith("."):
                continue
            try:
                if item.is_dir():
                    folders.append(Entry(item.name, is_folder=True))
                elif not suffixes or item.name.lower().endswith(tuple(suffixes)):
                    files.append(Entry(item.name, is_folder=False, size=item.stat().st_size))
            except OSError:
                # A dangling link or a file that went away meanwhile.
                continue
    folders.sort(key=lambda entry: entry.name.casefold())
    files.sort(key=lambda entry: entry.name.casefold())
    return (folders + files)[:ENTRIES_MAX]


def why_not_listed(folder: Path, error: OSError) -> str:
    """Why a folder can't be shown, in words."""
    if isinstance(error, PermissionError):
        return f"You may not look into {folder}."
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"There is no folder {folder}."
    return f"{folder} can't be read ({error.strerror or error})."


def resolve(folder: Path, text: str, kind: Literal["open", "save"], suffixes: Sequence[str]) -> Outcome:
    """What a name (or path) typed in a folder stands for."""
    text = text.strip()
    if "\0" in text:
        return Outcome("no", folder, "That name can't be used.")
    if not text:
        return Outcome("no", folder, "Type a file name, or choose one from the list.")
    try:
        path = folder / Path(text).expanduser()
        if path.is_dir() and not (kind == "open" and path.suffix.lower() in suffixes):
            return Outcome("folder", path.resolve())
        return _opened(path) if kind == "open" else _saved(path, suffixes)
    except (OSError, RuntimeError, ValueError) as error:
        return Outcome("no", folder, f"That name can't be used ({error}).")


def start_of(suggested: Path) -> tuple[Path, str]:
    """Folder and file name to begin with; a folder that is gone gives way to its nearest parent, or home."""
    path = suggested.expanduser()
    if not path.is_absolute():
        path = Path.home() / path
    if path.is_dir():
        return path, ""
    folder = next((parent for parent in path.parents if parent.is_dir()), Path.home())
    return folder, path.name


def size_text(size: int) -> str:
    """A file's size: `12 kB`, `3.4 GB`."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if value >= 10 or units[0] == "B" else f"{value:.1f} {units[0]}"


def _opened(path: Path) -> Outcome:
    if path.exists():
        return Outcome("file", path)
    return Outcome("no", path, f"There is no file {path.name} in {path.parent}.")


def _saved(path: Path, suffixes: Sequence[str]) -> Outcome:
    if suffixes and not path.name.lower().endswith(tuple(suffixes)):
        path = path.with_name(path.name + suffixes[0])
    if not path.parent.is_dir():
        return Outcome("no", path, f"There is no folder {path.parent}.")
    if path.is_dir():
        return Outcome("no", path, f"{path.name} is a folder. Choose another name.")
    if not os.access(path.parent, os.W_OK):
        return Outcome("no", path, f"You may not write to {path.parent}. Choose another folder.")
    return Outcome("exists" if path.exists() else "file", path)
