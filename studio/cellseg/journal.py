"""The run directory beside a result: finished blocks that survive a kill, under one lock.

    .NAME.zip.studio-run/
        lock                 held by the run at work
        KEY/run.json         what the run is: parameters, slide, model, versions
        KEY/blocks/*.block   finished blocks, `blockdata.to_bytes`

KEY is a digest of run.json, so blocks of different runs never meet. A block is written under
another name, synced, and renamed: it is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from studio.cellseg.blockdata import BlockData, BlockFormatError, from_bytes, to_bytes
from studio.cellseg.lattice import Rect
from studio.cellseg.runlock import RunLock
from studio.errors import RunError

log = logging.getLogger(__name__)

SUFFIX = ".studio-run"


def run_dir(out: Path) -> Path:
    """Where the journal of a run to `out` lies."""
    return out.with_name(f".{out.name}{SUFFIX}")


def blocks_there(out: Path, identity: dict[str, Any], cores: Iterable[Rect]) -> set[Rect]:
    """Which of these blocks an earlier attempt at `out` has left finished; only looks."""
    blocks = run_dir(out) / _key(_text(identity)) / "blocks"
    return {core for core in cores if (blocks / _name(core)).is_file()}


def earlier_runs(out: Path) -> list[dict[str, Any]]:
    """What the unfinished runs to `out` said they are, the latest first; only looks."""
    found: list[tuple[float, dict[str, Any]]] = []
    for path in run_dir(out).glob("*/run.json"):
        with contextlib.suppress(OSError, ValueError):
            said = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(said, dict):
                found.append((path.stat().st_mtime, said))
    return [said for _, said in sorted(found, key=lambda item: item[0], reverse=True)]


class Journal:
    """The finished blocks of one run. `write` may be called from several threads; one run at a time holds it.

    Args:
        out: the result file the run is for.
        identity: plain JSON values that say all that the result depends on.
        shared: only help with the blocks of a run that somebody else begins and ends: take no lock, remove nothing.

    Raises:
        RunError: another run holds the target, or the folder can't be written.
    """

    def __init__(self, out: Path, identity: dict[str, Any], *, shared: bool = False) -> None:
        self.folder = run_dir(out)
        text = _text(identity)
        self._run = self.folder / _key(text)
        self._blocks = self._run / "blocks"
        with explained(self.folder):
            self._lock = None if shared else RunLock(self.folder, out)
        try:
            with explained(self.folder):
                self._blocks.mkdir(parents=True, exist_ok=True)
                if not (self._run / "run.json").exists():
                    _write_durably(self._run / "run.json", text.encode())
                for leftover in () if shared else self._blocks.glob("*.part"):
                    leftover.unlink()
            self._sizes = {path.name: path.stat().st_size for path in self._blocks.glob("*.block")}
        except BaseException:
            self.close()
            raise
        others = [path for path in self.folder.iterdir() if path.is_dir() and path != self._run]
        if others:
            log.info("%s also holds %d unfinished run(s) with other parameters; they stay apart", out, len(others))

    @property
    def workdir(self) -> Path:
        """A folder for what the run builds besides blocks."""
        return self._run

    @property
    def bytes(self) -> int:
        """Size of all finished blocks on disk."""
        return sum(self._sizes.values())

    def path(self, core: Rect) -> Path:
        """The file of a block."""
        return self._blocks / _name(core)

    def write(self, block: BlockData) -> int:
        """Make a finished block durable; returns its size. RunError where the disk is full."""
        data = to_bytes(block)
        with explained(self.folder):
            _write_durably(self.path(block.core), data)
        self._sizes[_name(block.core)] = len(data)
        return len(data)

    def __contains__(self, core: Rect) -> bool:
        return _name(core) in self._sizes

    def read(self, core: Rect, *only: str) -> BlockData:
        """A finished block, or only some of its arrays. BlockFormatError where the file is damaged."""
        try:
            return from_bytes(self.path(core).read_bytes(), only or None)
        except OSError as error:
            raise BlockFormatError(str(error)) from error

    def finished(self, cores: list[Rect]) -> list[BlockData]:
        """Blocks of earlier runs among `cores`, without labels and flows; a damaged one is dropped."""
        found = []
        for core in cores:
            if core not in self:
                continue
            try:
                found.append(self.read(core, "cells", "reach"))
            except BlockFormatError as error:
                log.warning("Block %s of the journal can't be read (%s); it is done again", core.astuple(), error)
                self.drop(core)
        return found

    def drop(self, core: Rect) -> None:
        """Forget a block."""
        self._sizes.pop(_name(core), None)
        with contextlib.suppress(OSError):
            self.path(core).unlink()

    def remove(self) -> None:
        """Delete the whole directory, after the result is in place, and let go of the target."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
        if self._lock is not None:
            self._lock.release(remove=True)

    def close(self) -> None:
        """Let go of the target; the blocks stay for the next run."""
        if self._lock is not None:
            self._lock.release()


def _text(identity: dict[str, Any]) -> str:
    return json.dumps(identity, sort_keys=True, indent=1)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _name(core: Rect) -> str:
    return f"{core.top}_{core.left}_{core.bottom}_{core.right}.block"


def _write_durably(path: Path, data: bytes) -> None:
    # A name of its own: helpers on other machines may be at the same block.
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turns what the disk says into what a person can do."""
    try:
        yield
    except OSError as error:
        where = folder.parent
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = f"The disk of {where} is full. Free some space and run again."
        elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
            text = f"{where} can't be written to. Choose another place for the result."
        elif not where.is_dir():
            text = f"The folder {where} is gone or isn't there. Make it, or choose another place for the result."
        else:
            text = f"The run directory {folder} can't be written ({error.strerror or error})."
        raise RunError(text) from error
