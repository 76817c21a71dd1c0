"""Whether an open slide's file is still the one that was opened."""

from __future__ import annotations

from pathlib import Path

from studio.errors import SlideLostError
from studio.slide.fingerprint import sampled


class Unchanged:
    """Remembers a file. Safe from any thread. Raises SlideLostError where it can't be read.

    OpenSlide opens a slide again by its name, for each thread and after each
    error: the tiles of another slide of that name would pass for this one's.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp, self._bytes = self._look(None)

    def check(self, *, deep: bool = False) -> None:
        """Raise SlideLostError where the file is gone or another one; one that was only touched passes.

        Size and time are looked at; with `deep`, or where they changed, some of its bytes.
        """
        stamp, found = self._look(None if deep else self._stamp)
        if found is not None and found != self._bytes:
            raise SlideLostError(f"{self._path.name} was changed or replaced since it was opened. Open it again.")
        self._stamp = stamp

    def _look(self, known: tuple[int, int] | None) -> tuple[tuple[int, int], bytes | None]:
        """Size and time, and a sample of the bytes unless these are `known`."""
        name = self._path.name
        try:
            state = self._path.stat()
            stamp = (state.st_size, state.st_mtime_ns)
            return stamp, None if stamp == known else sampled(self._path)
        except FileNotFoundError as error:
            raise SlideLostError(
                f"{name} is gone: moved, deleted, or on a drive that isn't connected. Open it again when it is back."
            ) from error
        except OSError as error:
            raise SlideLostError(
                f"{name} can't be read any more ({error.strerror or error}). Is its drive connected? Open it again."
            ) from error
