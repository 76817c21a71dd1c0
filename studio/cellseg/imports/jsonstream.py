"""Features of a GeoJSON file, one after the other, without the file in memory.

Values are decoded by the standard library; what is done here is to find where
they begin, so that a gigabyte of polygons is never one Python object.
"""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from studio.errors import ResultFileError

PIECE = 1 << 20
MOST_CHARS = 64 << 20
"""Of one value: a feature's properties, or one polygon."""

_SPACE = " \t\r\n"


class JsonStream:
    """A cursor in JSON text. Raises ResultFileError for what is no JSON."""

    def __init__(self, path: Path) -> None:
        self._path = path
        packed = path.name.lower().endswith(".gz")
        self._file = cast(IO[bytes], gzip.GzipFile(path, "rb")) if packed else path.open("rb")
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder(parse_constant=self._constant)
        self._text = ""
        self._at = 0
        self._ended = False
        self.chars = 0
        """How far the cursor has come."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def peek(self) -> str:
        """The next character that isn't space; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def take(self, wanted: str) -> None:
        """Pass over a character that must come next."""
        found = self.peek()
        if found != wanted:
            raise self.wrong(f"expected {wanted!r}, found {found!r}" if found else "it ends too early")
        self._at += 1

    def items(self) -> Iterator[None]:
        """At each item of a list, which begins here; the caller takes the item."""
        yield from self._between("[", "]")

    def members(self) -> Iterator[str]:
        """At the value of each key of an object, which begins here; the caller takes the value."""
        for _ in self._between("{", "}"):
            key = self.value()
            if not isinstance(key, str):
                raise self.wrong("a key is no text")
            self.take(":")
            yield key

    def value(self) -> Any:
        """Decode the value that begins here."""
        self.peek()
        want = PIECE
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
                # A number at the very end may go on.
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            except (json.JSONDecodeError, RecursionError) as error:
                if self._ended or isinstance(error, RecursionError):
                    raise self.wrong("it ends too early, or is nested too deeply, or is no JSON") from error
            if len(self._text) - self._at > MOST_CHARS:
                raise self.wrong(f"a value has more than {MOST_CHARS:,} characters")
            self._more(want)
            want *= 2

    def depth(self) -> int:
        """How many lists begin here one in the other before something else comes."""
        depth, ahead = 0, self._at
        while True:
            while ahead < len(self._text):
                char = self._text[ahead]
                ahead += 1
                if char == "[":
                    depth += 1
                elif char not in _SPACE:
                    return depth
            before = len(self._text) - self._at
            if depth > 16 or not self._more():
                return depth
            ahead = before

    def wrong(self, what: str) -> ResultFileError:
        """The error for text that isn't as it should be."""
        where = self.chars + self._at
        return ResultFileError(f"{self._path.name} can't be read near character {where:,}: {what}.")

    def _between(self, opening: str, closing: str) -> Iterator[None]:
        self.take(opening)
        if self.peek() == closing:
            self.take(closing)
            return
        while True:
            yield
            if self.peek() == closing:
                self.take(closing)
                return
            self.take(",")

    def _more(self, count: int = 0) -> bool:
        """Read on (a piece at least), and forget what has been passed."""
        self.chars += self._at
        self._text, self._at = self._text[self._at :], 0
        while not self._ended:
            try:
                data = self._file.read(max(count, PIECE))
                self._ended = not data
                text = self._decoder.decode(data, final=self._ended)
            except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
                raise self.wrong(f"{error}") from error
            if text:
                self._text += text
                return True
        return False

    def _constant(self, name: str) -> Any:
        raise self.wrong(f"{name} is no number in JSON")
