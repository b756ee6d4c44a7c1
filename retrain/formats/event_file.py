"""Writes TensorBoard's event files: records of TensorFlow's format, each with a CRC-32C checksum (RFC 3720).

tensorboard's own RecordWriter does the same, but importing it takes longer than writing all evaluations of a run, because its
package imports the plug-ins; and it computes the checksum byte by byte. The messages are tensorboard's classes.
"""

from __future__ import annotations

import functools
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_POLYNOMIAL = 0x82F63B78  # Castagnoli's polynomial, bit-reversed
_BLOCK = 4096  # bytes that are processed at once


class EventFile:
    """One event file, open for writing."""

    def __init__(self, path: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._file = path.open("wb")
        self.add(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, event: Any) -> None:
        """Writes an Event."""
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        self._file.write(b"".join((length, _guard_of_length(length), data, guard(data))))

    def close(self) -> None:
        """Writes the remaining bytes and closes the file."""
        self._file.close()


def crc32c(data: bytes) -> int:
    """Computes the CRC-32C checksum, from 0 to 2**32 - 1.

    The checksum is linear: it is the XOR of the contributions of the single bytes, each followed by zeros.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    state = 0xFFFFFFFF
    shares = _contributions()
    for start in range(0, len(data), _BLOCK):
        block = np.frombuffer(data[start : start + _BLOCK], np.uint8).copy()
        head = min(4, len(block))
        block[:head] ^= np.frombuffer(state.to_bytes(4, "little"), np.uint8)[:head]
        places = np.arange(len(block) - 1, -1, -1)
        state = int(np.bitwise_xor.reduce(shares[places, block])) ^ (state >> 8 * head)
    return state ^ 0xFFFFFFFF


@functools.lru_cache(64)  # records of one kind have few different lengths
def _guard_of_length(length: bytes) -> bytes:
    return guard(length)


def guard(data: bytes) -> bytes:
    """Returns the checksum as stored in records, 4 bytes: rotated by 15 bits, plus a constant."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@functools.cache
def _contributions() -> npt.NDArray[np.uint32]:
    """Computes uint32 [_BLOCK, 256]: the contribution of each byte value, by the number of bytes that follow."""
    row = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        row = np.where(row & 1, row >> 1 ^ np.uint32(_POLYNOMIAL), row >> 1).astype(np.uint32)
    first, table = row, np.empty((_BLOCK, 256), np.uint32)
    for place in range(_BLOCK):
        table[place] = row
        row = first[row & 0xFF] ^ (row >> 8)
    return table
