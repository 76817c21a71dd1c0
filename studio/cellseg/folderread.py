"""The same reads as `ZipReader`, from a folder of our own that is being built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from studio.errors import ResultFileError


class FolderReader:
    """Files of a folder by their names in the zip to be. Reads are safe from any thread."""

    def __init__(self, folder: Path) -> None:
        self.path = folder

    def __contains__(self, name: str) -> bool:
        return (self.path / name).is_file()

    def names(self, prefix: str = "") -> Iterator[str]:
        """Names that begin with `prefix`, which ends with a slash or is empty."""
        folder = self.path / prefix
        return (path.relative_to(self.path).as_posix() for path in folder.rglob("*") if path.is_file())

    def packed_bytes(self, name: str) -> int | None:
        """Bytes of an entry as stored, or None where there is none."""
        path = self.path / name
        return path.stat().st_size if path.is_file() else None

    def read(self, name: str, limit: int) -> bytes:
        """Content of a file of at most `limit` bytes. KeyError when absent."""
        try:
            content = (self.path / name).read_bytes()
        except FileNotFoundError:
            raise KeyError(name) from None
        if len(content) > limit:
            raise self.damaged(f"{name} has {len(content):,} bytes, which is too many")
        return content

    def damaged(self, what: str) -> ResultFileError:
        """The error for a folder that somebody changed."""
        return ResultFileError(f"{self.path} is damaged: {what}. Remove it and begin again.")
