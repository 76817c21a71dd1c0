"""A slide file's identity, whatever its name and folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from studio.errors import SlideError

_PART_BYTES = 1 << 16


def fingerprint(path: Path, sizes: tuple[tuple[int, int], ...], properties: Mapping[str, str]) -> str:
    """A short hash of size, levels and some of the file's bytes. Raises SlideError where it can't be read."""
    digest = hashlib.sha256(repr(sizes).encode())
    digest.update(properties.get("openslide.quickhash-1", "").encode())
    try:
        digest.update(sampled(path))
    except OSError as error:
        raise SlideError(f"{path} can't be read now ({error.strerror or error}). Is its drive connected?") from error
    return digest.hexdigest()[:32]


def sampled(path: Path) -> bytes:
    """A file's length, and what lies at its beginning, middle and end. Raises OSError."""
    length = path.stat().st_size
    parts = [str(length).encode()]
    with path.open("rb") as file:
        for start in (0, length // 2, max(0, length - _PART_BYTES)):
            file.seek(start)
            parts.append(file.read(_PART_BYTES))
    return b"".join(parts)
