"""Fetching a file over HTTP: progress, resume of what a broken attempt left, atomic arrival."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.core.jobs import Progress
from studio.errors import ModelError

_CHUNK = 1 << 16
_TIMEOUT_S = 20.0


def download(
    url: str, target: Path, title: str, progress: Progress, *, check: Callable[[Path], Any] | None = None
) -> None:
    """Fetch `url` to `target`, which appears complete or not at all.

    Bytes already in `NAME.part` beside it are kept and the rest asked for by Range. Progress counts
    kilobytes. `check` gets the finished file and raises ModelError when it is not what was wanted.

    Raises:
        ModelError: no connection, refused by the server, cut short, or `check` failed.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, title, progress)
    except urllib.error.HTTPError as error:
        raise ModelError(f"{url} can't be downloaded: the server says {error.code} {error.reason}.") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ModelError(
            f"{url} can't be downloaded ({reason}). Check the network and try again, put the file at "
            f"{target} yourself, or choose the built-in model, which needs no download."
        ) from error
    except OSError as error:
        raise ModelError(f"{target} can't be written: {error.strerror or error}.") from error
    if check is not None:
        try:
            check(part)
        except ModelError as error:
            part.unlink()
            raise ModelError(f"What came from {url} is not the model: {error} Try again later.") from error
    part.replace(target)


def _fetch(url: str, part: Path, title: str, progress: Progress) -> None:
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        # The part is complete already, or longer than the file: begin again.
        error.close()
        part.unlink()
        _fetch(url, part, title, progress)
        return
    with response:
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else 0
        progress.start(max(1, total // 1000), title, done=have // 1000)
        with part.open("ab" if have else "wb") as file:
            got = have
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                progress.advance((got + len(chunk)) // 1000 - got // 1000)
                got += len(chunk)
    if total and got != total:
        raise ConnectionError(f"cut short after {got} of {total} bytes; trying again goes on from there")
