"""A checksum of a whole `.tflite` inside it: told "damaged since it was written" from a stranger's in two milliseconds.

The metadata entry KEY holds the CRC-32 of the file with the entry's own four bytes as zeros, the archive behind the model included.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from label_image.detectors.tflite_entry import place_of
from label_image.errors import RunError
from label_image.model_file import ModelFile

KEY = "retrain_crc32"
EMPTY = bytes(4)  # what the entry holds before the file is sealed


def sealed(data: bytes) -> bytes:
    """A `.tflite` whose entry KEY is EMPTY, with its checksum in it.

    Raises:
      ValueError: there is no such entry.
    """
    place = place_of(data, KEY)
    if place is None or place.stop - place.start != len(EMPTY):
        raise ValueError(f"no entry {KEY} of {len(EMPTY)} bytes")
    return data[: place.start] + struct.pack("<I", _sum(data, place)) + data[place.stop :]


def is_ours(source: ModelFile) -> bool:
    """The same of what was read of a file; looked at once."""
    return source.once("whole", lambda: is_whole(source.data, source.path))


def is_whole(data: bytes, path: Path) -> bool:
    """Whether a `.tflite` is, byte for byte, what `python -m retrain` wrote; False where it has no checksum.

    Raises:
      RunError: it has one, which is another.
    """
    place = place_of(data, KEY)
    if place is None or place.stop - place.start != len(EMPTY):
        return False
    if struct.unpack_from("<I", data, place.start)[0] != _sum(data, place):
        raise RunError(
            f"cannot use {path}: it was damaged or changed since python -m retrain wrote it (its checksum is another); "
            "copy it again, or train again"
        )
    return True


def _sum(data: bytes, place: slice) -> int:
    view = memoryview(data)
    return zlib.crc32(view[place.stop :], zlib.crc32(EMPTY, zlib.crc32(view[: place.start])))
