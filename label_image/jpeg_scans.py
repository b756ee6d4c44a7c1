"""Refuses JPEG files with too many scans.

Each scan of a progressive JPEG is decoded over the whole picture, and a file of 100 kB may contain thousands. Most photos have
one scan, which a few bytes of the header show; in other files the scans are counted up to the limit.
"""

from __future__ import annotations

import re
from typing import IO, Any

from label_image.errors import PhotoError

MAX_SCANS = 1_000  # real progressive photos have about ten
MAX_SCANNED = 2_000_000_000  # pixels times scans: about six seconds of decoding
_READ = 128 << 20  # bytes within which a picture of several scans must end
_MARK = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")  # not 00, FF, the restarts D0 to D7, and D8


def check_scans(image: Any) -> None:
    """Refuses a JPEG whose scans would take too long to decode.

    Raises:
      PhotoError: the JPEG has too many scans.
    """
    if image.format not in ("JPEG", "MPO"):
        return
    file: IO[bytes] = image.fp
    place = file.tell()
    try:
        most = min(MAX_SCANS, MAX_SCANNED // max(image.width * image.height, 1))
        start = _many_scans(file)
        if start and _scans(file, start, most) > most:
            raise PhotoError("too slow to read", f"a JPEG of more than {most:,} scans; photos have about ten")
    finally:
        file.seek(place)


def _many_scans(file: IO[bytes]) -> int:
    """Finds where a JPEG's first scan begins, if others may follow it; 0 if the scan contains the whole picture."""
    at, whole = 2, 0
    while True:
        file.seek(at)
        mark = file.read(4)
        if len(mark) < 4 or mark[0] != 0xFF:
            return at  # unknown bytes between the segments: Pillow skips to the next segment, and so does the count
        if mark[1] == 0xFF:
            at += 1
        elif mark[1] == 0xDA:
            return 0 if whole and file.read(1)[:1] == bytes([whole]) else at
        elif 0xD0 <= mark[1] <= 0xD9 or mark[1] == 0x01:
            at += 2
        else:
            if mark[1] in (0xC0, 0xC1, 0xC9):  # one scan may hold all components; progressive ones have many
                whole = (file.read(6) or b"\0")[-1]
            at += 2 + int.from_bytes(mark[2:4], "big")


def _scans(file: IO[bytes], start: int, most: int) -> int:
    """Counts the scans of the first picture in a file, up to `most` + 1.

    Raises:
      PhotoError: the picture does not end within the first _READ bytes.
    """
    file.seek(start)
    data = file.read(_READ)
    if data.count(b"\xff\xda") <= most and len(data) < _READ:
        return 0  # few enough, even if every byte pair that looks like a scan's marker is one
    at = count = 0
    while count <= most and (found := _MARK.search(data, at)):
        kind, at = data[found.start() + 1], found.end()
        if kind == 0xD9:
            return count
        if kind == 0xDA:
            count += 1
        at += int.from_bytes(data[at : at + 2], "big")
    if count <= most and len(data) == _READ:
        raise PhotoError("too large", f"a JPEG of several scans that does not end within {_READ >> 20} MB")
    return count
