"""Stores what is known about files: their status in the file system, their digest and a checksum.

This is a table of its own in the store's database, by folder and name. A row that is damaged, or in the place of another
row, is ignored.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from retrain.store.sqlite_file import Database

# Created if it is missing, also in a store of an older version. Names are bytes, because Linux allows names that are not valid text.
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
HAS_IDENTITY = os.name != "nt"  # on Windows, scandir returns no inode, and ctime is the time of creation
_SIGNED = 2**63 - 1  # the largest integer of SQLite


class KnownFile(NamedTuple):
    """What is known about one file; a tuple, since a hundred thousand are created at once. 0 stands for no inode, device or ctime."""

    size: int  # bytes
    mtime_ns: int
    sha256: str
    ctime_ns: int = 0  # when its contents, times or name last changed
    inode: int = 0
    device: int = 0
    seen_ns: int = 0  # when the status was read, before the contents were


def stamp_of(status: os.stat_result) -> tuple[int, int, int, int, int]:
    """Returns size, mtime, ctime, inode and device of a file; the last three are 0 on systems without them."""
    if not HAS_IDENTITY:
        return status.st_size, status.st_mtime_ns, 0, 0, 0
    return (
        status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino & _SIGNED, status.st_dev & _SIGNED,
    )  # fmt: skip


def read(database: Database, folder: Path) -> dict[str, KnownFile]:
    """Returns what is stored about the files in one folder: name -> KnownFile."""
    place, known = _real(folder), {}
    seed = zlib.crc32(place)
    rows = database.with_repair(lambda: database.connection.execute(_SELECT, (place,)).fetchall())
    for name, *numbers, photo, checksum in rows:
        try:
            if _checksum(seed, name, numbers, photo) == checksum:
                size, mtime_ns, *others = numbers
                known[os.fsdecode(name)] = KnownFile(size, mtime_ns, photo.hex(), *others)
        except (TypeError, AttributeError, struct.error):  # the row is damaged: the file is read again
            continue
    return known


def write(database: Database, folder: Path, files: Mapping[str, KnownFile]) -> None:
    """Stores what is known about files in one folder."""
    place, rows = _real(folder), []
    seed = zlib.crc32(place)
    for text, file in files.items():
        name, photo = os.fsencode(text), bytes.fromhex(file.sha256)
        numbers = (file.size, file.mtime_ns, file.ctime_ns, file.inode, file.device, file.seen_ns)
        rows.append((place, name, *numbers, photo, _checksum(seed, name, numbers, photo)))

    def keep() -> None:
        with database.connection as connection:
            connection.executemany("INSERT OR REPLACE INTO known_file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    database.with_repair(keep)


def drop(database: Database, folder: Path, names: Iterable[str]) -> None:
    """Deletes what is stored about files."""
    place = _real(folder)
    rows = [(place, os.fsencode(name)) for name in names]

    def work() -> None:
        with database.connection as connection:
            connection.executemany("DELETE FROM known_file WHERE folder = ? AND name = ?", rows)

    database.with_repair(work)


def _checksum(seed: int, name: bytes, numbers: Sequence[int], photo: bytes) -> int:
    """Computes the checksum of a file's row; `seed` covers its folder, so that a damaged index cannot mix up two files.

    Raises:
      struct.error, TypeError: the row is damaged: a number has another type, or bytes are text.
    """
    return zlib.crc32(photo, zlib.crc32(_NUMBERS.pack(*numbers), zlib.crc32(name, seed)))


def _real(folder: Path) -> bytes:
    return os.fsencode(os.path.realpath(folder))
