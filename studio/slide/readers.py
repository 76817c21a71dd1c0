"""What a file format must offer to be a slide, and the choice of the reader for a file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio.errors import SlideError
from studio.slide.mpp import MppReading

log = logging.getLogger(__name__)


class Reader(Protocol):
    """An open file with a pyramid of levels, level 0 the largest. Reads come from any thread."""

    vendor: str
    level_sizes: tuple[tuple[int, int], ...]
    """(width, height) of each level."""
    level_downsamples: tuple[float, ...]
    """Slide pixels to one pixel of each level."""
    properties: Mapping[str, str]
    reading: MppReading

    def read(self, level: int, x_level: int, y_level: int, w: int, h: int, *, moved: bool = False) -> NDArray[np.uint8]:
        """RGB (h, w, 3) of a rectangle that lies within the level; SlideError where it can't be read.

        With `moved`, pixels may lie up to half a level pixel beside where they
        lie without, and differ from one call to the next, if that is faster.
        """
        ...

    def associated_images(self) -> dict[str, NDArray[np.uint8]]:
        """Label, macro and the like, RGB."""
        ...

    def close(self) -> None:
        """Let go of the file; reads under way end first or raise SlideError. Never blocks."""
        ...


def open_reader(path: Path) -> Reader:
    """The reader for a file, chosen by its content. Raises SlideError, which says what to do."""
    check_file(path)
    from studio.slide import openslide_reader, picture_reader, tiff_picture

    vendor = openslide_reader.detect(path)
    if vendor == "generic-tiff" and tiff_picture.is_beyond_openslide(path):
        log.info("%s: read as a picture, all of its bits and channels", path.name)
    elif vendor is not None:
        try:
            return openslide_reader.OpenSlideReader(path, vendor)
        except SlideError as error:
            # A TIFF layout that OpenSlide recognises and can't read may still be a plain picture.
            if vendor != "generic-tiff":
                raise
            log.info("%s: %s; trying it as a picture", path.name, error)
    return picture_reader.PictureReader(path)


def check_file(path: Path) -> None:
    """Raise SlideError unless the path is a readable file with something in it."""
    try:
        if path.is_dir():
            raise SlideError(f"{path} is a folder. Give the slide file in it (for MIRAX, the .mrxs file beside it).")
        if not path.is_file():
            raise SlideError(f"There is no file {path}. Check the name, and that its drive is connected.")
        with path.open("rb") as file:
            if not file.read(1):
                raise SlideError(f"{path.name} is empty (0 bytes). Copy it again from where it came.")
    except OSError as error:
        raise SlideError(f"{path} can't be read ({error.strerror or error}). Check that you may read it.") from error
