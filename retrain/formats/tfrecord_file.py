"""A TFRecord file in, its records out, each held against its checksums; plain, or packed with gzip as a whole.

A record is its length (8 bytes, little-endian), a checksum of these, the bytes, and a checksum of them; checksums are
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
_LONGEST = 1 << 31  # bytes; protobuf reads no longer message


def count_records(path: Path) -> int:
    """How many records a file holds, from their lengths; what is in them is passed over.

    Raises:
      RunError: a length is damaged, or the last record is cut short.
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
    """The records of a file.

    Raises:
      RunError: a checksum does not fit, or the last record is cut short.
    """
    with _opened(path) as file:
        count = 0
        while length := _length(file, path, count):
            data, check = file.read(length[0]), file.read(_GUARD)
            if len(check) < _GUARD:
                raise _short(path, count)
            if check != guard(data):
                raise RunError(
                    f"cannot read {path}: record {count} is damaged (its checksum does not fit); get it again"
                )
            yield data
            count += 1


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as plain:
        header = plain.read(_HEADER)
        plain.seek(0)
        packed = header[:2] == GZIP and header[8:] != guard(header[:8])  # a length may begin like gzip
        try:
            yield gzip.GzipFile(fileobj=plain) if packed else plain  # type: ignore[misc]  # is an IO[bytes] in all but name
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise RunError(f"cannot read {path}: it is damaged ({meaning(error)}); get it again") from None


def _length(file: IO[bytes], path: Path, count: int) -> tuple[int] | None:
    """The length of the record that comes; None at the end of the file."""
    header = file.read(_HEADER)
    if not header:
        return None
    if len(header) < _HEADER:
        raise _short(path, count)
    (length,) = struct.unpack("<Q", header[:8])
    if header[8:] != guard(header[:8]) or length > _LONGEST:
        what = "it is no TFRecord" if not count else f"the length of record {count} is damaged"
        raise RunError(f"cannot read {path}: {what} (the checksum of a length does not fit)")
    return (length,)


def _short(path: Path, count: int) -> RunError:
    return RunError(f"cannot read {path}: it is cut short in record {count}; get it again")
