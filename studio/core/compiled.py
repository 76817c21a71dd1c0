"""Where compiled functions are kept from one run to the next."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"


def ensure_place(package: Path) -> None:
    """See that numba has a folder for what it compiles: without one the engine can't even be imported.

    It keeps it beside the code, or in the user's cache folder. Where neither can be written to, as in a read-only
    container without a home, it is told to use the temporary folder.

    Args:
        package: the folder of the code.
    """
    if os.environ.get(VARIABLE) or os.access(package, os.W_OK) or _home_is_writable():
        return
    os.environ[VARIABLE] = str(_temporary())


def _home_is_writable() -> bool:
    """Whether the user's cache folder can be written to; made where there is none, as numba does."""
    try:
        if not sys.platform.startswith("linux"):
            return os.access(Path.home(), os.W_OK)
        place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        place.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return False
    return os.access(place, os.W_OK)


def _temporary() -> Path:
    """A folder of this user's alone: what lies in it is run."""
    if not hasattr(os, "getuid"):
        return Path(tempfile.gettempdir()) / "studio-compiled"
    place = Path(tempfile.gettempdir()) / f"studio-compiled-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        return Path(tempfile.mkdtemp(prefix="studio-compiled-"))
    return place
