"""Where extracted cells go: a TFRecord file, or a folder of pictures with a table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio.core.files import replacing
from studio.errors import UsageError
from studio.extract.cells import CellTile
from studio.extract.protobuf import encode_example
from studio.extract.tfrecord import write_record

FORMATS = {"jpg": "JPEG", "png": "PNG"}
"""Picture formats by their usual suffix."""

TABLE = "cells.csv"
"""Table of the cells in a folder of pictures."""

_COLUMNS = ("file", "cell_id", "x_px", "y_px", "x_um", "y_um")


class Sink(Protocol):
    """Takes cells one after the other."""

    def write(self, cell: CellTile, picture: bytes) -> None:
        """Store a cell and its encoded image."""
        ...


def encode(image: NDArray[np.uint8], img_format: str, quality: int = 95) -> bytes:
    """A picture file of an RGB image.

    >>> encode(np.zeros((8, 8, 3), np.uint8), "png")[1:4]
    b'PNG'
    """
    from PIL import Image

    buffer = BytesIO()
    # Cells are small: colour at half the resolution would show.
    options = {"quality": quality, "subsampling": 0} if img_format == "jpg" else {}
    Image.fromarray(image).save(buffer, FORMATS[img_format], **options)
    return buffer.getvalue()


def tfrecord_path(folder: Path, slide: str) -> Path:
    """The file that a slide's records go to."""
    return folder / f"{slide}.tfrecords"


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise UsageError where something is at `path` that may not be replaced."""
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists already. Choose another folder, or allow it to be replaced (overwrite).")


@contextmanager
def tfrecord_sink(path: Path, slide: str) -> Iterator[Sink]:
    """A TFRecord file that appears when the block ends without an error."""
    name = slide.encode()

    @dataclass
    class _Records:
        def write(self, cell: CellTile, picture: bytes) -> None:
            record = encode_example(
                {
                    "slide": name,
                    "image_raw": picture,
                    "loc_x": round(cell.x),
                    "loc_y": round(cell.y),
                    "cell_id": cell.cell_id,
                    "x_um": cell.x_um,
                    "y_um": cell.y_um,
                }
            )
            write_record(file, record)

    with replacing(path) as part, part.open("wb") as file:
        yield _Records()


@contextmanager
def folder_sink(path: Path, slide: str, img_format: str) -> Iterator[Sink]:
    """A folder of pictures and `cells.csv`, which appears when the block ends without an error."""

    @dataclass
    class _Pictures:
        def write(self, cell: CellTile, picture: bytes) -> None:
            # The number makes the name unique where two cells have one centre.
            name = f"{slide}-{round(cell.x)}-{round(cell.y)}-{cell.cell_id}.{img_format}"
            (part / name).write_bytes(picture)
            position = (f"{value:.3f}" for value in (cell.x, cell.y, cell.x_um, cell.y_um))
            table.writerow((name, cell.cell_id, *position))

    with replacing(path) as part:
        part.mkdir()
        with (part / TABLE).open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(_COLUMNS)
            yield _Pictures()
