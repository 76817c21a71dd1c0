"""Reading entries of a zip that may come from anywhere: everything is checked before it is believed.

Only what a result needs: plain or deflated entries, no encryption, no
prefix, no second meaning (duplicate names, overlapping entries). The central
directory is parsed once; entries are then read straight from the file, from
any thread.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from studio.errors import ResultFileError

MAX_ENTRIES = 2_000_000
"""A mask of 370,000 x 370,000 pixels, with flows, has that many chunks."""

MAX_DIRECTORY_BYTES = 256 << 20
MAX_NAME = 255
MAX_INFLATE_RATIO = 1100
"""Deflate can't do better than 1032 to 1; what says it does is lying."""

_EOCD = struct.Struct("<4s4H2LH")
_EOCD64_LOCATOR = struct.Struct("<4sLQL")
_EOCD64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8


class Entry(NamedTuple):
    """One file of the zip."""

    header: int
    """Offset of the local header."""
    limit: int
    """First byte that belongs to something else."""
    packed: int
    size: int
    method: int
    crc: int


class ZipReader:
    """The entries of a zip file. Raises ResultFileError for whatever is wrong with it.

    Reads are safe from any thread; after `close()` they raise.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._fd: int | None = None
        try:
            self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
            self.bytes = os.fstat(self._fd).st_size
            self.entries = self._read_directory()
        except OSError as error:
            self.close()
            raise ResultFileError(f"{path} can't be read ({error.strerror or error}).") from error
        except BaseException:
            self.close()
            raise

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def names(self, prefix: str = "") -> Iterator[str]:
        """Names that begin with `prefix`."""
        return (name for name in self.entries if name.startswith(prefix))

    def packed_bytes(self, name: str) -> int | None:
        """Bytes of an entry as stored, or None where there is none."""
        entry = self.entries.get(name)
        return None if entry is None else entry.packed

    def read(self, name: str, limit: int) -> bytes:
        """Content of an entry of at most `limit` bytes, checked against its checksum. KeyError when absent."""
        entry = self.entries[name]
        if entry.size > limit:
            raise self.damaged(f"{name} says it holds {entry.size:,} bytes, which is too many")
        head = self._pread(entry.header, _LOCAL.size)
        signature, _, _, method, _, _, _, _, _, name_len, extra_len = _LOCAL.unpack(head)
        if signature != b"PK\3\4" or method != entry.method:
            raise self.damaged(f"{name} doesn't begin where the directory says")
        start = entry.header + _LOCAL.size + name_len + extra_len
        if start + entry.packed > entry.limit:
            raise self.damaged(f"{name} runs into the entry behind it")
        data = self._pread(start, entry.packed)
        if entry.method == _DEFLATED:
            data = self._inflate(name, data, entry.size)
        if len(data) != entry.size or zlib.crc32(data) != entry.crc:
            raise self.damaged(f"the checksum of {name} doesn't fit")
        return data

    def damaged(self, what: str) -> ResultFileError:
        """The error for a file that can't be trusted."""
        return ResultFileError(f"{self.path.name} is damaged: {what}. Copy or export it again.")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _pread(self, offset: int, count: int) -> bytes:
        with self._lock:
            # A descriptor closed meanwhile could already be another file's, so the lock is held throughout.
            if self._fd is None:
                raise ResultFileError(f"{self.path.name} has been closed.")
            try:
                if hasattr(os, "pread"):
                    data = os.pread(self._fd, count, offset)
                else:
                    os.lseek(self._fd, offset, os.SEEK_SET)
                    data = os.read(self._fd, count)
            except OSError as error:
                raise ResultFileError(
                    f"{self.path} can't be read now ({error.strerror or error}). Is its drive connected?"
                ) from error
        if len(data) != count:
            raise self.damaged("it ends too early, so it is probably a part of a file only")
        return data

    def _inflate(self, name: str, data: bytes, size: int) -> bytes:
        inflater = zlib.decompressobj(-15)
        try:
            return inflater.decompress(data, size + 1)
        except zlib.error as error:
            raise self.damaged(f"{name} can't be unpacked ({error})") from error

    def _read_directory(self) -> dict[str, Entry]:
        start, length, count = self._find_directory()
        if count > MAX_ENTRIES or length > MAX_DIRECTORY_BYTES:
            raise self.damaged(f"it says it has {count:,} entries, more than any result")
        if count * _CENTRAL.size > length:
            raise self.damaged("its directory is shorter than it says")
        entries = self._parse_directory(self._pread(start, length), count, start)
        return self._with_limits(entries, start)

    def _find_directory(self) -> tuple[int, int, int]:
        """Offset, length and entry count of the central directory."""
        tail_start = max(0, self.bytes - _EOCD.size - 65535)
        tail = self._pread(tail_start, self.bytes - tail_start)
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) - at < _EOCD.size:
            if self.bytes == 0:
                raise ResultFileError(f"{self.path.name} is empty. Copy or export it again.")
            if self._pread(0, min(4, self.bytes)) == b"PK\3\4":
                raise ResultFileError(
                    f"{self.path.name} is cut short: the end of the zip is missing. Copy or export it again."
                )
            raise ResultFileError(f"{self.path.name} is not a zip file. Results are zips made by Studio or Slideflow.")
        _, disk, cd_disk, here, count, length, start, comment = _EOCD.unpack_from(tail, at)
        end = tail_start + at
        if end + _EOCD.size + comment != self.bytes:
            raise self.damaged("there is something behind its end")
        if (disk or cd_disk or here != count) and 0xFFFF not in (disk, cd_disk, here, count):
            raise self.damaged("it is one part of a zip in several")
        if 0xFFFF in (here, count) or 0xFFFFFFFF in (length, start):
            start, length, count, end = self._find_directory64(end)
        if start + length != end:
            raise self.damaged("its directory isn't where it says")
        return start, length, count

    def _find_directory64(self, end: int) -> tuple[int, int, int, int]:
        at = end - _EOCD64_LOCATOR.size
        if at < 0:
            raise self.damaged("its directory is missing")
        signature, _, record, disks = _EOCD64_LOCATOR.unpack(self._pread(at, _EOCD64_LOCATOR.size))
        if signature != b"PK\6\7" or disks > 1 or record + _EOCD64.size > at:
            raise self.damaged("its directory is missing")
        fields = _EOCD64.unpack(self._pread(record, _EOCD64.size))
        signature, here, count, length, start = fields[0], fields[6], fields[7], fields[8], fields[9]
        if signature != b"PK\6\6" or here != count:
            raise self.damaged("its directory is missing")
        return start, length, count, record

    def _parse_directory(self, data: bytes, count: int, start: int) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        at = 0
        for _ in range(count):
            if at + _CENTRAL.size > len(data):
                raise self.damaged("its directory is shorter than it says")
            fields = _CENTRAL.unpack_from(data, at)
            signature, flags, method, crc, packed, size = fields[0], fields[3], fields[4], *fields[7:10]
            name_len, extra_len, comment_len, header = fields[10], fields[11], fields[12], fields[16]
            names_end = at + _CENTRAL.size + name_len
            if signature != b"PK\1\2" or names_end + extra_len + comment_len > len(data):
                raise self.damaged("its directory can't be read")
            name = self._checked_name(data[at + _CENTRAL.size : names_end])
            if 0xFFFFFFFF in (packed, size, header):
                packed, size, header = self._zip64(name, data[names_end : names_end + extra_len], packed, size, header)
            at = names_end + extra_len + comment_len
            entry = Entry(header, start, packed, size, method, crc)
            self._check_entry(name, entry, flags)
            if name in entries:
                raise self.damaged(f"it has {name} twice")
            if not name.endswith("/"):
                entries[name] = entry
        if at != len(data):
            raise self.damaged("its directory is longer than it says")
        return entries

    def _checked_name(self, raw: bytes) -> str:
        try:
            name = raw.decode("ascii")
        except UnicodeDecodeError:
            raise self.damaged(f"it has an entry with an odd name ({raw[:40]!r})") from None
        parts = name.removesuffix("/").split("/")
        odd = "\\" in name or ":" in name or not name.isprintable()
        if odd or len(name) > MAX_NAME or any(part in ("", ".", "..") for part in parts):
            raise self.damaged(f"it has an entry with an unsafe name ({name[:60]!r})")
        return name

    def _zip64(self, name: str, extra: bytes, packed: int, size: int, header: int) -> tuple[int, int, int]:
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<2H", extra, at)
            body = extra[at + 4 : at + 4 + length]
            at += 4 + length
            if kind != 1:
                continue
            wanted = [value == 0xFFFFFFFF for value in (size, packed, header)]
            if len(body) < 8 * sum(wanted):
                break
            large = iter(struct.unpack_from(f"<{sum(wanted)}Q", body))
            size, packed, header = (
                next(large) if big else value for big, value in zip(wanted, (size, packed, header), strict=True)
            )
            return packed, size, header
        raise self.damaged(f"the size of {name} is missing")

    def _check_entry(self, name: str, entry: Entry, flags: int) -> None:
        if flags & 0x2041:
            raise ResultFileError(f"{self.path.name} is encrypted. Export it again without a password.")
        if entry.method not in (_STORED, _DEFLATED):
            raise self.damaged(f"{name} is packed in a way no result uses")
        if entry.method == _STORED and entry.packed != entry.size:
            raise self.damaged(f"{name} lies about its size")
        if entry.size > max(entry.packed, 64) * MAX_INFLATE_RATIO:
            raise self.damaged(f"{name} says it unpacks to {entry.size:,} bytes, which can't be")

    def _with_limits(self, entries: dict[str, Entry], directory: int) -> dict[str, Entry]:
        """Entries with the offset that each must not pass; refuses those that overlap."""
        limit = directory
        limited = dict(entries)
        for name, entry in sorted(entries.items(), key=lambda item: item[1].header, reverse=True):
            if entry.header + _LOCAL.size + len(name) + entry.packed > limit:
                raise self.damaged(f"{name} overlaps with another entry")
            limited[name] = entry._replace(limit=limit)
            limit = entry.header
        return limited
