"""What a store knows of files: all that the system says of each, its digest and a checksum.

A table of its own in the store's database, by folder and name. A row that is damaged, or lies in another's place, is not
known.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from retrain.store.sqlite_file import Database

# Made where it is missing, also in a store that an older version began. Names are bytes: Linux allows names that are no text.
TABLES = {
    "known_file": """CREATE TABLE IF NOT EXISTS known_file (
    folder BLOB NOT NULL, name BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL, device INTEGER NOT NULL, seen_ns INTEGER NOT NULL, photo BLOB NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID"""
}
_SELECT = """SELECT name, size, mtime_ns, ctime_ns, inode, device, seen_ns, photo, checksum FROM known_file
    WHERE folder = ?"""
_NUMBERS = struct.Struct("<6q")
HAS_IDENTITY = os.name != "nt"  # Windows gives scandir no inode, and its ctime is when the file was made
_SIGNED = 2**63 - 1  # SQLite's integers


class KnownFile(NamedTuple):
    """What is known of one file; a tuple, since a hundred thousand are made at once. No inode, device or ctime is 0."""

    size: int  # bytes
    mtime_ns: int
    sha256: str
    ctime_ns: int = 0  # when its bytes, its times or its name last changed
    inode: int = 0
    device: int = 0
    seen_ns: int = 0  # the time of day when the system was asked, before the bytes were read


def stamp_of(status: os.stat_result) -> tuple[int, int, int, int, int]:
    """All that the system says of a file: size, mtime, ctime, inode, device; the last three 0 where it has no such thing."""
    if not HAS_IDENTITY:
        return status.st_size, status.st_mtime_ns, 0, 0, 0
    return (
        status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino & _SIGNED, status.st_dev & _SIGNED,
    )  # fmt: skip


def read(database: Database, folder: Path) -> dict[str, KnownFile]:
    """What is known of the files in one folder: name -> KnownFile."""
    place, known = _real(folder), {}
    seed = zlib.crc32(place)
    rows = database.surely(lambda: database.connection.execute(_SELECT, (place,)).fetchall())
    for name, *numbers, photo, checksum in rows:
        try:
            if _checksum(seed, name, numbers, photo) == checksum:
                size, mtime_ns, *others = numbers
                known[os.fsdecode(name)] = KnownFile(size, mtime_ns, photo.hex(), *others)
        except (TypeError, AttributeError, struct.error):  # damaged: the file is read again
            continue
    return known


def write(database: Database, folder: Path, files: Mapping[str, KnownFile]) -> None:
    """Keeps what is known of files in one folder."""
    place, rows = _real(folder), []
    seed = zlib.crc32(place)
    for text, file in files.items():
        name, photo = os.fsencode(text), bytes.fromhex(file.sha256)
        numbers = (file.size, file.mtime_ns, file.ctime_ns, file.inode, file.device, file.seen_ns)
        rows.append((place, name, *numbers, photo, _checksum(seed, name, numbers, photo)))

    def keep() -> None:
        with database.connection as connection:
            connection.executemany("INSERT OR REPLACE INTO known_file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    database.surely(keep)


def drop(database: Database, folder: Path, names: Iterable[str]) -> None:
    """Drops what is known of files."""
    place = _real(folder)
    rows = [(place, os.fsencode(name)) for name in names]

    def work() -> None:
        with database.connection as connection:
            connection.executemany("DELETE FROM known_file WHERE folder = ? AND name = ?", rows)

    database.surely(work)


def _checksum(seed: int, name: bytes, numbers: Sequence[int], photo: bytes) -> int:
    """Of a file's row; `seed` is of its folder, so that a damaged index gives no file another's digest.

    Raises:
      struct.error, TypeError: a damaged row: numbers that are none, or text in place of bytes.
    """
    return zlib.crc32(photo, zlib.crc32(_NUMBERS.pack(*numbers), zlib.crc32(name, seed)))


def _real(folder: Path) -> bytes:
    return os.fsencode(os.path.realpath(folder))
