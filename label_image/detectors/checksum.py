"""Writes and verifies the checksum that our `.tflite` files contain, to tell a damaged file of ours from another maker's file.

The metadata entry KEY holds the CRC-32 of the whole file, the archive behind the model included, computed with the four bytes of
the entry itself as zeros. Verifying takes about two milliseconds.
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
    """Writes the checksum into a `.tflite` whose entry KEY is EMPTY.

    Raises:
      ValueError: the file has no such entry.
    """
    place = place_of(data, KEY)
    if place is None or place.stop - place.start != len(EMPTY):
        raise ValueError(f"no entry {KEY} of {len(EMPTY)} bytes")
    return data[: place.start] + struct.pack("<I", _sum(data, place)) + data[place.stop :]


def is_ours(source: ModelFile) -> bool:
    """Like `is_whole`, for a file that was already read; the result is remembered."""
    return source.once("whole", lambda: is_whole(source.data, source.path))


def is_whole(data: bytes, path: Path) -> bool:
    """Whether a `.tflite` is exactly what `python -m retrain` wrote; False if it has no checksum.

    Raises:
      RunError: it has a checksum that does not match its content.
    """
    place = place_of(data, KEY)
    if place is None or place.stop - place.start != len(EMPTY):
        return False
    if struct.unpack_from("<I", data, place.start)[0] != _sum(data, place):
        raise RunError(
            f"cannot use {path}: it was damaged or changed after python -m retrain wrote it (its checksum does not match); "
            "copy it again, or train again"
        )
    return True


def _sum(data: bytes, place: slice) -> int:
    view = memoryview(data)
    return zlib.crc32(view[place.stop :], zlib.crc32(EMPTY, zlib.crc32(view[: place.start])))
