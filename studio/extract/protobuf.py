"""`tf.train.Example` messages, written and read without TensorFlow or protobuf.

The messages are those of TensorFlow's `example.proto` and `feature.proto`:
Example {Features features = 1}, Features {map<string, Feature> feature = 1},
Feature {oneof: BytesList = 1, FloatList = 2, Int64List = 3}, each list with
its values in field 1. Numbers are written packed, and read packed or not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

Value = bytes | int | float
Values = list[bytes] | list[float] | list[int]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def encode_example(features: Mapping[str, Value]) -> bytes:
    """A serialised Example with one value a feature; the same features give the same bytes.

    >>> decode_example(encode_example({"cell_id": 7, "slide": b"a"}))
    {'cell_id': [7], 'slide': [b'a']}
    """
    entries = b""
    for name in sorted(features):
        entry = _field(1, name.encode()) + _field(2, _feature(features[name]))
        entries += _field(1, entry)
    return _field(1, entries)


def decode_example(data: bytes) -> dict[str, Values]:
    """The features of a serialised Example, as lists. Raises ValueError for what is no Example."""
    found: dict[str, Values] = {}
    for features in _fields(data, 1):
        for entry in _fields(features, 1):
            names, values = list(_fields(entry, 1)), list(_fields(entry, 2))
            if len(names) != 1 or len(values) != 1:
                raise ValueError("a feature has no name or no value")
            found[names[0].decode()] = _values(values[0])
    return found


def _feature(value: Value) -> bytes:
    if isinstance(value, bytes):
        return _field(1, _field(1, value))
    if isinstance(value, int):
        return _field(3, _field(1, _varint(value & 0xFFFF_FFFF_FFFF_FFFF)))
    return _field(2, _field(1, struct.pack("<f", value)))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _values(feature: bytes) -> Values:
    for number, content in _parse(feature):
        if isinstance(content, int):
            break
        if number == 1:
            return list(_fields(content, 1))
        if number == 2:
            return [value for part in _numbers(content) for value in _floats(part)]
        if number == 3:
            return [_signed(value) for part in _numbers(content) for value in _ints(part)]
    return []


def _fields(data: bytes, wanted: int) -> Iterator[bytes]:
    """Contents of all fields of a number that have a length."""
    for number, content in _parse(data):
        if number == wanted and isinstance(content, bytes):
            yield content


def _numbers(data: bytes) -> Iterator[bytes | int]:
    for number, content in _parse(data):
        if number == 1:
            yield content


def _floats(part: bytes | int) -> list[float]:
    if isinstance(part, int):
        part = part.to_bytes(4, "little")
    if len(part) % 4:
        raise ValueError("a list of numbers ends within one")
    return [value for (value,) in struct.iter_unpack("<f", part)]


def _ints(part: bytes | int) -> list[int]:
    if isinstance(part, int):
        return [part]
    values, at = [], 0
    while at < len(part):
        value, at = _read_varint(part, at)
        values.append(value)
    return values


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _parse(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """(field number, content) of a message's fields; numbers come as int, the rest as bytes."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if kind == _LENGTH:
            length, at = _read_varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind} is none of protobuf's")
        content = data[at : at + length]
        if len(content) != length:
            raise ValueError("the message ends within a field")
        at += length
        yield number, content if kind == _LENGTH else int.from_bytes(content, "little")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("the message ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
