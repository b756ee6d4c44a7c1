"""Reads the records of a TFRecord file and verifies their checksums; the file may be compressed with gzip as a whole.

A record consists of its length (8 bytes, little-endian), a checksum of the length, the bytes, and a checksum of the bytes; checksums are
CRC-32C, as in event files.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from label_image.errors import RunError, meaning
from retrain.files.archive import GZIP
from retrain.formats.event_file import guard

_HEADER, _GUARD = 12, 4  # bytes
_LONGEST = 1 << 31  # bytes; protobuf cannot read longer messages


def count_records(path: Path) -> int:
    """Counts the records of a file by their lengths, without reading their contents.

    Raises:
      RunError: a length is damaged, or the last record is incomplete.
    """
    with _opened(path) as file:
        count = 0
        while length := _length(file, path, count):
            file.seek(length[0] + _GUARD - 1, os.SEEK_CUR)
            if not file.read(1):
                raise _short(path, count)
            count += 1
        return count


def records(path: Path) -> Iterator[bytes]:
    """Iterates over the records of a file.

    Raises:
      RunError: a checksum does not match, or the last record is incomplete.
    """
    with _opened(path) as file:
        count = 0
        while length := _length(file, path, count):
            data, check = file.read(length[0]), file.read(_GUARD)
            if len(check) < _GUARD:
                raise _short(path, count)
            if check != guard(data):
                raise RunError(
                    f"cannot read {path}: record {count} is damaged (its checksum does not match); download it again"
                )
            yield data
            count += 1


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as plain:
        header = plain.read(_HEADER)
        plain.seek(0)
        packed = header[:2] == GZIP and header[8:] != guard(
            header[:8]
        )  # a length may have the same first bytes as gzip
        try:
            yield gzip.GzipFile(fileobj=plain) if packed else plain  # type: ignore[misc]  # a GzipFile has all methods of IO[bytes]
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise RunError(f"cannot read {path}: it is damaged ({meaning(error)}); download it again") from None


def _length(file: IO[bytes], path: Path, count: int) -> tuple[int] | None:
    """Reads the length of the next record; returns None at the end of the file."""
    header = file.read(_HEADER)
    if not header:
        return None
    if len(header) < _HEADER:
        raise _short(path, count)
    (length,) = struct.unpack("<Q", header[:8])
    if header[8:] != guard(header[:8]) or length > _LONGEST:
        what = "it is not a TFRecord" if not count else f"the length of record {count} is damaged"
        raise RunError(f"cannot read {path}: {what} (the checksum of a length does not match)")
    return (length,)


def _short(path: Path, count: int) -> RunError:
    return RunError(f"cannot read {path}: it is incomplete in record {count}; download it again")
