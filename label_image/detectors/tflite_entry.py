"""Finds one metadata entry of a `.tflite` by following the offsets of its FlatBuffer.

The schema classes could do it too, but importing them takes longer than labelling a photo, and a file that python -m retrain wrote
needs only this entry. The field numbers are those of TensorFlow Lite's schema.fbs.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from label_image.detectors.flatbuffer import root

SUBGRAPHS, _BUFFERS, _METADATA = 2, 4, 6  # fields of Model
OUTPUTS = 2  # field of SubGraph
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
    model = root(data)
    for metadata in model.tables(_METADATA):
        if metadata.text(_NAME) == name:
            buffer = model.element(_BUFFERS, int(metadata.number(_BUFFER, "I")))
            start, count = buffer.span(_DATA, 1)
            return slice(start, start + count)
    return None
