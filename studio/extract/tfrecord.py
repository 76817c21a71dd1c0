"""TFRecord files without TensorFlow.

A record is its length (uint64, little endian), the masked CRC-32C of those
eight bytes, the data, and the masked CRC-32C of the data
(https://www.tensorflow.org/tutorials/load_data/tfrecord).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from studio.errors import ResultFileError
from studio.extract.protobuf import Values, decode_example

MAX_RECORD_BYTES = 1 << 30

_HEAD = struct.Struct("<QI")
_CRC = struct.Struct("<I")


def masked_crc(data: bytes) -> int:
    """CRC-32C, rotated and shifted as TFRecord wants it.

    >>> hex(masked_crc(b"123456789"))
    '0xc78ab0e5'
    """
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFF_FFFF


def write_record(file: BinaryIO, data: bytes) -> None:
    """Append one record."""
    length = struct.pack("<Q", len(data))
    file.write(_HEAD.pack(len(data), masked_crc(length)))
    file.write(data)
    file.write(_CRC.pack(masked_crc(data)))


def read_records(path: str | Path) -> Iterator[bytes]:
    """The data of each record, checksums checked. Raises ResultFileError for a damaged file."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            number = 0
            while head := file.read(_HEAD.size):
                yield _read_record(file, head, f"{path.name}, record {number}")
                number += 1
    except OSError as error:
        raise ResultFileError(f"{path} can't be read ({error.strerror or error}). Check the path.") from error


def read_examples(path: str | Path) -> Iterator[dict[str, Values]]:
    """The features of each record, each a list of values. Raises ResultFileError for a damaged file.

    >>> from tempfile import TemporaryDirectory
    >>> from studio.extract.protobuf import encode_example
    >>> with TemporaryDirectory() as folder:
    ...     with Path(folder, "a.tfrecords").open("wb") as file:
    ...         write_record(file, encode_example({"cell_id": 7, "x_um": 1.5}))
    ...     list(read_examples(Path(folder, "a.tfrecords")))
    [{'cell_id': [7], 'x_um': [1.5]}]
    """
    for number, data in enumerate(read_records(path)):
        try:
            yield decode_example(data)
        except ValueError as error:
            raise ResultFileError(f"{Path(path).name}, record {number} is damaged: {error}.") from error


def _read_record(file: BinaryIO, head: bytes, where: str) -> bytes:
    if len(head) == _HEAD.size:
        length, crc = _HEAD.unpack(head)
        if masked_crc(head[:8]) == crc and length <= MAX_RECORD_BYTES:
            data, tail = file.read(length), file.read(_CRC.size)
            if len(tail) == _CRC.size and masked_crc(data) == _CRC.unpack(tail)[0]:
                return data
    raise ResultFileError(f"{where} is damaged or cut short. Extract the cells again.")
