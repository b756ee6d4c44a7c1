"""A `.tflite` in, the bytes of one metadata entry out, by the offsets of the FlatBuffer.

The schema's classes answer any question, but their import takes longer than labelling a photo; a file that python -m retrain
wrote needs this one answer. Field numbers are those of TensorFlow Lite's schema.fbs.
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
    """The entry's bytes; None where there is none, or the FlatBuffer leads out of the file.

    Args:
      path: a file that begins as a `.tflite` does.
      name: of the entry.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return entry_in(data, name)


def entry_in(data: Bytes, name: str) -> bytes | None:
    """The same of a file's bytes."""
    place = place_of(data, name)
    return None if place is None else bytes(data[place.start : place.stop])


def place_of(data: Bytes, name: str) -> slice | None:
    """Where the entry's bytes are in the file; None as for `entry`."""
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
    """Where the offset at a place leads."""
    return place + _uint(data, place)


def _field(data: Bytes, table: int, number: int) -> int:
    """The place of a table's field; 0 where it is left out."""
    fields = table - int(struct.unpack_from("<i", data, table)[0])
    if fields < 0:
        raise IndexError(fields)
    at = 4 + 2 * number
    if at >= struct.unpack_from("<H", data, fields)[0]:
        return 0
    offset = int(struct.unpack_from("<H", data, fields + at)[0])
    return table + offset if offset else 0


def _elements(data: Bytes, field: int) -> range:
    """The places of a vector's elements, which are offsets."""
    start = _follow(data, field) + 4
    end = start + 4 * _uint(data, start - 4)
    if end > len(data):
        raise IndexError(end)
    return range(start, end, 4)


def _vector(data: Bytes, field: int) -> slice:
    """Where the bytes of a vector of bytes, or of a string, are."""
    start = _follow(data, field) + 4
    end = start + _uint(data, start - 4)
    if end > len(data):
        raise IndexError(end)
    return slice(start, end)
