"""Finds one metadata entry of a `.tflite` by following the offsets of its FlatBuffer.

The schema classes could do it too, but importing them takes longer than labelling a photo, and a file that python -m retrain wrote
needs only this entry. The field numbers are those of TensorFlow Lite's schema.fbs.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_BUFFERS, _METADATA = 4, 6  # fields of Model
_NAME, _BUFFER = 0, 1  # fields of Metadata
_DATA = 0  # field of Buffer

Bytes = mmap.mmap | bytes


def entry(path: Path, name: str) -> bytes | None:
    """Returns the bytes of an entry; None if it is missing, or if the FlatBuffer is damaged.

    Args:
      path: a file that begins like a `.tflite`.
      name: the name of the entry.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return entry_in(data, name)


def entry_in(data: Bytes, name: str) -> bytes | None:
    """Like `entry`, for the content of a file."""
    place = place_of(data, name)
    return None if place is None else bytes(data[place.start : place.stop])


def place_of(data: Bytes, name: str) -> slice | None:
    """Returns the position of the entry's bytes in the file; None as for `entry`."""
    try:
        return _place(data, name.encode())
    except (struct.error, IndexError):
        return None


def _place(data: Bytes, name: bytes) -> slice | None:
    model = _follow(data, 0)
    entries = _field(data, model, _METADATA)
    for place in _elements(data, entries) if entries else ():
        metadata = _follow(data, place)
        key, number = _field(data, metadata, _NAME), _field(data, metadata, _BUFFER)
        if not key or bytes(data[_vector(data, key)]) != name:
            continue
        buffers = _field(data, model, _BUFFERS)
        places = _elements(data, buffers) if buffers else range(0)
        buffer = _follow(data, places[_uint(data, number) if number else 0])
        contents = _field(data, buffer, _DATA)
        return _vector(data, contents) if contents else slice(0, 0)
    return None


def _uint(data: Bytes, place: int) -> int:
    return int(struct.unpack_from("<I", data, place)[0])


def _follow(data: Bytes, place: int) -> int:
    """The position to which the offset at `place` points."""
    return place + _uint(data, place)


def _field(data: Bytes, table: int, number: int) -> int:
    """The position of a field of a table; 0 if it is missing."""
    fields = table - int(struct.unpack_from("<i", data, table)[0])
    if fields < 0:
        raise IndexError(fields)
    at = 4 + 2 * number
    if at >= struct.unpack_from("<H", data, fields)[0]:
        return 0
    offset = int(struct.unpack_from("<H", data, fields + at)[0])
    return table + offset if offset else 0


def _elements(data: Bytes, field: int) -> range:
    """The positions of the elements of a vector of offsets."""
    start = _follow(data, field) + 4
    end = start + 4 * _uint(data, start - 4)
    if end > len(data):
        raise IndexError(end)
    return range(start, end, 4)


def _vector(data: Bytes, field: int) -> slice:
    """The position of the bytes of a byte vector or a string."""
    start = _follow(data, field) + 4
    end = start + _uint(data, start - 4)
    if end > len(data):
        raise IndexError(end)
    return slice(start, end)
